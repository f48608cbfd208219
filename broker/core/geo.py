"""Geometry in memory (CIM 009 V1.9.1, 4.7, 4.10): shapes, their relations, and distances on the sphere.

Relations are planar in lon/lat (DE-9IM by GEOS), as PostGIS does them on `geometry`. Distances are on a sphere of the
WGS 84 mean radius with great-circle edges, as PostGIS' ST_DistanceSphere: both evaluators agree to a relative 1e-9 or a
millimetre, whichever is more. Against the ellipsoid the sphere is off by up to 0.56 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Any, Final, TypeAlias

import orjson
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from broker.core.entity import Instance, instances
from broker.core.errors import BadRequestData

__all__ = ["RADIUS_M", "distance_m", "geometry", "reference", "relates", "shapes"]

RADIUS_M: Final = (2 * 6378137.0 + 6356752.314245179498) / 3

Vector: TypeAlias = tuple[float, float, float]


def geometry(geojson: dict[str, Any]) -> BaseGeometry:
    """Return the geometry in 2D, made valid without leaving its dimension (a bow tie becomes two triangles)."""
    try:
        found = shapely.force_2d(shape(geojson))
    except ValueError:  # some positions have an altitude and some have none
        found = shape(_flat(geojson))
    if not found.is_valid:
        found = shapely.make_valid(found, method="structure", keep_collapsed=False)
    return found


def _flat(geojson: dict[str, Any]) -> dict[str, Any]:
    """Leave of each position its longitude and latitude."""

    def pair(found: list[Any]) -> list[Any]:
        return [pair(one) for one in found] if found and isinstance(found[0], list) else found[:2]

    return {**geojson, "coordinates": pair(geojson["coordinates"])}


def shapes(value: Instance | list[Instance]) -> list[BaseGeometry]:
    """Return the geometries of a GeoProperty's instances, any of which a geoquery may be met by (5.7.2.4).

    The first is that of the default instance, else of the first one. One without extent (a polygon without area) counts
    only where there is no other.
    """
    found = [
        geometry(one["value"])
        for one in sorted(instances(value), key=lambda one: "datasetId" in one)
        if one.get("type") == "GeoProperty" and isinstance(one.get("value"), dict)
    ]
    return [one for one in found if not one.is_empty] or found[:1]


def reference(geojson: str) -> BaseGeometry:
    """Return the geometry of a GeoRel, prepared."""
    try:
        found = geometry(orjson.loads(geojson))
    except (ValueError, LookupError, TypeError, AttributeError, shapely.errors.ShapelyError) as error:
        raise BadRequestData(f"geometry: not a GeoJSON geometry: {geojson:.80}") from error
    if found.is_empty:
        raise BadRequestData(f"geometry: has no extent of its kind: {geojson:.80}")
    shapely.prepare(found)
    return found


def relates(relation: str, target: BaseGeometry, other: BaseGeometry) -> bool:
    """Say whether the target stands in the relation (any but near) to the other."""
    match relation:
        case "within":
            return bool(shapely.contains(other, target))
        case "contains":
            return bool(shapely.within(other, target))
        case "intersects":
            return bool(shapely.intersects(other, target))
        case "equals":
            return bool(shapely.equals(target, other))
        case "disjoint":
            return not shapely.intersects(other, target)
        case "overlaps":
            return bool(shapely.overlaps(other, target))
    raise ValueError(relation)


def distance_m(one: BaseGeometry, other: BaseGeometry) -> float:
    """Return the least distance of two geometries in metres; infinite if one is empty."""
    if one.geom_type == "Point" and other.geom_type == "Point" and not one.is_empty and not other.is_empty:
        mine_at, their_at = shapely.get_coordinates(one)[0], shapely.get_coordinates(other)[0]
        return _points_m(*mine_at, *their_at)
    mine, theirs = _Shape(one), _Shape(other)
    if mine.surrounds(theirs) or theirs.surrounds(mine):
        return 0.0
    angles = (_edges(first, second) for first, second in product(mine.edges, theirs.edges))
    return min(angles, default=math.inf) * RADIUS_M


def _points_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Haversine."""
    a, b = math.radians(lat), math.radians(other_lat)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(other_lon - lon) / 2) ** 2
    return 2 * RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


