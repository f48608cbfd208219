"""SHACL shapes of a domain: as pyshacl finds, what is refused at load, and what a dead letter says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyshacl import validate
from rdflib import RDF, XSD, BNode, Graph, Literal, URIRef

from connectors.errors import FeedError, Rejected, Rejection
from connectors.feed import Feed
from connectors.mapping import Mapper
from connectors.names import Names, load_names
from connectors.shapes import compile_shapes

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CITY = Path(__file__).parents[2] / "city"
EX = "https://a.example/"
MEMBERS = ("level", "whole", "state", "code", "day", "at", "flag", "link", "owner", "place", "many")
HEAD = f"@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <{XSD}> . @prefix ex: <{EX}> .\n"
SHAPES = (
    HEAD
    + """
ex:Shape a sh:NodeShape ; sh:targetClass ex:Thing ;
  sh:property [ sh:path ex:level ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:double ;
                sh:minInclusive -5 ; sh:maxExclusive 100.5 ] ;
  sh:property [ sh:path ex:whole ; sh:datatype xsd:nonNegativeInteger ; sh:minExclusive 1 ; sh:maxInclusive 9 ] ;
  sh:property [ sh:path ex:state ; sh:in ( "on" "off" 1 true ) ] ;
  sh:property [ sh:path ex:code ; sh:datatype xsd:string ; sh:pattern "^[a-c]+$" ; sh:flags "i" ;
                sh:minLength 2 ; sh:maxLength 4 ] ;
  sh:property [ sh:path ex:day ; sh:datatype xsd:date ] ;
  sh:property [ sh:path ex:at ; sh:datatype xsd:dateTime ] ;
  sh:property [ sh:path ex:flag ; sh:datatype xsd:boolean ; sh:maxCount 1 ] ;
  sh:property [ sh:path ex:link ; sh:nodeKind sh:IRI ; sh:class ex:Station ] ;
  sh:property [ sh:path ex:owner ; sh:nodeKind sh:Literal ] ;
  sh:property [ sh:path ex:place ; sh:nodeKind sh:BlankNodeOrIRI ] ;
  sh:property [ sh:path ex:many ; sh:minCount 2 ; sh:maxCount 3 ; sh:maxInclusive 3 ] .
