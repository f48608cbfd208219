"""GeoJSON geometries as records and entities carry them: what is one, and whether it lies on the earth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

__all__ = ["DEPTHS", "is_geometry", "positions", "within_degrees"]

DEPTHS = {"Point": 1, "MultiPoint": 2, "LineString": 2, "MultiLineString": 3, "Polygon": 3, "MultiPolygon": 4}
"""Kinds of geometry, and how deep their numbers are nested."""


def positions(geometry: dict[str, Any]) -> Iterator[list[float]]:
    """Yield every position of a geometry."""
    yield from _flat(geometry["coordinates"], DEPTHS[geometry["type"]])


def within_degrees(geometry: dict[str, Any]) -> bool:
    """Whether every position of a geometry is a longitude and a latitude."""
    return all(-180 <= place[0] <= 180 and -90 <= place[1] <= 90 for place in positions(geometry))


def _flat(found: Any, depth: int) -> Iterator[list[float]]:
    if depth == 1:
        yield found
    else:
        for item in found:
            yield from _flat(item, depth - 1)


def is_geometry(value: object) -> bool:
    """Whether a value is a GeoJSON geometry: kind, and numbers nested as deep as the kind says."""
    return (
        isinstance(value, dict)
        and value.get("type") in DEPTHS
        and _numbers(value.get("coordinates"), DEPTHS[value["type"]])
    )


def _numbers(found: object, depth: int) -> bool:
    if not isinstance(found, list | tuple):
        return False
    if depth == 1:
        return 2 <= len(found) <= 4 and all(
            isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item) for item in found
        )
    return bool(found) and all(_numbers(item, depth - 1) for item in found)
