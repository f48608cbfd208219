"""Expansion equals pyld's."""

from __future__ import annotations

from typing import Any

import pytest
from pyld import jsonld

from broker.ld.active import Active, _load
from broker.ld.expand import expand
from ontologies import load
from tests.strategies.entities import CONTEXT, Maker

OPTIONS = {"documentLoader": _load}


def by_pyld(document: dict[str, Any], user: Any) -> Any:
    return jsonld.expand({**document, "@context": [user, load.CORE_CONTEXT]}, dict(OPTIONS))


@pytest.fixture(scope="module")
def active() -> Active:
    return Active([CONTEXT], CONTEXT)


@pytest.mark.parametrize("seed", range(8))
def test_a_thousand_random_entities_expand_as_by_pyld(active: Active, seed: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("broker.ld.expand._by_pyld", None)  # the walk does it, not the fallback
    maker = Maker(seed)
    for _ in range(250):
        document = maker.entity()
        assert expand(document, active) == by_pyld(document, CONTEXT)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "urn:x:1"},
        {"type": "Vehicle"},
        {"id": "urn:x:1", "type": []},
        {"id": "ex:1", "type": ["Vehicle", "Vehicle"]},
        {"id": "relative", "speed": 1},
        {"speed": None, "name": "x"},
        {"speed": [None, [1, [2]], {"@value": None}, {"@value": "x", "@type": "ex:t"}]},
        {"speed": {}, "name": []},
        {"speed": {"@value": "x", "@language": "DE"}},
        {"speed": {"@set": [1, 2]}},
        {"speed": {"@list": [1, 2]}},
        {"route": [[1, [2]], {"speed": 1}, {"@list": [3]}]},
        {"route": {"@list": [1]}},
        {"route": {"speed": 1}},
        {"route": "x"},
        {"route": []},
        {"title2": {"en": None, "de": ["a", "b"], "@none": "c"}},
        {"title2": "plain"},
        {"raw": None},
        {"raw": [1, {"a": None}]},
        {"owner": [1, "urn:x:2", True, {"id": "urn:x:3"}]},
        {"category": ["free", "no such", 5]},
        {"installed": ["2026", 5]},
        {"german": ["wort", 5]},
        {"@foo": 1, "speed": 2},
        {"two words": 1},
        {"@graph": [{"id": "urn:x:1", "speed": 1}]},
        {"@reverse": {"speed": {"id": "urn:x:2"}}},
        {"heading": 1, "course": 2},
        {"@type": "Vehicle", "type": "Building"},
        {"speed": {"@context": {"name": "ex:other"}, "name": "x"}},
        {"@index": "a", "speed": 1},
        {"ngsildproof": {"type": "Property", "entityIdSealed": "urn:x:1", "value": {"type": "DataIntegrityProof"}}},
        {"dataset": {"a": {"speed": 1}, "@none": {"speed": 2}}},
        {"speed": {"@type": "@json", "@value": {"a": [1, None]}}},
        {"speed": {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"}},
        {"speed": float("1e300"), "name": -0.0, "label": 2**53},
    ],
    ids=lambda document: str(document)[:60],
)
def test_odd_documents_expand_as_by_pyld(active: Active, document: dict[str, Any]) -> None:
    assert expand(document, active) == by_pyld(document, CONTEXT)


@pytest.mark.parametrize(
    "document",
    [{"id": 5}, {"type": 5}, {"speed": {"@value": [1]}}, {"speed": {"@value": 1, "name": "x"}}, {"title2": {"en": 5}}],
    ids=str,
)
def test_what_pyld_refuses_is_refused(active: Active, document: dict[str, Any]) -> None:
    with pytest.raises(jsonld.JsonLdError) as ours:
        expand(document, active)
    with pytest.raises(jsonld.JsonLdError) as theirs:
        by_pyld(document, CONTEXT)
    assert ours.value.code == theirs.value.code


def test_default_language_and_vocabulary_of_the_user() -> None:
    user = {"@language": "nl", "@vocab": "https://v.example/", "a": "https://v.example/a"}
    document = {"id": "urn:x:1", "a": "tekst", "b": ["x", 1, {"c": "y"}]}
    assert expand(document, Active([user])) == by_pyld(document, user)


def test_the_core_wins_over_the_user() -> None:
    user = {"type": "https://evil.example/type", "value": "https://evil.example/value", "Property": "ex:P", "x": "ex:x"}
    document = {"id": "urn:x:1", "type": "T", "x": {"type": "Property", "value": 1}}
    found = expand(document, Active([user]))
    assert found == [
        {
            "@id": "urn:x:1",
            "@type": ["https://uri.etsi.org/ngsi-ld/default-context/T"],
            "ex:x": [
                {
                    "@type": ["https://uri.etsi.org/ngsi-ld/Property"],
                    "https://uri.etsi.org/ngsi-ld/hasValue": [{"@value": 1}],
                }
            ],
        }
    ]
