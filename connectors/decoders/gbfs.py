"""GBFS 1, 2 and 3: the items of one file as records that read alike whatever the version.

Names and forms are version 3's: `vehicle_id`, `num_vehicles_available`, RFC 3339 times, true and false, and one text
where version 3 has a list of translations. What a version does not rename stays as it is. `file` says which file the
item is of; `last_updated` and `version` are the file's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from connectors.decoders.decoded import Decoded, rejected
from connectors.functions import utc
from connectors.specs.protocols import GbfsDecoder

__all__ = ["decode_gbfs"]

_RENAMED = {
    "bike_id": "vehicle_id",
    "num_bikes_available": "num_vehicles_available",
    "num_bikes_disabled": "num_vehicles_disabled",
}
_TRUTH = frozenset({"is_installed", "is_renting", "is_returning", "is_reserved", "is_disabled", "is_virtual_station"})
_TIMES = frozenset({"last_reported", "last_updated", "available_until"})
_END = re.compile(r"[.@]")
_FEWEST, _MOST = 0, 253_402_300_799


def decode_gbfs(stream: BinaryIO, name: str, spec: GbfsDecoder) -> Iterator[Decoded]:
    """Yield a record per item, or the one record of a file without a list. The position is `<name>#<n>`."""
    raw = stream.read()
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield rejected(name, "json", "", "the bytes are no JSON document", raw)
        return
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        yield rejected(name, "data", "data", "a GBFS file has a member data; is the URL right?", raw)
        return
    head = {
        "file": _END.split(name, maxsplit=1)[0],
        "version": str(document.get("version", "1.0")),
        "last_updated": _time(document.get("last_updated")),
    }
    for at, item in enumerate(_items(data)):
        position = f"{name}#{at}"
        if at >= spec.max_records:
            yield rejected(position, "records", "", f"more than {spec.max_records} items in one file", raw)
            return
        if not isinstance(item, dict):
            yield rejected(position, "object", "", "an item is a JSON object", raw)
            continue
        yield Decoded(position, {**head, **_alike(item, spec.language)})


def _items(data: dict[str, Any]) -> list[Any]:
    """Return the file's one list, at most two members down (geofencing zones are a GeoJSON collection)."""
    zones = data.get("geofencing_zones")
    if isinstance(zones, dict) and isinstance(zones.get("features"), list):
        return list(zones["features"])
    lists = [value for value in data.values() if isinstance(value, list)]
    return lists[0] if len(data) == 1 and lists else [data]


def _alike(item: dict[str, Any], language: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in item.items():
        if name in _TRUTH and value in {0, 1}:
            value = bool(value)
        elif name in _TIMES:
            value = _time(value)
        elif isinstance(value, list) and value and all(isinstance(one, dict) and "text" in one for one in value):
            value = next((one["text"] for one in value if one.get("language") == language), value[0]["text"])
        elif isinstance(value, dict) and name == "properties":
            value = _alike(value, language)
        found[_RENAMED.get(name, name)] = value
    return found


def _time(value: Any) -> Any:
    """Write seconds since 1970 (versions 1 and 2) as version 3 writes times; anything else is left to the mapping."""
    if isinstance(value, int | float) and not isinstance(value, bool) and _FEWEST < value <= _MOST:
        return utc(datetime.fromtimestamp(value, UTC))
    return value
