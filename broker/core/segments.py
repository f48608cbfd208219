"""Attribute segments: a document as a row stores it, one JSON text per attribute.

A segment that starts with `{` or `[` holds core short names only: it reads the same under every @context and goes
into answers as it is. One that holds names to compact (sub-attributes, keys of compound values, `vocab`, `objectType`,
`valueType`), or `expiresAt`, which not every answer shows, starts with a space. orjson is allowed in `core`: it is
computation, not I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from broker.core import geo, times
from broker.core.entity import ENTITY_MEMBERS, INSTANCE_MEMBERS, Doc, Instance

__all__ = [
    "LONGEST",
    "Segments",
    "doc",
    "ewkb",
    "geometry_of",
    "parse",
    "scalar_of",
    "scope_segment",
    "segment",
    "segments",
]

_SRID = 4326
_SCALAR = (str, int, float)
LONGEST = 500
"""Characters of the longest string that `vals` holds."""
_COMPOUND = (dict, list)
_POINT = struct.Struct("<BIIdd")
_POINT_TAG = 0x20000001
_NAMED_MEMBERS = frozenset({"vocab", "objectType", "valueType", "entityTypeSealed", "expiresAt"})
_FLAT = frozenset({"type", "value", "object", "unitCode", "observedAt", "datasetId"})
"""Members that hold no names, where the value is no compound one."""
_OPAQUE_MEMBERS = frozenset({"json", "languageMap", "object", "objectList"})


@dataclass(frozen=True, slots=True)
class Segments:
    """A document's attributes as columns; `names[i]` goes with `segs[i]`. `geo`: EWKB (SRID 4326) per GeoProperty."""

    names: list[str]
    segs: list[str]
    vals: dict[str, Any]
    geo: dict[str, bytes]


def segments(document: Doc) -> Segments:
    """Split a document into the columns of its row."""
    names, segs, vals, geo = [], [], {}, {}
    for name, value in document.items():
        if name in ENTITY_MEMBERS:
            continue
        names.append(name)
        segs.append(segment(value))
        vals[name] = scalar_of(value)
        shaped = geometry_of(value)
        if shaped is not None:
            geo[name] = shaped
    return Segments(names, segs, vals, geo)


def scope_segment(scopes: Sequence[str], observed: str) -> str:
    """Return a scope as the history has it: a Property with the instant (canonical) since when it holds (4.5.6)."""
    return orjson.dumps({"type": "Property", "value": scopes, "observedAt": times.shown(observed)}).decode()


def doc(id: str, types: Sequence[str], scopes: Sequence[str] | None, names: Iterable[str], segs: Iterable[str]) -> Doc:
    """Build the document of a row again."""
    found: Doc = {"id": id, "type": list(types)}
    if scopes:
        found["scope"] = list(scopes)
    for name, text in zip(names, segs, strict=True):
        found[name] = orjson.loads(text)
    return found


def segment(value: Instance | list[Instance]) -> str:
    """Write an attribute's instance or instances as a segment text."""
    text = orjson.dumps(value).decode()
    if type(value) is dict and value.keys() <= _FLAT:
        inner = value.get("value")
        if type(inner) is not dict and type(inner) is not list:
            return text
    return " " + text if _has_names(value) else text


def parse(text: str) -> Instance | list[Instance]:
    """Read a segment."""
    found: Instance | list[Instance] = orjson.loads(text)
    return found


def scalar_of(value: Instance | list[Instance]) -> str | int | float | bool | list[Any]:
    """Return what goes into `vals`: the value of the only instance, if that is a default one and its value a scalar.

    Any other attribute gives `[]`, which tells queries to read the segment: so one index on `vals -> IRI` finds both.
    So does one that expires (4.22): whether it is over can be seen there alone.
    A string of more than 500 characters gives it too, as an index could not hold it.
    """
    if isinstance(value, list) or "datasetId" in value or "expiresAt" in value:
        return []
    plain = value.get("value")
    if type(plain) is float or type(plain) is int:
        return plain
    for member in ("value", "object", "vocab"):
        found = value.get(member)
        if isinstance(found, _SCALAR):
            return [] if isinstance(found, str) and len(found) > LONGEST else found
    return []


def geometry_of(value: Instance | list[Instance]) -> bytes | None:
    """Return a GeoProperty's geometry as EWKB, for several instances a collection of theirs; None for another kind.

    The first of a collection is the one that `geo.shapes` puts first.
    """
    if isinstance(value, dict):
        geometry = value.get("value") if value.get("type") == "GeoProperty" else None
        return ewkb(geometry) if isinstance(geometry, dict) else None
    found = geo.shapes(value)
    if not found:
        return None
    return _ewkb(found[0] if len(found) == 1 else shapely.GeometryCollection(found))


def ewkb(geometry: dict[str, Any]) -> bytes:
    """Encode a GeoJSON geometry (already validated; lon/lat) for PostGIS, made valid if it crosses itself; 2D."""
    if geometry["type"] == "Point":
        lon, lat = geometry["coordinates"][:2]
        return _POINT.pack(1, _POINT_TAG, _SRID, lon, lat)
    return _ewkb(geo.geometry(geometry))


def _ewkb(shape: BaseGeometry) -> bytes:
    return bytes(shapely.to_wkb(shapely.set_srid(shape, _SRID), include_srid=True))


def _has_names(value: Instance | list[Instance]) -> bool:
    if isinstance(value, list):
        return any(_has_names(one) for one in value)
    for key, item in value.items():
        if key not in INSTANCE_MEMBERS or key in _NAMED_MEMBERS:
            return True
        if not isinstance(item, _COMPOUND):
            continue
        if key not in _OPAQUE_MEMBERS and _compound(item) and value.get("type") != "GeoProperty":
            return True
    return False


def _compound(value: Any) -> bool:
    """Say whether a compound value holds an object with members (whose keys are names)."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(_compound(one) for one in value)
