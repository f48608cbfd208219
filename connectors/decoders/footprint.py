"""The footprint of a three-dimensional object: its surfaces seen from above, in longitude and latitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from connectors.decoders.geometry import Numbers, Projection, geojson
from connectors.geojson import within_degrees

__all__ = ["Solid", "footprint"]

_LEAST = 1e-6  # of the box's area: a wall seen from above


@dataclass(frozen=True, slots=True)
class Solid:
    """Surfaces as rings of x, y, z (the outer one first), and all points of the object."""

    lod: str
    surfaces: Sequence[Sequence[Numbers]]
    points: Numbers


def footprint(solids: Sequence[Solid], place: Projection) -> dict[str, Any] | None:
    """Give `geometry`, `zMin` and `zMax`; None if the coordinates cannot be longitude and latitude after all."""
    points = np.concatenate([solid.points for solid in solids])
    if not len(points):
        return {}
    shape = _outline(solids)
    if shape is None:
        flat = np.unique(points[:, :2], axis=0)
        shape = shapely.points(flat[0]) if len(flat) == 1 else shapely.multipoints(flat)
    found = geojson(place.shapes(np.array([shape], dtype=object))[0])
    if found is None or not within_degrees(found):
        return None
    return {"geometry": found, "zMin": round(float(points[:, 2].min()), 3), "zMax": round(float(points[:, 2].max()), 3)}


def _outline(solids: Sequence[Solid]) -> Any:
    polygons = []
    for solid in solids:
        for surface in solid.surfaces:
            rings = [ring[:, :2] for ring in surface if len(ring) >= 3]
            if not rings:
                continue
            polygon: BaseGeometry = shapely.Polygon(rings[0], rings[1:])
            if not polygon.is_valid:
                polygon = shapely.make_valid(polygon)
            if polygon.area > 0:
                polygons.append(polygon)
    if not polygons:
        return None
    largest = max(polygon.area for polygon in polygons)
    united = shapely.unary_union([polygon for polygon in polygons if polygon.area > largest * _LEAST])
    parts = [part for part in shapely.get_parts(united) if part.geom_type == "Polygon" and part.area > largest * _LEAST]
    if not parts:
        return None
    outline = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return shapely.normalize(outline)