"""
)
NUMERIC = {"level": XSD.double, "whole": XSD.nonNegativeInteger}
TIMED = {"day": XSD.date, "at": XSD.dateTime}


def city(folder: Path, shapes: str) -> Names:
    (folder / "domains").mkdir(parents=True, exist_ok=True)
    (folder / "shapes").mkdir(exist_ok=True)
    (folder / "domains" / "things.yaml").write_text("name: things\nshapes: [shapes/things.ttl]\n")
    (folder / "shapes" / "things.ttl").write_text(shapes)
    return Names({one: EX + one for one in ("Thing", "Station", "Bench", *MEMBERS)}, folder)


def feed(*members: str) -> Feed:
    return Feed.model_validate({
        "feed": "f", "title": "t", "domain": "things", "source": {"kind": "file", "path": "x"},
        "decoder": {"kind": "json"}, "key": "'k'", "minimise": {"keep": list(members)},
        "mapping": [{"type": "Thing", "id": "urn('Thing', 'x')", "observedAt": "'2026-01-01T00:00:00Z'",
                     "attributes": {one: one for one in members}}],
    })  # fmt: skip


SCALARS = st.one_of(
    st.sampled_from(["on", "off", "abc", "AB", "abca b", "", "2026-02-03", "2026-02-30", "2026-02-03T04:05:06Z", "é"]),
    st.integers(-7, 12), st.sampled_from([0.5, 1.0, -5.0, 100.5, 100.25, 3.0]), st.booleans(),
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, min_size=1, max_size=4), st.just({"deep": 1}))
PROPERTY = st.fixed_dictionaries({"type": st.just("Property"), "value": VALUES})
OBJECTS = st.sampled_from(["urn:ngsi-ld:Station:1", "urn:ngsi-ld:Bench:1", "https://b.example/x", "urn:ngsi-ld:Nix:1"])
LINK = st.fixed_dictionaries({"type": st.just("Relationship"), "object": OBJECTS | st.lists(OBJECTS, min_size=1)})
PLACE = st.just({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [9.9, 48.4]}})


def sensible(name: str) -> st.SearchStrategy[Any]:
    """Values that pass more often than not, so that both outcomes are met."""
    good: dict[str, Any] = {
        "level": st.integers(-5, 100), "whole": st.integers(2, 9), "state": st.sampled_from(["on", "off", True, 1]),
        "code": st.just("abc"), "day": st.just("2026-02-03"), "at": st.just("2026-02-03T04:05:06Z"),
        "flag": st.booleans(), "owner": st.text(max_size=3),
        "many": st.lists(st.integers(0, 4), min_size=2, max_size=3),
    }  # fmt: skip
    if name == "link":
        return st.just({"type": "Relationship", "object": "urn:ngsi-ld:Station:1"})
    if name == "place":
        return PLACE
    return st.fixed_dictionaries({"type": st.just("Property"), "value": good[name]})


@st.composite
def entities(draw: st.DrawFn) -> dict[str, Any]:
    entity: dict[str, Any] = {"id": "urn:ngsi-ld:Thing:x", "type": [f"{EX}Thing"]}
    odd = draw(st.sets(st.sampled_from(MEMBERS), max_size=2))
    for name in MEMBERS:
        if name in odd:
            if draw(st.booleans()):
                entity[EX + name] = draw(st.one_of(PROPERTY, PROPERTY, PROPERTY, LINK, PLACE))
        else:
            entity[EX + name] = draw(sensible(name))
    return entity


def graph(entity: dict[str, Any]) -> Graph:
    """The entity as RDF, written from the rules in words and by rdflib's own literals."""
    found, subject = Graph(), URIRef(entity["id"])
    found.add((subject, RDF.type, URIRef(entity["type"][0])))
    for iri, instance in entity.items():
        if not isinstance(instance, dict):
            continue
        name = iri.removeprefix(EX)
        value = instance["object"] if instance["type"] == "Relationship" else instance["value"]
        for one in value if isinstance(value, list) else [value]:
            if instance["type"] == "Relationship":
                found.add((subject, URIRef(iri), URIRef(one)))
                if one.startswith("urn:ngsi-ld:"):
                    found.add((URIRef(one), RDF.type, URIRef(EX + one.split(":")[2])))
            elif isinstance(one, dict):
                found.add((subject, URIRef(iri), BNode()))
            elif isinstance(one, bool):
                found.add((subject, URIRef(iri), Literal(one)))
            elif isinstance(one, str):
                found.add((subject, URIRef(iri), Literal(one, datatype=TIMED.get(name))))
            else:
                own = XSD.integer if isinstance(one, int) else XSD.double
                found.add((subject, URIRef(iri), Literal(str(one), datatype=NUMERIC.get(name, own), normalize=False)))
    return found


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    check, text = compile_shapes(feed(*MEMBERS), city(tmp_path_factory.mktemp("city"), SHAPES))
    assert check is not None
    assert text == SHAPES
    return check


OUTCOMES: set[bool] = set()
PARSED = Graph().parse(data=SHAPES, format="turtle")


def refused(check: Any, entity: dict[str, Any]) -> Rejection | None:
    try:
        check(entity)
    except Rejected as error:
        return error.rejection
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(entity=entities())
@pytest.mark.filterwarnings("ignore")
def test_as_pyshacl_finds(checked: Any, entity: dict[str, Any]) -> None:
    conforms, _, words = validate(graph(entity), shacl_graph=PARSED)
    found = refused(checked, entity)
    assert conforms is (found is None), (found, words)
    assert found is None or f"ex:{found.field}" in words
    OUTCOMES.add(conforms)


