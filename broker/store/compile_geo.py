"""Geoqueries as PostGIS (4.10), in the form that the GiST indexes serve.

An attribute's geometry is `entities.location` for `location`, else the row of `entity_geo`. Where the attribute has
several instances it is the collection of theirs, and any of them may meet the query (5.7.2.4); no single geometry is a
collection (4.7.1). Relations are planar, distances on the sphere, as in `broker.core.geo`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

from broker.core.entity import LOCATION
from broker.core.geo import RADIUS_M, reference
from broker.core.query import GeoRel
from broker.store.compile_params import Params

__all__ = ["first_sql", "geo_sql", "relation_sql"]

_SLACK_DEG: Final = 0.002
"""How far a great circle of up to one degree bulges out of its planar box, and rounding."""

_RELATIONS: Final = {
    "within": "ST_Within({0}, {1})",
    "contains": "ST_Contains({0}, {1})",
    "intersects": "ST_Intersects({0}, {1})",
    "equals": "ST_Equals({0}, {1})",
    "disjoint": "({0} IS NOT NULL AND NOT ST_Intersects({0}, {1}))",
    "overlaps": "ST_Overlaps({0}, {1})",
}


def geo_sql(node: GeoRel, params: Params) -> str:
    """Compile a georelation on the row `params.alias`."""
    if node.attr == LOCATION:
        return relation_sql(node, f"{params.alias}.location", params)
    attr = params.text(node.attr)
    condition = relation_sql(node, "g.geom", params)
    return f"EXISTS (SELECT FROM entity_geo g WHERE g.id = {params.alias}.id AND g.attr = {attr} AND {condition})"


def relation_sql(node: GeoRel, column: str, params: Params) -> str:
    """Compile a georelation on a geometry column, met by any of the instances that it holds (5.7.2.4)."""
    other = reference(node.geometry)
    sql = f"ST_GeomFromWKB({params.binary(shapely.to_wkb(other))}, 4326)"
    if node.rel == "near":
        return _near_sql(node, column, sql, other, params)
    found = _any_sql(column, lambda one: _RELATIONS[node.rel].format(one, sql))
    # All but disjoint need the boxes to meet, which is what the index can tell.
    return found if node.rel == "disjoint" else f"({column} && {sql} AND {found})"


def _any_sql(column: str, condition: Callable[[str], str]) -> str:
    """Ask one geometry, or each of a collection's, which is what several instances are kept as."""
    each = condition(f"ST_GeometryN({column}, n)")
    return (
        f"(CASE WHEN geometrytype({column}) = 'GEOMETRYCOLLECTION' "
        f"THEN EXISTS (SELECT FROM generate_series(1, ST_NumGeometries({column})) n WHERE {each}) "
        f"ELSE {condition(column)} END)"
    )


def first_sql(column: str) -> str:
    """Return the geometry of the instance that stands for the attribute (`geo.shapes`)."""
    return f"(CASE WHEN geometrytype({column}) = 'GEOMETRYCOLLECTION' THEN ST_GeometryN({column}, 1) ELSE {column} END)"


def _near_sql(node: GeoRel, column: str, sql: str, other: BaseGeometry, params: Params) -> str:
    parts = []
    if node.max_m is not None:
        boxes = " OR ".join(
            f"{column} && ST_MakeEnvelope({', '.join(params.number(edge) for edge in box)}, 4326)"
            for box in _boxes(other, node.max_m)
        )
        parts.append(f"({boxes})")
    limits = [
        f"{sign} {params.number(limit)}" for sign, limit in (("<=", node.max_m), (">", node.min_m)) if limit is not None
    ]
    if not limits:
        return f"({column} IS NOT NULL)"

    def within(one: str) -> str:
        return " AND ".join(f"ST_Distance(geography({one}), geography({sql}), false) {limit}" for limit in limits)

    return "(" + " AND ".join([*parts, _any_sql(column, within)]) + ")"


def _boxes(other: BaseGeometry, metres: float) -> list[tuple[float, float, float, float]]:
    """Return boxes in lon/lat that hold all within the distance; two where it crosses the antimeridian.

    Exact for edges of up to one degree, which the slack covers.
    """
    west, south, east, north = other.bounds
    angle = metres / RADIUS_M
    tall = math.degrees(angle) + _SLACK_DEG
    south, north = max(-90.0, south - tall), min(90.0, north + tall)
    widest = math.radians(max(abs(south), abs(north)))
    ratio = math.sin(min(angle, math.pi / 2)) / math.cos(widest) if widest < math.radians(89.9) else 2.0
    if ratio >= 1:
        return [(-180.0, south, 180.0, north)]
    wide = math.degrees(math.asin(ratio)) + _SLACK_DEG
    west, east = west - wide, east + wide
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    if west < -180:
        return [(-180.0, south, east, north), (west + 360, south, 180.0, north)]
    if east > 180:
        return [(west, south, 180.0, north), (-180.0, south, east - 360, north)]
    return [(west, south, east, north)]
