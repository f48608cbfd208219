"""Write a graph without blank nodes as Turtle, JSON-LD or RDF/XML, in one pass and always alike.

rdflib's own writers take about ten times as long, most of it to find out how blank nodes and lists hang together; the
catalog has neither. Subjects and their statements are in order, so equal graphs give equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import orjson
from rdflib import RDF, XSD, Graph, Literal, URIRef

from catalog.rdf import SPACES

__all__ = ["FORMS", "write"]

_LOCAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})
_UNSAFE = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_BY_SPACE: Final = sorted(((space, prefix) for prefix, space in SPACES.items()), reverse=True)

_Subjects = Mapping[str, list[tuple[str, Any]]]


def write(graph: Graph, media: str) -> bytes:
    """The graph in one of `FORMS`."""
    subjects: dict[str, list[tuple[str, Any]]] = {}
    for s, p, o in graph:
        subjects.setdefault(str(s), []).append((str(p), o))
    for statements in subjects.values():
        statements.sort(key=_order)
    return FORMS[media](dict(sorted(subjects.items())))


def _order(statement: tuple[str, Any]) -> tuple[bool, str, str, str]:
    predicate, value = statement
    return predicate != str(RDF.type), predicate, str(value), str(getattr(value, "language", ""))


def _short(iri: str, known: dict[str, str]) -> str:
    """A prefixed name, else the whole IRI in brackets."""
    found = known.get(iri)
    if found is None:
        found = f"<{_UNSAFE.sub(lambda m: f'%{ord(m[0]):02X}', iri)}>"
        for space, prefix in _BY_SPACE:
            if iri.startswith(space) and _LOCAL.fullmatch(iri, len(space)):
                found = f"{prefix}:{iri[len(space) :]}"
                break
        known[iri] = found
    return found


def _turtle(subjects: _Subjects) -> bytes:
    known: dict[str, str] = {}
    lines = [f"@prefix {prefix}: <{space}> ." for prefix, space in SPACES.items()]
    for subject, statements in subjects.items():
        said = [f"{'a' if p == str(RDF.type) else _short(p, known)} {_object(o, known)}" for p, o in statements]
        lines.append(f"\n{_short(subject, known)} " + " ;\n    ".join(said) + " .")
    return ("\n".join(lines) + "\n").encode()


def _object(value: Any, known: dict[str, str]) -> str:
    if isinstance(value, URIRef):
        return _short(str(value), known)
    text = f'"{str(value).translate(_ESCAPES)}"'
    if value.language:
        return f"{text}@{value.language}"
    if value.datatype and value.datatype != XSD.string:
        return f"{text}^^{_short(str(value.datatype), known)}"
    return text


def _json_ld(subjects: _Subjects) -> bytes:
    known: dict[str, str] = {}

    def name(iri: str) -> str:
        return _short(iri, known).strip("<>")

    nodes = []
    for subject, statements in subjects.items():
        node: dict[str, Any] = {"@id": subject}
        for predicate, value in statements:
            if predicate == str(RDF.type):
                node.setdefault("@type", []).append(name(str(value)))
            else:
                node.setdefault(name(predicate), []).append(_json_value(value))
        nodes.append({k: v[0] if k != "@id" and len(v) == 1 else v for k, v in node.items()})
    return orjson.dumps({"@context": SPACES, "@graph": nodes})


def _json_value(value: Any) -> Any:
    if isinstance(value, URIRef):
        return {"@id": str(value)}
    if value.language:
        return {"@value": str(value), "@language": value.language}
    if value.datatype and value.datatype != XSD.string:
        return {"@value": str(value), "@type": str(value.datatype)}
    return str(value)


def _rdf_xml(subjects: _Subjects) -> bytes:
    known: dict[str, str] = {}
    spaces = "".join(f"\n    xmlns:{prefix}={quoteattr(space)}" for prefix, space in SPACES.items())
    lines = [f'<?xml version="1.0" encoding="utf-8"?>\n<rdf:RDF{spaces}>']
    for subject, statements in subjects.items():
        lines.append(f"  <rdf:Description rdf:about={quoteattr(subject)}>")
        for predicate, value in statements:
            lines.append(f"    {_element(_short(predicate, known), value)}")
        lines.append("  </rdf:Description>")
    return ("\n".join([*lines, "</rdf:RDF>"]) + "\n").encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, URIRef):
        return f"<{name} rdf:resource={quoteattr(str(value))}/>"
    about = ""
    if isinstance(value, Literal) and value.language:
        about = f" xml:lang={quoteattr(value.language)}"
    elif isinstance(value, Literal) and value.datatype and value.datatype != XSD.string:
        about = f" rdf:datatype={quoteattr(str(value.datatype))}"
    return f"<{name}{about}>{escape(str(value))}</{name}>"


FORMS: Final[dict[str, Callable[[_Subjects], bytes]]] = {
    "text/turtle": _turtle,
    "application/ld+json": _json_ld,
    "application/rdf+xml": _rdf_xml,
}
"""Every media type that a catalog can be written in."""
