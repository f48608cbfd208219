"""SHACL shapes as plain data: node shapes of a class with property constraints, for checks that need no graph.

What is understood: `sh:targetClass`, and per `sh:property` with a predicate as path minCount, maxCount, datatype,
minInclusive, maxInclusive, minExclusive, maxExclusive, minLength, maxLength, pattern (flag i), in, class, nodeKind, and
name, description, message, order. `read_shapes` raises ShapeError for anything else of SHACL, naming file, shape and
term, so that no constraint is silently left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rdflib import RDF, SH, XSD, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.term import Node

__all__ = ["DATATYPES", "PropertyShape", "ShapeError", "read_shapes"]

DATATYPES: Final = frozenset(
    str(one)
    for one in (
        XSD.string, XSD.boolean, XSD.integer, XSD.nonNegativeInteger, XSD.positiveInteger, XSD.decimal, XSD.double,
        XSD.float, XSD.dateTime, XSD.date, XSD.anyURI,
    )
)  # fmt: skip
"""The datatypes that a shape may ask for."""
_KINDS = {"IRI", "Literal", "BlankNode", "BlankNodeOrIRI", "BlankNodeOrLiteral", "IRIOrLiteral"}
_BOUNDS = ("minInclusive", "maxInclusive", "minExclusive", "maxExclusive")
_COUNTS = ("minCount", "maxCount", "minLength", "maxLength")
_SAID = {SH.path, SH.name, SH.description, SH.message, SH.order, SH.flags}
_NAMESPACE = str(SH)


class ShapeError(ValueError):
    """A shape cannot be used; the text names file, shape, term and remedy."""


@dataclass(frozen=True, slots=True)
class PropertyShape:
    """What a shape asks of one attribute of a class. `limits` are minCount, maxInclusive and so on, by their names."""

    target: str
    path: str
    limits: dict[str, float] = field(default_factory=dict)
    datatype: str | None = None
    pattern: re.Pattern[str] | None = None
    values: tuple[tuple[str, str], ...] | None = None
    """Allowed terms: datatype (or `iri`) and lexical form."""
    cls: str | None = None
    kind: str | None = None
    message: str = ""


def read_shapes(path: Path) -> list[PropertyShape]:
    """Read the property shapes of a Turtle file; ShapeError for what is no plain constraint on a class."""
    try:
        graph = Graph().parse(path, format="turtle")
    except OSError as error:
        raise ShapeError(f"{path}: cannot be read: {error.strerror}") from error
    except (BadSyntax, ParserError) as error:
        raise ShapeError(f"{path}: is no Turtle: {str(error).splitlines()[0]}") from error
    shapes = sorted({*graph.subjects(RDF.type, SH.NodeShape), *graph.subjects(SH.property, None)}, key=str)
    if not shapes:
        raise ShapeError(f"{path}: holds no sh:NodeShape")
    found = [one for shape in shapes for one in _node_shape(graph, shape, path)]
    return sorted(found, key=lambda one: (one.target, one.path, repr(one)))  # blank nodes come in any order


def _node_shape(graph: Graph, shape: Node, path: Path) -> Iterator[PropertyShape]:
    where = f"{path}: {_named(shape)}"
    _only(graph, shape, {SH.targetClass, SH.property, SH.name, SH.description}, where)
    targets = sorted(str(one) for one in graph.objects(shape, SH.targetClass))
    if not targets:
        raise ShapeError(f"{where}: names no class; write sh:targetClass with the type's IRI")
    for inner in sorted(graph.objects(shape, SH.property), key=lambda one: (str(graph.value(one, SH.path)), str(one))):
        for target in targets:
            yield _property_shape(graph, inner, target, where)


def _property_shape(graph: Graph, node: Node, target: str, where: str) -> PropertyShape:
    path = graph.value(node, SH.path)
    if not isinstance(path, URIRef) or path == RDF.type:
        raise ShapeError(f"{where}: sh:path is to be the IRI of one attribute; other paths are not checked here")
    where = f"{where}: {_named(path)}"
    _only(
        graph, node,
        {*_SAID, *(SH[name] for name in (*_BOUNDS, *_COUNTS, "datatype", "pattern", "in", "class", "nodeKind"))}, where,
    )  # fmt: skip
    datatype, kind = _one(graph, node, "datatype", where), _one(graph, node, "nodeKind", where)
    if datatype is not None and str(datatype) not in DATATYPES:
        raise ShapeError(
            f"{where}: sh:datatype {datatype} is not checked here; there are {', '.join(sorted(DATATYPES))}"
        )
    if kind is not None and str(kind).removeprefix(_NAMESPACE) not in _KINDS:
        raise ShapeError(f"{where}: sh:nodeKind {kind} is none of {', '.join(sorted(_KINDS))}")
    cls, message = _one(graph, node, "class", where), graph.value(node, SH.message)
    return PropertyShape(
        target=target,
        path=str(path),
        limits=dict(_limits(graph, node, where)),
        datatype=None if datatype is None else str(datatype),
        pattern=_pattern(graph, node, where),
        values=_values(graph, node, where),
        cls=None if cls is None else str(cls),
        kind=None if kind is None else str(kind).removeprefix(_NAMESPACE),
        message="" if message is None else str(message),
    )


def _only(graph: Graph, node: Node, known: set[Any], where: str) -> None:
    for term in sorted(graph.predicates(node, None), key=str):
        if str(term).startswith(_NAMESPACE) and term not in known:
            name = str(term).removeprefix(_NAMESPACE)
            raise ShapeError(f"{where}: sh:{name} is not checked here; take it out, or say it with plain constraints")


def _one(graph: Graph, node: Node, name: str, where: str) -> Node | None:
    found = list(graph.objects(node, SH[name]))
    if len(found) > 1:
        raise ShapeError(f"{where}: sh:{name} stands {len(found)} times; leave one")
    return found[0] if found else None


def _limits(graph: Graph, node: Node, where: str) -> Iterator[tuple[str, float]]:
    for name in (*_COUNTS, *_BOUNDS):
        found = _one(graph, node, name, where)
        if found is None:
            continue
        value = found.toPython() if isinstance(found, Literal) else None
        try:
            number = None if isinstance(value, bool | str) else float(value)  # type: ignore[arg-type]  # caught below
        except (TypeError, ValueError):
            number = None
        if number is None or number != number or (name in _COUNTS and (number < 0 or number != int(number))):
            raise ShapeError(f"{where}: sh:{name} {found} is no number that can be compared here")
        yield name, number


def _pattern(graph: Graph, node: Node, where: str) -> re.Pattern[str] | None:
    found, flags = _one(graph, node, "pattern", where), _one(graph, node, "flags", where)
    if flags is not None and str(flags) not in {"", "i"}:
        raise ShapeError(f"{where}: sh:flags {flags!s} is not checked here; there is i")
    if found is None:
        return None
    try:
        return re.compile(str(found), re.IGNORECASE if flags is not None and str(flags) else 0)
    except re.error as error:
        raise ShapeError(f"{where}: sh:pattern is no regular expression: {error}") from error


def _values(graph: Graph, node: Node, where: str) -> tuple[tuple[str, str], ...] | None:
    found = _one(graph, node, "in", where)
    if found is None:
        return None
    terms = []
    for item in Collection(graph, found):
        if isinstance(item, URIRef):
            terms.append(("iri", str(item)))
        elif isinstance(item, Literal) and item.language is None:
            terms.append((str(item.datatype or XSD.string), str(item)))
        else:
            raise ShapeError(f"{where}: sh:in {item} is neither an IRI nor a plain value")
    return tuple(terms)


def _named(node: Node) -> str:
    return str(node).rpartition("#")[2].rpartition("/")[2] if isinstance(node, URIRef) else "a shape without a name"
