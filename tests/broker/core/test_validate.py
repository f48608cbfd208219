"""Checks of documents in internal form; what requests send is tested in `tests/broker/ld/test_internal.py`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from broker.core import geometry
from broker.core.entity import Doc
from broker.core.errors import BadRequestData
from broker.core.validate import check_doc, infer
from tests.strategies.entities import docs

A = "https://a.example/a"


@settings(max_examples=150, deadline=None)
@given(docs())
def test_good_documents_pass(doc: Doc) -> None:
    check_doc(doc)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (5, "Property"),
        ([1, 2], "Property"),
        ([], "Property"),
        ([{"a": 1}], "Property"),
        ({"a": 1}, "Property"),
        ({"value": 1}, "Property"),
        ({"object": "urn:x:1"}, "Relationship"),
        ({"languageMap": {}}, "LanguageProperty"),
        ({"vocab": "x"}, "VocabProperty"),
        ({"json": {}}, "JsonProperty"),
        ({"valueList": []}, "ListProperty"),
        ({"objectList": []}, "ListRelationship"),
        ({"type": "Point", "coordinates": [1, 2]}, "GeoProperty"),
        ({"value": {"type": "Point", "coordinates": [1, 2]}}, "GeoProperty"),
        ({"type": "Property", "value": {"type": "Point", "coordinates": [1, 2]}}, "Property"),
        ({"@type": "DateTime", "@value": "x"}, "Property"),
    ],
    ids=str,
)
def test_concise_input(raw: Any, kind: str) -> None:
    found = infer(raw, "a")
    assert isinstance(found, dict)
    assert found["type"] == kind


def test_several_concise_instances() -> None:
    assert infer([{"value": 1}, {"object": "urn:x:1", "datasetId": "urn:d:1"}], "a") == [
        {"type": "Property", "value": 1},
        {"type": "Relationship", "object": "urn:x:1", "datasetId": "urn:d:1"},
    ]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, None),
        ({"type": "Point", "coordinates": [1, 2, 3]}, None),
        ({"type": "Point", "coordinates": [1]}, "a position is"),
        ({"type": "Point", "coordinates": [1, "2"]}, "is no number"),
        ({"type": "Point", "coordinates": [1, True]}, "is no number"),
        ({"type": "Point", "coordinates": [float("nan"), 1]}, "is no number"),
        ({"type": "Point", "coordinates": [181, 1]}, "no longitude"),
        ({"type": "Point", "coordinates": [1, 91]}, "no latitude"),
        ({"type": "Point"}, "a position is"),
        ({"type": "point", "coordinates": [1, 2]}, "no geometry type"),
        ({"type": "GeometryCollection", "geometries": []}, "no geometry type"),
        ({"type": ["Point"], "coordinates": [1, 2]}, "no geometry type"),
        ({"type": "MultiPoint", "coordinates": [[1, 2]]}, None),
        ({"type": "MultiPoint", "coordinates": []}, "non-empty array"),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, None),
        ({"type": "LineString", "coordinates": [[1, 2]]}, "two positions"),
        ({"type": "MultiLineString", "coordinates": [[[1, 2]]]}, "two positions"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}, None),
        ({"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}, None),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}, "must end where it starts"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}, "four positions"),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [0, 0]]]]}, "four positions"),
        (5, "a GeoJSON geometry"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_geometries(value: Any, fault: str | None) -> None:
    found = geometry.fault(value)
    assert (found is None) if fault is None else (found is not None and fault in found)


@pytest.mark.parametrize(
    ("doc", "detail"),
    [
        ({"id": "urn:x:1", "type": [A], "createdAt": "2026-01-01T00:00:00Z"}, "createdAt: not a name"),
        ({"id": "urn:x:1", "type": [A], A: []}, f"{A}: an attribute, or a non-empty array"),
        ({"id": "urn:x:1", "type": [A], A: [5]}, f"{A}[0]: an attribute instance"),
        (
            {"id": "urn:x:1", "type": [A], A: {"type": "Property", "value": 1, "modifiedAt": "x"}},
            "only answers carry it",
        ),
        ({"id": "urn:x:1", "type": [A], A: {"type": "Property", "value": 1, "sub": 5}}, f"{A}.sub: not a name"),
        ({"id": "urn:x:1", "type": [A], A: {"type": "Relationship", "object": []}}, "relates to nothing"),
        ({"id": "urn:x:1", "type": [A], A: {"type": "ListRelationship", "objectList": ["urn:x:1"]}}, '{"object": URI}'),
        ({"id": "urn:x:1", "type": [A], A: {"type": "Property", "value": 1, "objectType": A}}, "has no object"),
        ({"id": "urn:x:1", "type": [A], **{f"{A}{n}": {} for n in range(2001)}}, "at most 2000"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_faults(doc: Doc, detail: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        check_doc(doc)
    assert detail in caught.value.detail
