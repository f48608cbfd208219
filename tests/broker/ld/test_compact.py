"""Compaction equals pyld's."""

from __future__ import annotations

from typing import Any

import pytest
from pyld import jsonld

from broker.ld.active import Active, _load
from broker.ld.compact import compact
from broker.ld.expand import expand
from ontologies import load
from tests.strategies.entities import CONTEXT, NS, Maker

OPTIONS = {"documentLoader": _load}


def by_pyld(expanded: Any, user: Any) -> Any:
    found = jsonld.compact(expanded, [user, load.CORE_CONTEXT], dict(OPTIONS))
    found.pop("@context", None)
    return found


@pytest.fixture(scope="module")
def active() -> Active:
    return Active([CONTEXT], CONTEXT)


@pytest.mark.parametrize("seed", range(8))
def test_random_entities_compact_as_by_pyld(active: Active, seed: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(active.processor, "_compact", None)  # the walk does it, not the fallback
    maker = Maker(1000 + seed)
    for _ in range(150):
        expanded = expand(maker.entity(), active)
        assert compact(expanded, active) == by_pyld(expanded, CONTEXT)


def test_they_compact_as_by_pyld_under_another_context(monkeypatch: Any) -> None:
    writer = Active([CONTEXT])
    other = {
        "a": NS + "speed",
        "b": {"@id": NS + "speed", "@type": "@id"},
        "c": {"@id": NS + "temperature", "@container": "@set"},
        "d": {"@id": NS + "tags", "@type": "@vocab"},
        "e": {"@id": "https://schema.org/name", "@language": "en"},
        "schema": "https://schema.org/",
        "f": {"@id": NS + "route", "@container": "@list", "@type": "@id"},
        "g": {"@id": NS + "label", "@type": "http://www.w3.org/2001/XMLSchema#string"},
        "def": {"@id": NS, "@prefix": True},
    }
    reader = Active([other])
    maker = Maker(5)
    for _ in range(300):
        expanded = expand(maker.entity(), writer)
        assert compact(expanded, reader) == by_pyld(expanded, other)


P = "https://city.example/def/"


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"@id": P + "x", "@type": [P + "Vehicle"]},
        {"@type": [P + "Vehicle", P + "Unknown"]},
        {P + "speed": []},
        {P + "tags": [{"@value": 1}]},
        {P + "tags": []},
        {P + "owner": [{"@id": "urn:x:1"}, {"@value": "text"}, {"@id": "urn:x:2", P + "speed": [{"@value": 1}]}]},
        {P + "category": [{"@id": P + "free"}, {"@id": "urn:x:1"}, {"@value": "free"}]},
        {P + "installed": [{"@value": "x"}, {"@value": "y", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}]},
        {P + "german": [{"@value": "x", "@language": "de"}, {"@value": "y", "@language": "en"}, {"@value": "z"}]},
        {P + "title2": [{"@value": "x", "@language": "de"}, {"@value": "y", "@language": "de"}, {"@value": "z"}]},
        {P + "route": [{"@list": []}]},
        {P + "route": [{"@list": [{"@value": 1}, {"@list": [{"@value": 2}]}]}]},
        {P + "speed": [{"@list": [{"@value": 1}]}]},
        {P + "speed": [{"@value": 1, "@index": "a"}]},
        {P + "raw": [{"@type": "@json", "@value": {"a": None}}]},
        {P + "raw": [{"@value": 1}]},
        {P + "speed": [{"@type": "@json", "@value": [1]}]},
        {P + "heading": [{"@value": 1}, {"@id": "urn:x:1"}]},
        {"https://schema.org/other": [{"@value": True}], "https://schema.org/name": [{"@value": False}]},
        {"@graph": [{"@id": "urn:x:1", P + "speed": [{"@value": 1}]}]},
        {"@reverse": {P + "speed": [{"@id": "urn:x:2"}]}},
        {"https://uri.etsi.org/ngsi-ld/hasDataset": [{"@index": "a", P + "speed": [{"@value": 1}]}]},
    ],
    ids=lambda node: str(node)[:70],
)
def test_odd_nodes_compact_as_by_pyld(active: Active, node: dict[str, Any]) -> None:
    assert compact([node], active) == by_pyld([node], CONTEXT)


def test_several_nodes_and_none(active: Active) -> None:
    nodes = [{"@id": "urn:x:1", P + "speed": [{"@value": 1}]}, {"@id": "urn:x:2", P + "speed": [{"@value": 2}]}]
    assert compact(nodes, active) == by_pyld(nodes, CONTEXT)
    assert compact([], active) == {}
