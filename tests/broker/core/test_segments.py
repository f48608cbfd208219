"""Documents as rows store them."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import segments
from broker.core.entity import LOCATION, Doc, Instance
from tests.strategies.entities import docs

A = "https://a.example/a"


@settings(max_examples=150, deadline=None)
@given(docs())
def test_a_document_splits_and_joins_unchanged(doc: Doc) -> None:
    split = segments.segments(doc)
    assert segments.doc(doc["id"], doc["type"], doc.get("scope"), split.names, split.segs) == doc
    assert set(split.vals) == set(split.names)


@pytest.mark.parametrize(
    ("instance", "spaced"),
    [
        ({"type": "Property", "value": 1, "unitCode": "CEL"}, False),
        ({"type": "Property", "value": [1, ["a"]]}, False),
        ({"type": "Property", "value": {}}, False),
        ({"type": "Property", "value": {A: 1}}, True),
        ({"type": "Property", "value": [[{A: 1}]]}, True),
        ({"type": "Property", "value": 1, A: {"type": "Property", "value": 1}}, True),
        ({"type": "Property", "value": 1, "valueType": "https://a.example/T"}, True),
        ({"type": "Relationship", "object": "urn:x:1"}, False),
        ({"type": "Relationship", "object": ["urn:x:1"], "objectType": A}, True),
        ({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}}, False),
        (
            {
                "type": "GeoProperty",
                "value": {"type": "Point", "coordinates": [1, 2]},
                A: {"type": "Property", "value": 1},
            },
            True,
        ),
        ({"type": "LanguageProperty", "languageMap": {"en": "x"}}, False),
        ({"type": "JsonProperty", "json": {"a": {"b": 1}}}, False),
        ({"type": "VocabProperty", "vocab": A}, True),
        ({"type": "ListProperty", "valueList": [1]}, False),
        ({"type": "ListProperty", "valueList": [{A: 1}]}, True),
        ({"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}]}, False),
    ],
    ids=str,
)
def test_a_segment_with_names_in_it_starts_with_a_space(instance: Instance, spaced: bool) -> None:
    assert segments.segment(instance).startswith(" ") is spaced
    assert segments.segment([instance]).startswith(" ") is spaced
    assert segments.segment([instance]).lstrip(" ").startswith("[")


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        ({"type": "Property", "value": 1}, 1),
        ({"type": "Property", "value": False}, False),
        ({"type": "Property", "value": ""}, ""),
        ({"type": "Relationship", "object": "urn:x:1"}, "urn:x:1"),
        ({"type": "VocabProperty", "vocab": A}, A),
        ({"type": "Relationship", "object": ["urn:x:1"]}, []),
        ({"type": "Property", "value": {}}, []),
        ({"type": "Property", "value": 1, "datasetId": "urn:d:1"}, []),
        ([{"type": "Property", "value": 1, "datasetId": "urn:d:1"}], []),
        ({"type": "LanguageProperty", "languageMap": {"en": "x"}}, []),
    ],
    ids=str,
)
def test_scalars_for_queries(value: Instance, scalar: object) -> None:
    found = segments.scalar_of(value)
    assert found == scalar
    assert type(found) is type(scalar)


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_points_are_encoded_as_shapely_does(lon: float, lat: float) -> None:
    encoded = segments.ewkb({"type": "Point", "coordinates": [lon, lat, 5]})
    assert encoded == shapely.to_wkb(shapely.set_srid(shapely.Point(lon, lat), 4326), include_srid=True)


def test_a_crossing_polygon_is_made_valid() -> None:
    ring = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]
    found = shapely.from_wkb(segments.ewkb({"type": "Polygon", "coordinates": [ring]}))
    assert found.is_valid
    assert found.area == 2
    assert shapely.get_srid(found) == 4326


def test_geoproperties_have_a_geometry_of_all_their_instances() -> None:
    point = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}}
    line = {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}}
    other = {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 2], [5, 6]]}}
    flat = {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]}}
    doc = {
        "id": "urn:x:1",
        "type": [A],
        LOCATION: point,
        A: [{**line, "datasetId": "urn:d:1"}, other],
        A + "b": [{**line, "datasetId": "urn:d:1"}],
        A + "c": {"type": "Property", "value": 1},
        A + "d": [{**line, "datasetId": "urn:d:1"}, {**flat, "datasetId": "urn:d:2"}, flat],
        A + "e": [flat, {**flat, "datasetId": "urn:d:1"}],
        A + "f": {**point, "datasetId": "urn:d:1"},
    }
    found = {name: shapely.to_wkt(shapely.from_wkb(one)) for name, one in segments.segments(doc).geo.items()}
    assert found == {
        LOCATION: "POINT (1 2)",
        A: "GEOMETRYCOLLECTION (LINESTRING (1 2, 5 6), LINESTRING (1 2, 3 4))",
        A + "b": "LINESTRING (1 2, 3 4)",
        A + "d": "LINESTRING (1 2, 3 4)",
        A + "e": "POLYGON EMPTY",
        A + "f": "POINT (1 2)",
    }
