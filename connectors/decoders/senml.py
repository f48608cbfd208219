"""SenML (RFC 8428) in JSON: base fields resolved, relative times made absolute, records in the order of the pack."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.functions import utc
from connectors.specs.protocols import SenmlDecoder

__all__ = ["decode_senml"]

_RELATIVE = 2**28
_LATEST = 253_402_300_799
_VALUES = {"v": "value", "vs": "value", "vb": "value", "vd": "value"}
_KNOWN = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"})


class _Wrong(ValueError):
    def __init__(self, rule: str, field: str, suggestion: str) -> None:
        super().__init__(suggestion)
        self.rule, self.field, self.suggestion = rule, field, suggestion


def decode_senml(stream: BinaryIO, name: str, spec: SenmlDecoder) -> Iterator[Decoded]:
    """Yield {name, time, unit, value, sum, base} per record; packed: {base, time, <rest of name>: value, ..}.

    A wrong record is rejected by itself; base fields before it hold on, as the RFC has it.
    """
    raw = stream.read()
    try:
        pack = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    if not isinstance(pack, list):
        yield rejected(name, "pack", "", "a SenML pack is a JSON array", raw)
        return
    now = time.time()
    base: dict[str, Any] = {}
    found: list[Decoded] = []
    for at, entry in enumerate(pack):
        if at >= spec.max_records:
            found.append(rejected(f"{name}#{at}", "records", "", f"more than {spec.max_records} records", raw))
            break
        try:
            record = _resolved(entry, base, now)
        except _Wrong as error:
            found.append(rejected(f"{name}#{at}", error.rule, error.field, error.suggestion, raw))
            continue
        if record is not None:
            found.append(Decoded(f"{name}#{at}", record))
    yield from _packed(found) if spec.pack else found


def _resolved(entry: Any, base: dict[str, Any], now: float) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        raise _Wrong("object", "", "a SenML record is a JSON object")
    strange = [member for member in entry if member.endswith("_") and member not in _KNOWN]
    if strange:
        raise _Wrong("extension", strange[0], "a member that ends in _ must be understood, and this one is not")
    base.update({member: entry[member] for member in ("bn", "bt", "bu", "bv", "bs", "bver") if member in entry})
    if not isinstance(base.get("bver", 10), int) or base.get("bver", 10) > 10:
        raise _Wrong("version", "bver", "only SenML version 10 is understood")
    own = [member for member in _VALUES if member in entry]
    if not own and "s" not in entry and "bv" not in entry:
        return None
    if len(own) > 1:
        raise _Wrong("value", own[1], "a record has one value")
    label = str(base.get("bn", "")) + str(entry.get("n", ""))
    if not label:
        raise _Wrong("name", "n", "the record has neither name nor base name")
    found: dict[str, Any] = {"name": label, "base": str(base.get("bn", "")), "rest": str(entry.get("n", ""))}
    found["time"] = _absolute(_number(base.get("bt", 0), "bt") + _number(entry.get("t", 0), "t"), now)
    unit = entry.get("u", base.get("bu"))
    if unit is not None:
        found["unit"] = unit
    value = entry[own[0]] if own else None
    if "v" in entry or (not own and "bv" in entry):
        value = _number(value if value is not None else 0, "v") + _number(base.get("bv", 0), "bv")
    if value is not None:
        found["value"] = value
    if "s" in entry:
        found["sum"] = _number(entry["s"], "s") + _number(base.get("bs", 0), "bs")
    return found


def _number(value: Any, field: str) -> float | int:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise _Wrong("number", field, "the member is no number")


def _absolute(seconds: float, now: float) -> str:
    """Resolve a time: below 2**28 it is relative to now (RFC 8428, 4.5.3)."""
    instant = seconds if seconds >= _RELATIVE else now + seconds
    if not 0 <= instant <= _LATEST:
        raise _Wrong("time", "t", "the time is outside the years 1970 to 9999")
    return utc(datetime.fromtimestamp(instant, UTC))


def _packed(found: list[Decoded]) -> Iterator[Decoded]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    places: dict[tuple[str, str], str] = {}
    for one in found:
        if one.record is None:
            yield one
            continue
        key = (one.record["base"], one.record["time"])
        places.setdefault(key, one.position)
        group = groups.setdefault(key, {"base": key[0], "time": key[1], "values": {}, "units": {}})
        label = one.record["rest"] or "value"
        group["values"][label] = one.record.get("value", one.record.get("sum"))
        if "unit" in one.record:
            group["units"][label] = one.record["unit"]
    for key, group in groups.items():
        yield Decoded(places[key], group)
