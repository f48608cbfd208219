"""SHACL shapes of the feed's domain, compiled to plain comparisons beside the models (member `shapes` of the domain).

An attribute is read as RDF: a Property's value is a literal, or several where it is a list (the same one counts once);
objects and geometries are blank nodes; a Relationship is an IRI, whose class is the type in its `urn:ngsi-ld:<Type>:`.
Text is read as the time, day or URI that `sh:datatype` asks for, a JSON number as the number that it asks for, as a
@context's coercion does; other values keep JSON's own type. What cannot be compiled is refused when the feed is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

import ontologies
from connectors.errors import FeedError, Rejected
from connectors.feed import Feed
from connectors.names import Names

if TYPE_CHECKING:
    from ontologies.constraints import PropertyShape

__all__ = ["compile_shapes"]

Entity = dict[str, Any]
Term = tuple[str, str, Any]
"""A node of the graph: `iri`, `blank` or the datatype's IRI; its text; the JSON value."""
Test = Callable[[list[Term]], tuple[str, str] | None]
_SHAPES: Final = Path(ontologies.__file__).resolve().parent / "shapes"
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_NUMBERS = frozenset(_XSD + one for one in ("decimal", "double", "float"))
_WHOLE = {f"{_XSD}integer": None, f"{_XSD}nonNegativeInteger": 0, f"{_XSD}positiveInteger": 1}
_TEXTS = frozenset(_XSD + one for one in ("dateTime", "date", "anyURI"))
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SPACED = re.compile(r"[\s<>\"{}|\\^`]")
_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minInclusive": (lambda value, limit: value >= limit, "below {:g}, the least that the shape takes"),
    "maxInclusive": (lambda value, limit: value <= limit, "above {:g}, the most that the shape takes"),
    "minExclusive": (lambda value, limit: value > limit, "not above {:g}, as the shape asks"),
    "maxExclusive": (lambda value, limit: value < limit, "not below {:g}, as the shape asks"),
}
_NODES = {
    "IRI": ("iri",), "BlankNode": ("blank",), "BlankNodeOrIRI": ("iri", "blank"), "Literal": ("literal",),
    "BlankNodeOrLiteral": ("blank", "literal"), "IRIOrLiteral": ("iri", "literal"),
}  # fmt: skip


def compile_shapes(feed: Feed, names: Names) -> tuple[Callable[[Entity], None] | None, str]:
    """Build the check of an entity and the shapes' text; None where the domain has no shapes. FeedError names what."""
    files = _files(feed, names)
    if not files:
        return None, ""
    from ontologies.constraints import ShapeError, read_shapes

    try:
        shapes = [shape for path in files for shape in read_shapes(path)]
    except ShapeError as error:
        raise FeedError(f"{feed.feed}: domain {feed.domain}: shapes: {error}") from error
    own: dict[str, set[str]] = {}
    for at, mapping in enumerate(feed.mapping):
        iri = names.iri(mapping.type, f"{feed.feed}: mapping.{at}.type")
        own.setdefault(iri, set()).update(names.iri(one, f"{feed.feed}: mapping.{at}") for one in mapping.attributes)
    plans: dict[str, list[tuple[PropertyShape, tuple[Test, ...]]]] = {}
    for shape in shapes:
        if shape.target not in own:
            continue
        if shape.limits.get("minCount", 0) > 0 and shape.path not in own[shape.target]:
            raise FeedError(
                f"{feed.feed}: a shape of domain {feed.domain} asks {_short(shape.target)} for {_short(shape.path)},"
                " which the mapping does not give; map it, or every entity would be refused"
            )
        plans.setdefault(shape.target, []).append((shape, tuple(_tests(shape, names))))

    def check(entity: Entity) -> None:
        for shape, tests in plans.get(entity["type"][0], ()):
            terms = _terms(entity.get(shape.path), shape.datatype)
            for test in tests:
                failed = test(terms)
                if failed is not None:
                    rule, advice = failed
                    raise Rejected(f"shape-{rule}", _short(shape.path), shape.message or advice, "check")

    return check, "".join(path.read_text(encoding="utf-8") for path in files)


def _files(feed: Feed, names: Names) -> list[Path]:
    """Find the domain's shape files: in the city folder, else in ontologies/shapes."""
    if names.city is None:
        return []
    path = names.city / "domains" / f"{feed.domain}.yaml"
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, yaml.YAMLError) as error:
        raise FeedError(f"{path}: cannot be read: {error}") from error
    listed = declared.get("shapes") if isinstance(declared, dict) else None
    found = []
    for name in listed or ():
        places = (names.city / name, _SHAPES / name)
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise FeedError(f"{path}: shapes: {name} is neither in {names.city} nor in ontologies/shapes")
        found.append(there)
    return found


