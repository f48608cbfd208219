"""What a condition means on one entity: the sentences and examples of 4.9 and 4.10."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.core.entity import CORE, LOCATION, Doc
from broker.core.errors import BadRequestData
from broker.core.match import Meta, matches, predicate
from broker.core.parse_q import parse_q
from broker.core.query import AnyAttr, Compare, DateTimeLiteral, Exists, GeoRel, IdIn, IdPattern, Number, Path, Text

NS = "urn:a:"


def expand(term: str) -> str:
    known = ("observedAt", "unitCode", "datasetId", "createdAt", "modifiedAt")
    return CORE + term if term in known else NS + term


def met(q: str, *instances: dict[str, Any], meta: Meta | None = None) -> bool:
    """Ask `q` of an entity whose attribute `x` has these instances."""
    found: Any = instances[0] if len(instances) == 1 else list(instances)
    doc: Doc = {"id": "urn:x:1", "type": ["urn:t"], **({NS + "x": found} if instances else {})}
    return matches(parse_q(q, expand, json_keys=[NS + "j"]), doc, meta)


def prop(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def rel(found: Any) -> dict[str, Any]:
    return {"type": "Relationship", "object": found}


def lang(**entries: Any) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": entries}


OBJECTS = [{"object": "urn:x:1"}, {"object": "urn:x:2"}]
COLOURS = lang(fr="rouge", en="red", de="rot")
WORDS = lang(fr=["chat", "rouge"], en=["red", "cat"])


@pytest.mark.parametrize(
    ("q", "instance", "expected"),
    [
        ('x=="red"', prop("red"), True),
        ('x=="red"', prop(["blue", "red", "green"]), True),
        ('x=="red"', prop("Red"), False),
        ('x=="black","red"', prop("red"), True),
        ('x=="black","red"', prop(["red", "blue"]), True),
        ("x==10..20", prop(15), True),
        ("x==10..20", prop(10), True),
        ("x==10..20", prop(20.0), True),
        ("x==10..20", prop(20.5), False),
        ("x==10..20", prop([15]), False),
        ('x!="red"', prop("black"), True),
        ('x!="red"', prop("red"), False),
        ('x!="red"', prop(["blue", "black", "green"]), True),
        ('x!="red"', prop(["blue", "red", "green"]), False),
        ('x!="black","red"', prop("blue"), True),
        ('x!="black","red"', prop(["blue", "red", "green"]), False),
        ("x!=10..20", prop(9), True),
        ("x!=10..20", prop(15), False),
        ("x!=10..20", prop("a"), True),
        ('x=="10"', prop(10), False),
        ("x==10", prop("10"), False),
        ("x!=10", prop("10"), True),
        ("x==1", prop(True), False),
        ("x==true", prop(True), True),
        ("x==true", prop(1), False),
        ("x==1", prop(1.0), True),
        ("x>10", prop("a"), False),
        ("x>10", prop(10), False),
        ("x>=10", prop(10), True),
        ("x<10", prop([1]), False),
        ('x>"a"', prop("b"), True),
        ('x>"z"', prop("é"), True),
        ('x>"a"', prop(99), False),
        ("x==9007199254740993", prop(9007199254740993), True),
        ("x==9007199254740993", prop(9007199254740992.0), False),
        ("x<9223372036854775900", prop(float(2**63)), False),  # the double is written 9.223372036854776e18
        ('x~="^B.s$"', prop("Bus"), True),
        ('x~="u"', prop("Bus"), True),
        ('x~="^1$"', prop(1), False),
        ('x!~="^B"', prop("Car"), True),
        ('x!~="^B"', prop("Bus"), False),
        ('x!~="^B"', prop(1), False),
        ("x[k]==1", prop({NS + "k": 1}), True),
        ("x[k.l]==1", prop({NS + "k": {NS + "l": 1}}), True),
        ("x[k]", prop({NS + "k": None}), True),
        ("x[k]", prop({NS + "l": 1}), False),
        ("x[k]", prop("k"), False),
        ("x[k]!=1", prop({NS + "l": 1}), False),
        ("x==2026-01-01T00:00:00Z", prop({"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"}), True),
    ],
)
def test_properties(q: str, instance: dict[str, Any], expected: bool) -> None:
    assert met(q, instance) is expected


@pytest.mark.parametrize(
    ("q", "instance", "expected"),
    [
        ('x[en]=="red"', COLOURS, True),
        ('x[en]=="red"', lang(fr="red", en="black"), False),
        ('x[en]=="red"', WORDS, True),
        ('x[en]=="red"', lang(fr=["red"], en=["coal"]), False),
        ('x[*]=="red"', COLOURS, True),
        ('x=="red"', COLOURS, True),
        ('x[*]=="cat"', WORDS, True),
        ('x[en]!="red"', lang(fr="noir", en="black"), True),
        ('x[en]!="red"', COLOURS, False),
        ('x[en]!="red"', lang(fr="rouge"), False),
        ('x[*]!="red"', lang(fr="noir", en="black"), True),
        ('x[*]!="red"', COLOURS, False),
        ('x[*]!="red"', WORDS, False),
        ("x[en]", COLOURS, True),
        ("x[es]", COLOURS, False),
        ("x[*]", COLOURS, True),
        ("x[*]", prop("red"), False),
        ('x[en]~="^r"', COLOURS, True),
        ('x!~="^r"', COLOURS, False),
        ('x!~="^z"', COLOURS, True),
        ('x>"rou"', COLOURS, True),
    ],
)
def test_language_properties(q: str, instance: dict[str, Any], expected: bool) -> None:
    assert met(q, instance) is expected


@pytest.mark.parametrize(
    ("q", "instance", "expected"),
    [
        ("x==urn:x:1", rel("urn:x:1"), True),
        ('x=="urn:x:1"', rel("urn:x:1"), True),
        ("x==urn:x:1", rel(["urn:x:2", "urn:x:1"]), True),
        ("x!=urn:x:1", rel(["urn:x:2", "urn:x:1"]), False),
        ("x!=urn:x:1", rel("urn:x:2"), True),
        ('x=="urn:x:0","urn:x:1"', rel("urn:x:1"), True),
        ('x>"a"', rel("urn:x:1"), False),
        ('x~="x"', rel("urn:x:1"), False),
        ('x!~="y"', rel("urn:x:1"), False),
        ('x=="a".."z"', rel("urn:x:1"), False),
        ('x!="a".."z"', rel("urn:x:1"), True),
        (
            "x==urn:x:2",
            {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}, {"object": "urn:x:2"}]},
            True,
        ),
        ('x>"a"', {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}]}, False),
        ("x==urn:v:full", {"type": "VocabProperty", "vocab": "urn:v:full"}, True),
        ("x==2", {"type": "ListProperty", "valueList": [1, 2]}, True),
        ("x!=2", {"type": "ListProperty", "valueList": [1, 2]}, False),
        ("x==urn:x:1", prop("urn:x:1"), True),
    ],
)
def test_relationships_and_lists(q: str, instance: dict[str, Any], expected: bool) -> None:
    assert met(q, instance) is expected


def test_json_property_keys_are_as_they_were_written() -> None:
    doc: Doc = {
        "id": "urn:x:1",
        "type": ["urn:t"],
        NS + "j": {"type": "JsonProperty", "json": {"id": 1, "value": "late"}},
    }
    assert matches(parse_q('j[value]=="late"', expand, json_keys=[NS + "j"]), doc)
    assert not matches(parse_q('j[value]=="late"', expand), doc)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("x==2026-01-01T00:00:00.5Z", True),
        ("x==2026-01-01T00:00:00,500Z", True),
        ("x>2026-01-01T00:00:00Z", True),
        ("x<2026-01-01T00:00:00.500001Z", True),
        ("x<=2026-01-01T00:00:00.499999Z", False),
        ("x==2026-01-01T00:00:00Z..2026-01-01T00:00:01Z", True),
        ("x!=2026-01-01T00:00:00Z..2026-01-01T00:00:01Z", False),
        ("x>2025-01-01", False),
        ("x!=2025-01-01", True),
        ('x=="2026-01-01T00:00:00.50Z"', True),
        ('x=="2026-01-01T00:00:00.5Z"', False),
        ('x~="^2026"', True),
    ],
)
def test_instants(q: str, expected: bool) -> None:
    assert met(q, prop("2026-01-01T00:00:00.50Z")) is expected


def test_sub_attributes_and_members() -> None:
    inner = prop("a", observedAt="2026-01-01T00:00:00Z", unitCode="CEL")
    outer = prop(1, observedAt="2026-02-01T00:00:00Z", **{NS + "s": [inner, prop("b", datasetId="urn:d:1")]})
    assert met("x.observedAt>=2026-02-01T00:00:00Z", outer)
    assert not met("x.observedAt>2026-02-01T00:00:00Z", outer)
    assert met("x.s.observedAt==2026-01-01T00:00:00Z", outer)
    assert met('x.s.unitCode=="CEL"', outer)
    assert met('x.s=="b"', outer)
    assert met("x.s.datasetId==urn:d:1", outer)
    assert not met("x.unitCode", outer)
    assert not met("x.observedAt.s", outer)
    assert not met("x.s.t", outer)


def test_any_of_several_instances_is_enough() -> None:
    both = prop(1), prop(2, datasetId="urn:d:1")
    assert met("x==1", *both)
    assert met("x==2", *both)
    assert met("x!=1", *both)
    assert not met("x!=1,2", *both)
    assert not met("x==3", *both)


def test_system_times_come_from_meta() -> None:
    meta = Meta(
        "2026-01-01T00:00:00.000000Z",
        "2026-01-02T00:00:00.000000Z",
        {NS + "x": {"": [None, "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", None, None]}},
    )
    for q in (
        "createdAt==2026-01-01T00:00:00Z",
        "modifiedAt>2026-01-01T00:00:00Z",
        "x.modifiedAt==2026-01-02T00:00:00Z",
    ):
        assert met(q, prop(1), meta=meta)
        assert not met(q, prop(1))
    assert met("createdAt", prop(1), meta=meta)
    assert met("createdAt!=2026-01-02T00:00:00Z", prop(1), meta=meta)
    assert met('createdAt!="2026-01-01T00:00:00.000000Z"', prop(1), meta=meta)
    assert not met('createdAt~="2026"', prop(1), meta=meta)
    assert not met('createdAt>"2025"', prop(1), meta=meta)


def test_absent_targets_meet_nothing() -> None:
    for q in ("x", "x==1", "x!=1", "x<1", 'x~="a"', 'x!~="a"', "x!=1..2", "x[k]", "x.observedAt"):
        assert not met(q)
    assert not matches(Exists(Path("id")), {"id": "urn:x:1", "type": ["urn:t"]})
    assert not matches(AnyAttr(("type", "id")), {"id": "urn:x:1", "type": ["urn:t"]})


def test_ids() -> None:
    doc: Doc = {"id": "urn:x:1", "type": ["urn:t"]}
    assert matches(IdIn(("urn:x:1", "urn:x:2")), doc)
    assert not matches(IdIn(()), doc)
    assert matches(IdPattern("^urn:x:"), doc)
    assert not matches(IdPattern("2$"), doc)


SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


@pytest.mark.parametrize(
    ("relation", "target", "reference", "expected"),
    [
        ("within", point(1, 1), SQUARE, True),
        ("within", point(0, 0), SQUARE, False),
        ("within", point(3, 3), SQUARE, False),
        ("contains", SQUARE, point(1, 1), True),
        ("contains", point(1, 1), SQUARE, False),
        ("intersects", point(0, 0), SQUARE, True),
        ("disjoint", point(3, 3), SQUARE, True),
        ("disjoint", point(0, 0), SQUARE, False),
        ("equals", {"type": "Polygon", "coordinates": [[[2, 2], [0, 2], [0, 0], [2, 0], [2, 2]]]}, SQUARE, True),
        ("equals", BOW_TIE, BOW_TIE, True),
        ("equals", SQUARE, BOW_TIE, False),
        ("overlaps", {"type": "Polygon", "coordinates": [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]}, SQUARE, True),
        ("overlaps", SQUARE, SQUARE, False),
    ],
)
def test_georelations(relation: Any, target: dict[str, Any], reference: dict[str, Any], expected: bool) -> None:
    node = GeoRel(LOCATION, relation, json.dumps(reference))
    doc: Doc = {"id": "urn:x:1", "type": ["urn:t"], LOCATION: {"type": "GeoProperty", "value": target}}
    assert matches(node, doc) is expected
    assert not matches(node, {"id": "urn:x:1", "type": ["urn:t"]})
    other = {**doc[LOCATION], "datasetId": "urn:d:1"}
    far = {"type": "GeoProperty", "value": point(170, 80)}
    assert matches(node, {**doc, LOCATION: other}) is expected  # any instance counts (5.7.2.4)
    assert matches(node, {**doc, LOCATION: [far, other]}) is (expected or relation == "disjoint")
    assert not matches(node, {**doc, LOCATION: {"type": "Property", "value": target}})


@pytest.mark.parametrize(
    ("max_m", "min_m", "expected"),
    [(111_200, None, True), (111_190, None, False), (None, 111_190, True), (None, 111_200, False)],
)
def test_near(max_m: float | None, min_m: float | None, expected: bool) -> None:
    node = GeoRel(LOCATION, "near", json.dumps(point(0, 0)), max_m, min_m)
    doc: Doc = {"id": "urn:x:1", "type": ["urn:t"], LOCATION: {"type": "GeoProperty", "value": point(0, 1)}}
    assert matches(node, doc) is expected


@pytest.mark.parametrize(
    "geometry",
    ["{", "{}", '{"type":"Point"}', '{"type":"Polygon","coordinates":[[[0,0],[1,1],[2,2],[0,0]]]}'],
)
def test_reference_geometry_that_is_none(geometry: str) -> None:
    with pytest.raises(BadRequestData, match="geometry: "):
        predicate(GeoRel(LOCATION, "within", geometry))


def test_operands_that_an_operator_does_not_take_meet_nothing() -> None:
    doc: Doc = {"id": "urn:x:1", "type": ["urn:t"], NS + "x": prop("b")}
    assert matches(Compare(Path(NS + "x"), ">", Text("a")), doc)
    assert not matches(Compare(Path(NS + "x"), ">", Number(1)), doc)
    assert not matches(Compare(Path(NS + "x"), ">", DateTimeLiteral("2026-01-01", "date")), doc)
