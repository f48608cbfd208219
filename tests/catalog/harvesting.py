"""What harvesters do, for the tests: ask with an Accept header, and walk the catalog's pages."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rdflib import RDF, Graph, URIRef

from catalog.rdf import HYDRA

__all__ = ["DATASETS", "Answer", "ask", "next_page", "pages"]

_DATASET = "http://www.w3.org/ns/dcat#Dataset"
_IN_TURTLE = re.compile(rb"^<([^>]+)> a dcat:Dataset ;$", re.MULTILINE)
_IN_XML = re.compile(rb'<rdf:Description rdf:about="([^"]+)">\s*<rdf:type rdf:resource="' + _DATASET.encode() + rb'"/>')


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers by their names in lower case, and a body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(url: str, accept: str = "application/json", **headers: str) -> Answer:
    """One GET; redirects are followed."""
    given = {"Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=given)  # noqa: S310 - our own process
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own process
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def pages(url: str, accept: str) -> Iterator[Answer]:
    """Every page from this one on, by the links that each names."""
    following: str | None = url
    while following:
        answer = ask(following, accept)
        assert answer.status == 200, answer.body
        yield answer
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        following = link[1] if link else None


def next_page(graph: Graph) -> str | None:
    """The page after this one, as Hydra names it."""
    view = next(graph.subjects(RDF.type, HYDRA.PartialCollectionView), None)
    after = graph.value(view, HYDRA.next) if view else None
    return str(after) if isinstance(after, URIRef) else None


def _in_json(body: bytes) -> list[str]:
    nodes = json.loads(body)["@graph"]
    return [n["@id"] for n in nodes if "dcat:Dataset" in n.get("@type", ()) and "dct:identifier" in n]


DATASETS: Mapping[str, Callable[[bytes], list[str]]] = {
    "text/turtle": lambda body: [found.decode() for found in _IN_TURTLE.findall(body)],
    "application/ld+json": _in_json,
    "application/rdf+xml": lambda body: [found.decode() for found in _IN_XML.findall(body)],
}
"""The URIs of the datasets that a page describes, by media type, without an RDF parser (slower than a page)."""
