"""Projection and language."""

from __future__ import annotations

from typing import Any

import pytest

from broker.core.errors import BadRequestData
from broker.core.project import EVERYTHING, Projection, language, parse_languages, project

A, B = "https://a.example/a", "https://a.example/b"
ONE = {"type": "Property", "value": 1}
TWO = {"type": "Property", "value": 2, "datasetId": "urn:d:2"}
DOC: dict[str, Any] = {"id": "urn:x:1", "type": [A], "scope": ["/a"], A: ONE, B: [ONE, TWO]}


def test_everything_is_the_document_itself() -> None:
    assert project(DOC, EVERYTHING) is DOC


@pytest.mark.parametrize(
    ("projection", "members"),
    [
        (Projection(pick=frozenset({A})), {A}),
        (Projection(pick=frozenset({"id", "type", A})), {"id", "type", A}),
        (Projection(omit=frozenset({"scope", B})), {"id", "type", A}),
        (Projection(attrs=frozenset({B})), {"id", "type", "scope", B}),
        (Projection(attrs=frozenset()), {"id", "type", "scope"}),
        (Projection(pick=frozenset({A, B}), omit=frozenset({A})), {B}),
        (Projection(datasets=frozenset({"urn:d:2"})), {"id", "type", "scope", B}),
    ],
)
def test_members(projection: Projection, members: set[str]) -> None:
    found = project(DOC, projection)
    assert set(found) == members
    assert set(DOC) == {"id", "type", "scope", A, B}


def test_instances_by_dataset() -> None:
    assert project(DOC, Projection(datasets=frozenset({""})))[B] == ONE
    assert project(DOC, Projection(datasets=frozenset({"urn:d:2"})))[B] == TWO


def test_language_ranges_best_first() -> None:
    assert parse_languages("fr-CH,fr;q=0.9, en;q=0.8 ,*;q=0.5") == (
        ("fr-ch", 1.0),
        ("fr", 0.9),
        ("en", 0.8),
        ("*", 0.5),
    )
    for bad in ("", "e n", "en;q=2", "en;;", "toolonglang", "en,", "x" * 1001):
        with pytest.raises(BadRequestData, match=r"^lang: "):
            parse_languages(bad)


@pytest.mark.parametrize(
    ("wanted", "value", "tag"),
    [
        ("en", "yes", "en"),
        ("fr", ["oui", "si"], "fr-CH"),
        ("FR-ch", ["oui", "si"], "fr-CH"),
        ("de", "ja!", "@none"),
        ("*", "ja!", "@none"),
        ("en;q=0,fr", ["oui", "si"], "fr-CH"),
    ],
)
def test_a_language_property_speaks_one_language(wanted: str, value: Any, tag: str) -> None:
    said = {"type": "LanguageProperty", "languageMap": {"en": "yes", "fr-CH": ["oui", "si"], "@none": "ja!"}}
    doc = {"id": "urn:x:1", "type": [A], A: {**said, "observedAt": "2026-01-01T00:00:00Z"}, B: {**ONE, A: said}}
    spoken = {"type": "Property", "value": value, "lang": tag}
    assert language(doc, parse_languages(wanted)) == {
        "id": "urn:x:1",
        "type": [A],
        A: {**spoken, "observedAt": "2026-01-01T00:00:00Z"},
        B: {**ONE, A: spoken},
    }


def test_any_language_that_there_is() -> None:
    doc = {
        "id": "urn:x:1",
        "type": [A],
        A: [{"type": "LanguageProperty", "languageMap": {"en": "yes"}, "datasetId": "urn:d:1"}],
    }
    assert language(doc, parse_languages("de"))[A] == [
        {"type": "Property", "value": "yes", "lang": "en", "datasetId": "urn:d:1"}
    ]
