"""oneM2M (TS-0004): notifications and retrieved resources, in JSON.

A record has the resource's short names (`ri`, `rn`, `pi`, `ct`, `lt`, `lbl`, `st`, `con`), `resource` (its kind, such
as cin or cnt), `event` of a notification, and `content`: the content instance's own content, decoded where it is
JSON. Times (`20151118T163841`) are written as ISO 8601 in UTC. A verification request has no resource and gives none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.specs.protocols import OneM2MDecoder

__all__ = ["decode_onem2m"]

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:[.,](\d{1,6}))?")
_TIMES = frozenset({"ct", "lt", "et", "dgt"})
_BASE64 = re.compile(r":[12]\b")


def decode_onem2m(stream: BinaryIO, name: str, spec: OneM2MDecoder) -> Iterator[Decoded]:
    """Yield a record per resource. The position is `<name>#<number>`, from 0."""
    raw = stream.read()
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    event: Any = None
    if isinstance(message, dict) and isinstance(sign := message.get("m2m:sgn"), dict):
        if sign.get("vrq") is True or sign.get("sud") is True:
            return
        notified: Any = sign.get("nev") if isinstance(sign.get("nev"), dict) else {}
        event, message = notified.get("net"), notified.get("rep")
    if isinstance(message, dict) and isinstance(message.get("m2m:rsp"), dict):
        message = message["m2m:rsp"].get("pc")
    found = list(_resources(message))
    if not found:
        yield rejected(name, "resource", "", "the message carries no oneM2M resource such as m2m:cin", raw)
        return
    for at, (kind, resource) in enumerate(found):
        record = {label: _written(label, value) for label, value in resource.items()}
        record["resource"] = kind
        if event is not None:
            record["event"] = event
        if "con" in resource:
            record["content"] = _content(resource["con"], str(resource.get("cnf", "")))
        yield Decoded(f"{name}#{at}", record)


def _resources(message: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield resources: one by its kind, or those of a list (rcn 8: child resources)."""
    if not isinstance(message, dict):
        return
    for label, value in message.items():
        kind = label.rsplit(":", 1)[-1]
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                if "ri" in one or "con" in one:
                    yield kind, {name: item for name, item in one.items() if not name.startswith("m2m:")}
                yield from _resources({name: item for name, item in one.items() if name.startswith("m2m:")})


def _written(label: str, value: Any) -> Any:
    found = _TIME.fullmatch(value) if label in _TIMES and isinstance(value, str) else None
    if found is None:
        return value
    year, month, day, hour, minute, second, part = found.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{'.' + part if part else ''}Z"


def _content(content: Any, form: str) -> Any:
    """Decode content: base64 where the content info says so, JSON where it is JSON, else as it is."""
    if not isinstance(content, str):
        return content
    if _BASE64.search(form):
        try:
            content = base64.b64decode(content, validate=True).decode()
        except (binascii.Error, ValueError):
            return content
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
