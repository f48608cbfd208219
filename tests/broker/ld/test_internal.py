"""Names in, names out: the broker's internal form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.core import segments
from broker.core.errors import BadRequestData
from broker.core.ids import NULL
from broker.core.render import SysAttrs
from broker.ld.active import Active
from broker.ld.expand import expand
from broker.ld.internal import accept, compact_segment, to_external, to_internal
from tests.strategies.entities import CONTEXT, NS, Maker

CORE = "https://uri.etsi.org/ngsi-ld/"
DEFAULT = CORE + "default-context/"


@pytest.fixture(scope="module")
def active() -> Active:
    return Active([CONTEXT], CONTEXT)


@pytest.mark.parametrize("seed", range(4))
def test_entities_go_in_and_out_unchanged(active: Active, seed: int) -> None:
    maker = Maker(seed)
    for _ in range(250):
        entity = maker.entity(wild=False)
        doc = accept(entity, active)
        assert accept(to_external(doc, active), active) == doc
        assert accept(to_external(doc, active, "concise"), active) == doc


@pytest.mark.parametrize("seed", range(4))
def test_the_segment_way_says_what_the_parse_way_says(active: Active, seed: int) -> None:
    """2,500 entities each (10,000 in all), under the writer's context, another one and the core alone."""
    maker = Maker(100 + seed)
    readers = [active, Active(), Active([{"v": NS + "speed", "schema": "https://schema.org/"}])]
    for at in range(2500):
        doc = accept(maker.entity(wild=False), active)
        split = segments.segments(doc)
        reader = readers[at % 3]
        page = "".join(
            f"{json.dumps(reader.attr(name))}:{compact_segment(text, reader)},"
            for name, text in zip(split.names, split.segs, strict=True)
        )
        by_segments = json.loads("{" + page.rstrip(",") + "}")
        by_parsing = to_external(doc, reader)
        assert by_segments == {key: value for key, value in by_parsing.items() if key not in ("id", "type", "scope")}


@pytest.mark.parametrize("seed", range(4))
def test_plain_attributes_are_taken_as_the_full_walk_takes_them(active: Active, seed: int) -> None:
    """2,500 entities each, half of them with something changed for the worse."""
    maker, full = Maker(200 + seed), active.under(None)
    full.core_names_stand = False
    odd: list[Any] = [
        NULL,
        None,
        "",
        5,
        {},
        [],
        {"type": "Property"},
        {"type": "Point", "coordinates": [1, 2]},
        "2026-01-01T00:00:00,5Z",
    ]
    refused = 0
    for at in range(2500):
        entity = maker.entity(wild=False)
        inside = [one for one in entity.values() if isinstance(one, dict)]
        if at % 2 and inside:
            one = maker.random.choice(inside)
            one[maker.random.choice([*one, "observedAt", "unitCode", "object", "value", "speed"])] = (
                maker.random.choice(odd)
            )
        before = json.dumps(entity)
        found, wanted = _accepted(entity, active), _accepted(entity, full)
        assert json.dumps(found) == json.dumps(wanted)
        assert json.dumps(entity) == before
        refused += isinstance(found, str)
    assert 200 < refused < 1200


def _accepted(entity: dict[str, Any], active: Active) -> dict[str, Any] | str:
    try:
        return accept(entity, active)
    except BadRequestData as error:
        return error.detail


def test_segments_without_names_are_emitted_as_they_are(active: Active) -> None:
    plain = '{"type":"Property","value":1,"unitCode":"CEL"}'
    assert compact_segment(plain, active) is plain


def test_names_agree_with_json_ld(active: Active) -> None:
    """Every attribute, type, vocab and sub-attribute gets the IRI that full expansion gives it."""
    maker = Maker(77)
    for _ in range(300):
        entity = maker.entity(wild=False)
        doc = to_internal(entity, active)
        (node,) = expand(entity, active)
        assert doc["type"] == node["@type"]
        members = {"@id", "@type", CORE + "scope"}
        assert {name for name in doc if name not in ("id", "type", "scope")} == set(node) - members


