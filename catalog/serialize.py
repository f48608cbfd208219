"""Write a graph without blank nodes as Turtle, JSON-LD or RDF/XML, in one pass and always alike.

rdflib's own writers take about ten times as long, most of it to find out how blank nodes and lists hang together; the
catalog has neither. Subjects and their statements are in order, so equal graphs give equal bytes; and each subject is a
block of its own, so that what is written of a dataset can be kept and joined with others (`catalog.fragments`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape, quoteattr

import orjson
from rdflib import RDF, XSD, Graph, Literal, URIRef

from catalog.rdf import SPACES, Statements

__all__ = ["FORMS", "blocks", "joined", "write"]

_LOCAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})
_UNSAFE = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_BY_SPACE: Final = sorted(((space, prefix) for prefix, space in SPACES.items()), reverse=True)

_Statements: TypeAlias = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """How a media type is written: one block per subject, what stands between blocks, and what around them."""

    start: bytes
    block: Callable[[str, _Statements], str]
    between: bytes
    end: bytes


def write(graph: Graph, media: str) -> bytes:
    """The graph in one of `FORMS`."""
    return joined(blocks(graph, media).items(), media)


def blocks(graph: Graph | Statements, media: str) -> dict[str, bytes]:
    """What is said of each subject, written in one of `FORMS`. Blocks of several graphs can be joined."""
    subjects: dict[str, _Statements] = {}
    if isinstance(graph, Statements):
        subjects = {str(s): [(str(p), o) for p, o in said] for s, said in graph.subjects.items()}
    else:
        for s, p, o in graph:
            subjects.setdefault(str(s), []).append((str(p), o))
    form = FORMS[media]
    return {s: form.block(s, sorted(statements, key=_order)).encode() for s, statements in subjects.items()}


def joined(found: Iterable[tuple[str, bytes]], media: str) -> bytes:
    """One document of blocks, in order; equal ones stand in it once."""
    form = FORMS[media]
    return form.start + form.between.join(block for _, block in sorted(set(found))) + form.end


def _order(statement: tuple[str, Any]) -> tuple[bool, str, str, str]:
    predicate, value = statement
    return predicate != str(RDF.type), predicate, str(value), str(getattr(value, "language", ""))


@lru_cache(maxsize=65_536)
def _short(iri: str) -> str:
    """A prefixed name, else the whole IRI in brackets."""
    for space, prefix in _BY_SPACE:
        if iri.startswith(space) and _LOCAL.fullmatch(iri, len(space)):
            return f"{prefix}:{iri[len(space) :]}"
    return f"<{_UNSAFE.sub(lambda m: f'%{ord(m[0]):02X}', iri)}>"


def _turtle(subject: str, statements: _Statements) -> str:
    said = [f"{'a' if p == str(RDF.type) else _short(p)} {_object(o)}" for p, o in statements]
    return f"\n{_short(subject)} " + " ;\n    ".join(said) + " .\n"


def _object(value: Any) -> str:
    if isinstance(value, URIRef):
        return _short(str(value))
    text = f'"{str(value).translate(_ESCAPES)}"'
    if value.language:
        return f"{text}@{value.language}"
    if value.datatype and value.datatype != XSD.string:
        return f"{text}^^{_short(str(value.datatype))}"
    return text


def _json_ld(subject: str, statements: _Statements) -> str:
    node: dict[str, Any] = {"@id": subject}
    for predicate, value in statements:
        if predicate == str(RDF.type):
            node.setdefault("@type", []).append(_short(str(value)).strip("<>"))
        else:
            node.setdefault(_short(predicate).strip("<>"), []).append(_json_value(value))
    return orjson.dumps({k: v[0] if k != "@id" and len(v) == 1 else v for k, v in node.items()}).decode()


def _json_value(value: Any) -> Any:
    if isinstance(value, URIRef):
        return {"@id": str(value)}
    if value.language:
        return {"@value": str(value), "@language": value.language}
    if value.datatype and value.datatype != XSD.string:
        return {"@value": str(value), "@type": str(value.datatype)}
    return str(value)


def _rdf_xml(subject: str, statements: _Statements) -> str:
    lines = [f"  <rdf:Description rdf:about={quoteattr(subject)}>"]
    lines += [f"    {_element(_short(predicate), value)}" for predicate, value in statements]
    return "\n".join([*lines, "  </rdf:Description>\n"])


def _element(name: str, value: Any) -> str:
    if isinstance(value, URIRef):
        return f"<{name} rdf:resource={quoteattr(str(value))}/>"
    about = ""
    if isinstance(value, Literal) and value.language:
        about = f" xml:lang={quoteattr(value.language)}"
    elif isinstance(value, Literal) and value.datatype and value.datatype != XSD.string:
        about = f" rdf:datatype={quoteattr(str(value.datatype))}"
    return f"<{name}{about}>{escape(str(value))}</{name}>"


_PREFIXES: Final = "".join(f"@prefix {prefix}: <{space}> .\n" for prefix, space in SPACES.items())
_XMLNS: Final = "".join(f"\n    xmlns:{prefix}={quoteattr(space)}" for prefix, space in SPACES.items())

FORMS: Final[dict[str, Form]] = {
    "text/turtle": Form(_PREFIXES.encode(), _turtle, b"", b""),
    "application/ld+json": Form(b'{"@context":' + orjson.dumps(SPACES) + b',"@graph":[', _json_ld, b",", b"]}"),
    "application/rdf+xml": Form(
        f'<?xml version="1.0" encoding="utf-8"?>\n<rdf:RDF{_XMLNS}>\n'.encode(), _rdf_xml, b"", b"</rdf:RDF>\n"
    ),
}
"""Every media type that a catalog can be written in."""