def test_both_outcomes_were_met() -> None:
    assert OUTCOMES in ({True, False}, set())


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ("sh:property [ sh:path ex:level ; sh:lessThan ex:whole ]", "sh:lessThan is not checked"),
        ("sh:closed true", "sh:closed is not checked"),
        ("sh:property [ sh:path ( ex:level ex:whole ) ]", "sh:path is to be the IRI"),
        ("sh:property [ sh:path ex:level ; sh:datatype xsd:gYear ]", "gYear is not checked"),
        ('sh:property [ sh:path ex:level ; sh:pattern "(" ]', "sh:pattern is no regular expression"),
        (
            'sh:property [ sh:path ex:level ; sh:minInclusive "2026-01-01"^^xsd:date ]',
            "sh:minInclusive 2026-01-01 is no",
        ),
        ("sh:property [ sh:path ex:whole ; sh:minCount 1 ]", "asks Thing for whole, which the mapping does not give"),
        ('sh:property [ sh:path ex:level ; sh:in ( "a"@en ) ]', "sh:in a is neither"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(tmp_path: Path, shape: str, named: str) -> None:
    names = city(tmp_path, f"{HEAD} ex:S a sh:NodeShape ; sh:targetClass ex:Thing ; {shape} .")
    with pytest.raises(FeedError, match=r"^f: ") as raised:
        Mapper(feed("level"), names)
    assert named in str(raised.value)


def test_a_shape_without_a_class_a_broken_file_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"things\.ttl: S: names no class; write sh:targetClass"):
        Mapper(feed("level"), city(tmp_path, HEAD + "ex:S a sh:NodeShape ; sh:property [ sh:path ex:level ] ."))
    with pytest.raises(FeedError, match=r"things\.ttl: is no Turtle"):
        Mapper(feed("level"), city(tmp_path, "this is none"))
    (tmp_path / "shapes" / "things.ttl").unlink()
    with pytest.raises(FeedError, match=r"shapes: shapes/things\.ttl is neither in"):
        Mapper(feed("level"), Names({"Thing": EX + "Thing", "level": EX + "level"}, tmp_path))


def test_the_dead_letter_says_field_rule_and_what_to_do(tmp_path: Path) -> None:
    names = city(tmp_path, SHAPES.replace("sh:maxExclusive 100.5", 'sh:maxExclusive 100.5 ; sh:message "mend it"'))
    record = {"level": 100.5, "many": [1, 2]}
    (found,) = Mapper(feed("level", "many"), names).map(record, NOW)
    assert found == Rejection("check", "shape-maxExclusive", "level", "mend it")
    (found,) = Mapper(feed("level", "many"), names).map({"level": 3, "many": [1, 7]}, NOW)
    assert found == Rejection(
        "check", "shape-maxInclusive", "many", "above 3, the most that the shape takes; check the sensor or unit"
    )
    (found,) = Mapper(feed("level", "many"), names).map({"level": 3, "many": [1, 2]}, NOW)
    assert isinstance(found, dict)


def test_shapes_are_part_of_the_mapping_s_name(tmp_path: Path) -> None:
    one = Mapper(feed("level", "many"), city(tmp_path, SHAPES)).hash
    assert Mapper(feed("level", "many"), city(tmp_path, SHAPES)).hash == one
    assert Mapper(feed("level", "many"), city(tmp_path, SHAPES.replace("100.5", "99"))).hash != one


def test_the_sample_city_s_shape() -> None:
    air = Feed.model_validate({
        "feed": "f", "title": "t", "domain": "environment", "source": {"kind": "file", "path": "x"},
        "decoder": {"kind": "json"}, "key": "'k'", "minimise": {"keep": ["no2", "name"]},
        "mapping": [{"type": "AirQualityObserved", "id": "urn('AirQualityObserved', 'x')",
                     "observedAt": "'2026-01-01T00:00:00Z'", "attributes": {"no2": "no2", "name": "name"}}],
        "quality": {"models": "off"},
    })  # fmt: skip
    mapper = Mapper(air, load_names(CITY / "context.jsonld"))
    (found,) = mapper.map({"no2": -3}, NOW)
    assert found == Rejection(
        "check", "shape-minInclusive", "no2", "below 0, the least that the shape takes; check the sensor or unit"
    )
    (found,) = mapper.map({"no2": "12"}, NOW)
    assert isinstance(found, Rejection)
    assert (found.rule, found.field) == ("shape-datatype", "no2")
    (found,) = mapper.map({"no2": 12, "name": "Avinguda"}, NOW)
    assert isinstance(found, dict)
