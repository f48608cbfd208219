"""GeoJSON geometries as GeoProperty values (CIM 009 V1.9.1, 4.7.1; RFC 7946): WGS 84, lon/lat, no collections.

A polygon that crosses itself is taken (it is made valid where it is indexed); one whose ring is open is not.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

__all__ = ["GEOMETRY_TYPES", "fault", "looks_like"]

_DEPTH: Final = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
GEOMETRY_TYPES: Final = frozenset(_DEPTH)


def looks_like(value: Any) -> bool:
    """Say whether a value is meant as a geometry: an object with a geometry's type and coordinates."""
    if not isinstance(value, dict) or "coordinates" not in value:
        return False
    kind = value.get("type")
    return isinstance(kind, str) and kind in GEOMETRY_TYPES


def fault(value: Any) -> str | None:
    """Say what is wrong with a geometry, None if nothing is."""
    if not isinstance(value, dict):
        return "a GeoJSON geometry is needed"
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _DEPTH:
        return f"{kind!r:.40} is no geometry type; these are: {', '.join(_DEPTH)}"
    coordinates: Any = value.get("coordinates")
    found = _check(coordinates, _DEPTH[kind])
    if found is not None:
        return found
    if kind == "LineString":
        return _line(coordinates)
    if kind == "MultiLineString":
        return next((found for line in coordinates if (found := _line(line))), None)
    if kind == "Polygon":
        return _rings(coordinates)
    if kind == "MultiPolygon":
        return next((found for rings in coordinates if (found := _rings(rings))), None)
    return None


def _check(value: Any, depth: int) -> str | None:
    if depth == 0:
        return _position(value)
    if not isinstance(value, list) or not value:
        return "coordinates: a non-empty array of positions is needed"
    for one in value:
        found = _check(one, depth - 1)
        if found is not None:
            return found
    return None


def _position(value: Any) -> str | None:
    if not isinstance(value, list) or not 2 <= len(value) <= 3:
        return "coordinates: a position is [lon, lat] or [lon, lat, altitude]"
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float) or not isfinite(one):
            return f"coordinates: {one!r:.40} is no number"
    if not -180 <= value[0] <= 180:
        return f"coordinates: {value[0]} is no longitude (-180 to 180; the order is lon, lat)"
    if not -90 <= value[1] <= 90:
        return f"coordinates: {value[1]} is no latitude (-90 to 90; the order is lon, lat)"
    return None


def _line(positions: list[Any]) -> str | None:
    return None if len(positions) >= 2 else "coordinates: a line needs two positions or more"


def _rings(rings: list[list[Any]]) -> str | None:
    for ring in rings:
        if len(ring) < 4:
            return "coordinates: a polygon's ring needs four positions or more"
        if ring[0] != ring[-1]:
            return "coordinates: a polygon's ring must end where it starts"
    return None