def _terms(instance: Any, datatype: str | None) -> list[Term]:
    if not isinstance(instance, dict):
        return []
    related = instance.get("type") == "Relationship"
    value = instance.get("object" if related else "value")
    if instance.get("type") == "GeoProperty":
        return [("blank", "", value)]
    found: dict[tuple[str, str], Term] = {}
    blank: list[Term] = []
    for one in value if isinstance(value, list) else (value,):
        if related:
            found["iri", str(one)] = ("iri", str(one), one)
        elif isinstance(one, dict | list):
            blank.append(("blank", "", one))
        elif one is not None:
            kind, text = _literal(one, datatype)
            found[kind, text] = (kind, text, one)
    return [*found.values(), *blank]


def _literal(value: Any, datatype: str | None) -> tuple[str, str]:
    if isinstance(value, bool):
        return _XSD + "boolean", json.dumps(value)
    if isinstance(value, int | float):
        own = _XSD + ("integer" if isinstance(value, int) else "double")
        return (datatype if datatype in _NUMBERS or datatype in _WHOLE else None) or own, str(value)
    return (datatype if datatype in _TEXTS else None) or _XSD + "string", str(value)


def _tests(shape: PropertyShape, names: Names) -> list[Test]:
    tests: list[Test] = []
    limits = shape.limits
    if "minCount" in limits:
        tests.append(_count("minCount", lambda n: n >= limits["minCount"], f"at least {limits['minCount']:g}"))
    if "maxCount" in limits:
        tests.append(_count("maxCount", lambda n: n <= limits["maxCount"], f"at most {limits['maxCount']:g}"))
    if shape.kind is not None:
        nodes = _NODES[shape.kind]
        advice = f"the shape asks for {shape.kind}; map it as Relationship for an IRI, as Property for a value"
        tests.append(_each("nodeKind", lambda t: (t[0] if t[0] in {"iri", "blank"} else "literal") in nodes, advice))
    if shape.datatype is not None:
        wanted = shape.datatype
        advice = f"the shape asks for {wanted.removeprefix(_XSD)}; use number(), time() or to_string() in the mapping"
        tests.append(_each("datatype", lambda t: t[0] == wanted and _formed(wanted, t), advice))
    for name, (holds, words) in _BOUNDS.items():
        if name in limits:
            tests.append(_bound(name, holds, limits[name], words.format(limits[name])))
    return tests + _text_tests(shape) + _class_tests(shape, names)


def _text_tests(shape: PropertyShape) -> list[Test]:
    tests: list[Test] = []
    limits, pattern, values = shape.limits, shape.pattern, shape.values
    if "minLength" in limits:
        least = limits["minLength"]
        tests.append(_each("minLength", lambda t: t[0] != "blank" and len(t[1]) >= least, f"shorter than {least:g}"))
    if "maxLength" in limits:
        most = limits["maxLength"]
        tests.append(_each("maxLength", lambda t: t[0] != "blank" and len(t[1]) <= most, f"longer than {most:g}"))
    if pattern is not None:
        advice = f"the text is not of the form {pattern.pattern}"
        tests.append(_each("pattern", lambda t: t[0] != "blank" and pattern.search(t[1]) is not None, advice))
    if values is not None:
        allowed = frozenset(values)
        some = ", ".join(text for _, text in values[:8]) + (", .." if len(values) > 8 else "")
        tests.append(
            _each("in", lambda t: t[:2] in allowed, f"none of the shape's values ({some}); map it by lookup()")
        )
    return tests


def _class_tests(shape: PropertyShape, names: Names) -> list[Test]:
    if shape.cls is None:
        return []
    wanted = shape.cls

    def holds(term: Term) -> bool:
        parts = term[1].split(":", 3)
        if term[0] != "iri" or len(parts) < 4 or parts[:2] != ["urn", "ngsi-ld"]:
            return False
        return names.find(parts[2]) == wanted

    return [_each("class", holds, f"no id of a {_short(wanted)}; build it with urn('{_short(wanted)}', ..)")]


def _count(rule: str, holds: Callable[[int], bool], words: str) -> Test:
    return lambda terms: None if holds(len(terms)) else (rule, f"the shape asks for {words} of it; map it so")


def _each(rule: str, holds: Callable[[Term], bool], advice: str) -> Test:
    return lambda terms: None if all(map(holds, terms)) else (rule, advice)


def _bound(rule: str, holds: Callable[[float, float], bool], limit: float, advice: str) -> Test:
    def within(term: Term) -> bool:
        value = term[2]
        return isinstance(value, int | float) and not isinstance(value, bool) and holds(value, limit)

    return _each(rule, within, f"{advice}; check the sensor or unit")


def _formed(datatype: str, term: Term) -> bool:
    value = term[2]
    if datatype in _WHOLE:
        least = _WHOLE[datatype]
        return isinstance(value, int) and (least is None or value >= least)
    if datatype in _TEXTS:
        return _written(datatype.removeprefix(_XSD), value)
    return True


def _written(kind: str, text: str) -> bool:
    if kind == "anyURI":
        return _SPACED.search(text) is None
    try:
        if kind == "date":
            return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
        return _INSTANT.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _short(iri: str) -> str:
    return iri.rpartition("/")[2].rpartition("#")[2]