class _Shape:
    """A geometry on the sphere: edges (points are edges of no length) and polygons as lists of rings."""

    def __init__(self, found: BaseGeometry) -> None:
        self.edges: list[tuple[Vector, Vector]] = []
        self.polygons: list[list[list[Vector]]] = []
        for part in _parts(found):
            if part.geom_type == "Polygon":
                rings = [_vectors(ring.coords) for ring in (part.exterior, *part.interiors)]
                self.polygons.append(rings)
                for ring in rings:
                    self.edges.extend(pairwise(ring))
            else:
                line = _vectors(part.coords)
                self.edges.extend(pairwise(line) if len(line) > 1 else [(line[0], line[0])])

    def surrounds(self, other: _Shape) -> bool:
        """Say whether a vertex of the other lies inside (then all of it does, or edges cross)."""
        return any(_inside(start, rings) for rings in self.polygons for start, _ in other.edges)


def _parts(found: BaseGeometry) -> Iterator[Any]:
    parts: Iterable[BaseGeometry] = getattr(found, "geoms", (found,))
    return (part for part in parts if not part.is_empty)


def _vectors(coords: Iterable[Any]) -> list[Vector]:
    found = []
    for lon, lat, *_ in coords:
        x, y = math.radians(lon), math.radians(lat)
        found.append((math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y)))
    return found


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _angle(a: Vector, b: Vector) -> float:
    return math.atan2(math.hypot(*_cross(a, b)), _dot(a, b))


def _point_edge(point: Vector, start: Vector, end: Vector) -> float:
    normal = _cross(start, end)
    size = math.hypot(*normal)
    if size > 1e-15 and _dot(_cross(normal, start), point) >= 0 and _dot(_cross(end, normal), point) >= 0:
        return abs(math.atan2(_dot(normal, point) / size, math.hypot(*_cross(normal, point)) / size))
    return min(_angle(point, start), _angle(point, end))


def _edges(one: tuple[Vector, Vector], other: tuple[Vector, Vector]) -> float:
    """Least angle between two arcs."""
    (a, b), (c, d) = one, other
    if a != b and c != d and _crossing(a, b, c, d):
        return 0.0
    return min(_point_edge(a, c, d), _point_edge(b, c, d), _point_edge(c, a, b), _point_edge(d, a, b))


def _crossing(a: Vector, b: Vector, c: Vector, d: Vector) -> bool:
    """Say whether two arcs cross in their midst; where they only touch, an end is at no distance anyway."""
    first, second = _cross(a, b), _cross(c, d)
    sides = _dot(first, c), _dot(first, d), _dot(second, a), _dot(second, b)
    if min(map(abs, sides)) < 1e-14 or sides[0] * sides[1] > 0 or sides[2] * sides[3] > 0:
        return False
    where = _cross(first, second)
    return (_dot(where, a) + _dot(where, b)) * (_dot(where, c) + _dot(where, d)) > 0


def _inside(point: Vector, rings: list[list[Vector]]) -> bool:
    """Say whether the point is within the outer ring and in no hole: rings wind around it, not around its antipode."""
    return _winds(point, rings[0]) and not any(_winds(point, hole) for hole in rings[1:])


def _winds(point: Vector, ring: list[Vector]) -> bool:
    if _dot(point, ring[0]) < 0:
        return False
    east = _cross((0.0, 0.0, 1.0), point) if abs(point[2]) < 0.999 else _cross((1.0, 0.0, 0.0), point)
    north = _cross(point, east)
    turned = 0.0
    bearings = [math.atan2(_dot(vertex, north), _dot(vertex, east)) for vertex in ring]
    for before, after in pairwise(bearings):
        turned += math.remainder(after - before, 2 * math.pi)
    return abs(turned) > math.pi