def test_a_typical_entity(active: Active) -> None:
    entity = {
        "@context": CONTEXT,
        "@id": "urn:ngsi-ld:Vehicle:1",
        "@type": "Vehicle",
        "scope": "a/b",
        "createdAt": "2020-01-01T00:00:00Z",
        "speed": {
            "value": 55,
            "unitCode": "KMH",
            "observedAt": "2026-01-01T00:00:00,5Z",
            "datasetId": "@none",
            "accuracy": 0.5,
        },
        "isIn": {"object": "urn:x:1", "objectType": "Building"},
        "category": {"vocab": "free"},
        "address": {"value": {"type": "PostalAddress", "street": "S", "id": "urn:x:2"}},
        "location": {"type": "Point", "coordinates": [1, 2]},
        "stops": {"objectList": ["urn:x:1", "urn:x:2"]},
        "name": [{"value": "a"}, {"value": "b", "datasetId": "urn:d:1"}],
        "alone": {"value": 1, "datasetId": "urn:d:1"},
        "tags": ["x", 1],
        "when": {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"},
        "raw": {"json": {"speed": None}},
    }
    assert accept(entity, active) == {
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": [NS + "Vehicle"],
        "scope": ["/a/b"],
        NS + "speed": {
            "type": "Property",
            "value": 55,
            "unitCode": "KMH",
            "observedAt": "2026-01-01T00:00:00.5Z",
            DEFAULT + "accuracy": {"type": "Property", "value": 0.5},
        },
        NS + "isIn": {"type": "Relationship", "object": "urn:x:1", "objectType": NS + "Building"},
        NS + "category": {"type": "VocabProperty", "vocab": NS + "free"},
        "https://schema.org/address": {
            "type": "Property",
            "value": {"type": DEFAULT + "PostalAddress", "https://schema.org/streetAddress": "S", "id": "urn:x:2"},
        },
        CORE + "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        DEFAULT + "stops": {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}, {"object": "urn:x:2"}]},
        "https://schema.org/name": [
            {"type": "Property", "value": "a"},
            {"type": "Property", "value": "b", "datasetId": "urn:d:1"},
        ],
        DEFAULT + "alone": {"type": "Property", "value": 1, "datasetId": "urn:d:1"},
        NS + "tags": {"type": "Property", "value": ["x", 1]},
        DEFAULT + "when": {
            "type": "Property",
            "value": {"@type": CORE + "DateTime", "@value": "2026-01-01T00:00:00Z"},
        },
        NS + "raw": {"type": "JsonProperty", "json": {"speed": None}},
    }


def test_full_names_of_core_members_are_core_members(active: Active) -> None:
    entity = {"id": "urn:x:1", "type": "T", "speed": {"type": "Property", CORE + "hasValue": 3, "value": 3}}
    with pytest.raises(BadRequestData, match="names the same as another member"):
        to_internal(entity, active)
    entity = {"id": "urn:x:1", "type": "T", "speed": {"type": "Property", CORE + "hasValue": 3}}
    assert to_internal(entity, active)[NS + "speed"] == {"type": "Property", "value": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id: None is not an absolute URI"),
        ({"id": "no uri"}, "id: 'no uri' is not an absolute URI"),
        ({"id": "urn:ngsi-ld:null"}, "id: urn:ngsi-ld:null cannot identify"),
        ({"type": []}, "type: a name or a non-empty array"),
        ({"type": "bad name"}, "type: 'bad name': not a name"),
        ({"scope": "/a/+"}, "scope: '/a/+' is no scope"),
        ({"scope": 5}, "scope: 5 is no scope"),
        ({"bad name": 1}, "'bad name': not a name"),
        ({"1st": 1}, "'1st': not a name"),
        ({"value": 1}, "value: the core @context defines it as no attribute"),
        ({"observedAt": "2026-01-01T00:00:00Z"}, "observedAt: the core @context"),
        ({"speed": None}, "speed: null cannot be a value"),
        ({"speed": {"value": None}}, "speed.value: null cannot be a value"),
        ({"speed": {"value": {"a": [None]}}}, "null cannot be a value; a JsonProperty takes it"),
        ({"speed": "urn:ngsi-ld:null"}, "speed.value: urn:ngsi-ld:null is for updates only"),
        ({"speed": {"type": "Property"}}, "speed.value: missing; a Property needs it"),
        ({"speed": {"type": "Thing", "value": 1}}, "speed.type: 'Thing' is no attribute type"),
        ({"speed": {"type": ["Property"], "value": 1}}, "speed.type: ['Property'] is no attribute type"),
        ({"speed": {"value": 1, "object": "urn:x:1"}}, "speed.value: a Relationship has object instead"),
        ({"speed": {"object": "x"}}, "speed.object: 'x' is not an absolute URI"),
        ({"speed": {"object": "urn:x:1", "unitCode": "CEL"}}, "speed.unitCode: a Relationship has no unit"),
        ({"speed": {"value": 1, "observedAt": "yesterday"}}, "speed.observedAt: 'yesterday' is not a DateTime"),
        ({"speed": {"value": 1, "observedAt": "2026-02-30T00:00:00Z"}}, "speed.observedAt: "),
        ({"speed": {"value": 1, "datasetId": "x"}}, "speed.datasetId: 'x' is not an absolute URI"),
        ({"speed": [{"value": 1}, {"value": 2}]}, "speed[1].datasetId: the default instance is there twice"),
        ({"speed": {"value": 1, "previousValue": 2}}, "speed.previousValue: only answers carry it"),
        ({"speed": {"value": 1, "@context": {}}}, "speed.@context: an attribute cannot carry a @context"),
        ({"speed": {"value": {"@context": {}, "a": 1}}}, "speed.value.@context: a value cannot carry a @context"),
        ({"speed": {"value": 1, "id": "urn:x:1"}}, "speed.id: an attribute has no identifier"),
        ({"location": {"type": "Point", "coordinates": [200, 0]}}, "location.value: coordinates: 200 is no longitude"),
        ({"location": {"type": "GeoProperty", "value": 5}}, "location.value: a GeoJSON geometry is needed"),
        ({"name": {"languageMap": {"": "x"}}}, "name.languageMap: a language tag is empty"),
        ({"name": {"languageMap": {"en": 5}}}, "name.languageMap.en: a text or an array"),
        ({"name": {"json": 5}}, "name.json: a JSON object"),
        ({"name": {"objectList": "urn:x:1"}}, "name.objectList: an array is needed"),
        ({"name": {"vocab": ""}}, "name.vocab: ''"),
        ({"speed": {"value": 1, "accuracy": {"type": "Property"}}}, "speed.accuracy.value: missing"),
        ({"heading": 1, "course": 2}, "course: names the same as another member"),
        ({"expiresAt": "soon"}, "expiresAt: 'soon' is not a DateTime"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_fault_is_refused_by_name(active: Active, change: dict[str, Any], message: str) -> None:
    entity = {"id": "urn:x:1", "type": "Vehicle", **change}
    with pytest.raises(BadRequestData) as caught:
        accept(entity, active)
    assert message in caught.value.detail


@pytest.mark.parametrize("missing", ["id", "type"])
def test_what_is_missing_is_named(active: Active, missing: str) -> None:
    entity = {"id": "urn:x:1", "type": "Vehicle"}
    del entity[missing]
    with pytest.raises(BadRequestData, match=f"^{missing}: missing"):
        accept(entity, active)


@pytest.mark.parametrize("body", [[], "x", 5, None])
def test_only_objects_are_entities(active: Active, body: Any) -> None:
    with pytest.raises(BadRequestData, match="entity: a JSON object is needed"):
        accept(body, active)


def test_deep_nesting_is_refused_not_a_crash(active: Active) -> None:
    value: Any = 1
    for _ in range(900):
        value = {"a": value}
    with pytest.raises(BadRequestData, match="nested deeper than 64"):
        accept({"id": "urn:x:1", "type": "T", "speed": {"type": "Property", "value": value}}, active)
    sub: Any = {"type": "Property", "value": 1}
    for _ in range(300):
        sub = {"type": "Property", "value": 1, "sub": sub}
    with pytest.raises(BadRequestData, match="nested deeper than 64"):
        accept({"id": "urn:x:1", "type": "T", "speed": sub}, active)


def test_an_attribute_whose_term_coerces_a_datatype_keeps_its_term(active: Active) -> None:
    entity = {"id": "urn:x:1", "type": "Vehicle", "installed": {"type": "Property", "value": "2026-01-01T00:00:00Z"}}
    assert to_external(accept(entity, active), active) == entity


def test_an_unknown_context_shows_full_names(active: Active) -> None:
    doc = accept({"id": "urn:x:1", "type": "Vehicle", "speed": 1, "unmapped": 2}, active)
    assert to_external(doc, Active()) == {
        "id": "urn:x:1",
        "type": NS + "Vehicle",
        NS + "speed": {"type": "Property", "value": 1},
        "unmapped": {"type": "Property", "value": 2},
    }


def test_system_attributes_come_from_the_row(active: Active) -> None:
    doc = accept({"id": "urn:x:1", "type": "Vehicle", "speed": {"value": 1, "accuracy": 2}}, active)
    created, modified = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.250000Z"
    stamps = SysAttrs(created, modified, {NS + "speed": {"": [created, created, modified, created, ""]}})
    assert to_external(doc, active, sys_attrs=stamps) == {
        "id": "urn:x:1",
        "type": "Vehicle",
        "speed": {
            "type": "Property",
            "value": 1,
            "accuracy": {"type": "Property", "value": 2},
            "createdAt": "2026-01-01T00:00:00Z",
            "modifiedAt": "2026-01-01T00:00:00.25Z",
        },
        "createdAt": "2026-01-01T00:00:00Z",
        "modifiedAt": "2026-01-01T00:00:00.25Z",
    }


def test_nulls_where_the_operation_takes_them(active: Active) -> None:
    fragment = {
        "id": "urn:x:1",
        "speed": "urn:ngsi-ld:null",
        "name": {"languageMap": {"@none": "urn:ngsi-ld:null"}},
        "stops": {"objectList": ["urn:ngsi-ld:null"]},
    }
    doc = accept(fragment, active, need_type=False, nulls="update")
    assert doc[NS + "speed"] == {"type": "Property", "value": "urn:ngsi-ld:null"}
    deep = {"id": "urn:x:1", "address": {"value": {"street": "urn:ngsi-ld:null"}}}
    with pytest.raises(BadRequestData, match="is for merges only"):
        accept(deep, active, need_type=False, nulls="update")
    assert accept(deep, active, need_type=False, nulls="merge")["https://schema.org/address"]["value"] == {
        "https://schema.org/streetAddress": "urn:ngsi-ld:null"
    }


def test_a_proof_is_not_touched(active: Active) -> None:
    proof = {
        "type": "Property",
        "entityIdSealed": "urn:x:1",
        "entityTypeSealed": "Vehicle",
        "value": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "proofValue": "z1"},
    }
    entity = {"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property", "value": 1, "ngsildproof": proof}}
    doc = accept(entity, active)
    stored = doc[NS + "speed"][CORE + "ngsildproof"]
    assert stored["value"] == proof["value"]
    assert stored["entityTypeSealed"] == NS + "Vehicle"
    assert to_external(doc, active) == entity
