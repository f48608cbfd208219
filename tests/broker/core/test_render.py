"""Normalized, concise, simplified."""

from __future__ import annotations

from typing import Any

import pytest

from broker.core.render import EXPANDED, SysAttrs, render

A, B = "https://a.example/a", "https://a.example/b"
POINT = {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    ("instance", "concise", "simplified"),
    [
        ({"type": "Property", "value": 1}, 1, 1),
        ({"type": "Property", "value": {A: 1}}, {A: 1}, {A: 1}),
        ({"type": "Property", "value": {"type": A}}, {"value": {"type": A}}, {"type": A}),
        ({"type": "Property", "value": 1, "unitCode": "CEL"}, {"value": 1, "unitCode": "CEL"}, 1),
        ({"type": "Property", "value": 1, A: {"type": "Property", "value": 2}}, {"value": 1, A: 2}, 1),
        ({"type": "Relationship", "object": "urn:x:1"}, {"object": "urn:x:1"}, "urn:x:1"),
        ({"type": "Relationship", "object": ["urn:x:1"]}, {"object": ["urn:x:1"]}, ["urn:x:1"]),
        ({"type": "GeoProperty", "value": POINT}, POINT, POINT),
        (
            {"type": "LanguageProperty", "languageMap": {"en": "x"}},
            {"languageMap": {"en": "x"}},
            {"languageMap": {"en": "x"}},
        ),
        ({"type": "VocabProperty", "vocab": A}, {"vocab": A}, {"vocab": A}),
        ({"type": "JsonProperty", "json": {"a": 1}}, {"json": {"a": 1}}, {"json": {"a": 1}}),
        ({"type": "ListProperty", "valueList": [1, 2]}, {"valueList": [1, 2]}, [1, 2]),
        (
            {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}]},
            {"objectList": ["urn:x:1"]},
            ["urn:x:1"],
        ),
        (
            [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:2"}],
            [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}],
            {"dataset": {"@none": 1, "urn:d:2": 2}},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_each_kind_in_each_form(instance: Any, concise: Any, simplified: Any) -> None:
    doc = {"id": "urn:x:1", "type": [A], B: instance}
    assert render(doc, EXPANDED) == {"id": "urn:x:1", "type": A, B: instance}
    assert render(doc, EXPANDED, "concise") == {"id": "urn:x:1", "type": A, B: concise}
    assert render(doc, EXPANDED, "simplified") == {"id": "urn:x:1", "type": A, B: simplified}


def test_entity_members() -> None:
    doc = {"id": "urn:x:1", "type": [A, B], "scope": ["/a"], "expiresAt": "2026-01-01T00:00:00Z"}
    assert render(doc, EXPANDED) == {**doc, "scope": "/a"}
    assert render({**doc, "scope": ["/a", "/b"]}, EXPANDED)["scope"] == ["/a", "/b"]


def test_system_attributes() -> None:
    t0, t1 = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:01.000000Z"
    stamps = SysAttrs(t0, t1, {B: {"": [t0, t0, t1, t0, ""], "urn:d:1": [t0, t1, t1, t0, ""]}})
    doc = {
        "id": "urn:x:1",
        "type": [A],
        B: [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}],
    }
    created, modified = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
    found = render(doc, EXPANDED, "concise", stamps)
    assert found == {
        "id": "urn:x:1",
        "type": A,
        B: [
            {"value": 1, "createdAt": created, "modifiedAt": modified},
            {"value": 2, "datasetId": "urn:d:1", "createdAt": modified, "modifiedAt": modified},
        ],
        "createdAt": created,
        "modifiedAt": modified,
    }
    assert render(doc, EXPANDED, "simplified", stamps)[B] == {"dataset": {"@none": 1, "urn:d:1": 2}}
    assert "createdAt" not in render(doc, EXPANDED)
