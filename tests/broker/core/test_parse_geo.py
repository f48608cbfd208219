"""The geoquery language (4.10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.core.entity import LOCATION
from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.parse_geo import MAX_POSITIONS, parse_geo
from broker.core.query import GeoRel

RING = [[100.0, 0.0], [101.0, 0.0], [101.0, 1.0], [100.0, 1.0], [100.0, 0.0]]


def expand(name: str) -> str:
    return f"urn:a:{name}"


def test_examples() -> None:
    near = parse_geo("near;maxDistance==2000", "Point", "[8,40]", "observationSpace", expand)
    assert near == GeoRel("urn:a:observationSpace", "near", '{"type":"Point","coordinates":[8,40]}', 2000.0, None)
    within = parse_geo("within", "Polygon", json.dumps([RING]), None, expand)
    assert within is not None
    assert (within.attr, within.rel, within.max_m, within.min_m) == (LOCATION, "within", None, None)
    assert json.loads(within.geometry) == {"type": "Polygon", "coordinates": [RING]}
    far = parse_geo("near;minDistance==1.5e3", "Point", [8, 40], None, expand)
    assert far is not None
    assert (far.max_m, far.min_m) == (None, 1500.0)
    assert parse_geo(None, None, None, None, expand) is None


@pytest.mark.parametrize("relation", ["within", "contains", "intersects", "equals", "disjoint", "overlaps"])
def test_relations(relation: str) -> None:
    found = parse_geo(relation, "MultiPoint", "[[1,2],[3,4,5]]", None, expand)
    assert found is not None
    assert found.rel == relation


@pytest.mark.parametrize(
    ("georel", "geometry", "coordinates", "named"),
    [
        (None, "Point", "[1,2]", "georel"),
        ("within", None, "[1,2]", "geometry"),
        ("within", "Point", None, "coordinates"),
        ("around", "Point", "[1,2]", "georel"),
        ("near", "Point", "[1,2]", "georel"),
        ("near;maxDistance=10", "Point", "[1,2]", "georel"),
        ("near;maxDistance==0", "Point", "[1,2]", "georel"),
        ("near;maxDistance==-5", "Point", "[1,2]", "georel"),
        ("near;maxDistance==1e999", "Point", "[1,2]", "georel"),
        ("near;maxDistance==10;minDistance==5", "Point", "[1,2]", "georel"),
        ("within;maxDistance==10", "Point", "[1,2]", "georel"),
        ("within", "GeometryCollection", "[]", "geometry"),
        ("within", "Circle", "[1,2]", "geometry"),
        ("within", "Point", "[1]", "coordinates"),
        ("within", "Point", "[1,2,3,4]", "coordinates"),
        ("within", "Point", '[1,"2"]', "coordinates"),
        ("within", "Point", "[true,2]", "coordinates"),
        ("within", "Point", "[181,2]", "coordinates"),
        ("within", "Point", "[1,91]", "coordinates"),
        ("within", "Point", "[NaN,1]", "coordinates"),
        ("within", "Point", "[1,2", "coordinates"),
        ("within", "Point", "1,2", "coordinates"),
        ("within", "Point", '{"a":1}', "coordinates"),
        ("within", "LineString", "[[1,2]]", "coordinates"),
        ("within", "Polygon", "[[[0,0],[1,1],[0,0]]]", "coordinates[0]"),
        ("within", "Polygon", "[[[0,0],[1,0],[1,1],[0,1]]]", "coordinates[0]"),
        ("within", "Polygon", "[]", "coordinates"),
        ("within", "MultiPolygon", "[[[[0,0],[1,0],[1,1],[9]]]]", "coordinates[0][0]"),
    ],
)
def test_refused_naming_the_parameter(georel: str | None, geometry: str | None, coordinates: Any, named: str) -> None:
    with pytest.raises(BadRequestData) as error:
        parse_geo(georel, geometry, coordinates, None, expand)
    assert error.value.detail.startswith(f"{named}: ") or error.value.detail.startswith(f"{named}[")


def test_bounds() -> None:
    with pytest.raises(TooComplexQuery):
        parse_geo("within", "MultiPoint", [[0, 0]] * (MAX_POSITIONS + 1), None, expand)
