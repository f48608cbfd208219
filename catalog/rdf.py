"""The nodes that descriptions are made of: terms of vocabularies, agents, licences, places and times.

Every term of an outside vocabulary carries the class and label that DCAT-AP asks for, so that a validator needs no
imports. There are no blank nodes: every node has a URI that stays from harvest to harvest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from rdflib import DCAT, DCTERMS, FOAF, ODRL2, RDF, RDFS, SKOS, XSD, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from catalog import vocabulary
from catalog.dataset import Agent, Catalogue, Dataset, Extent, local_name, words

__all__ = [
    "ADMS",
    "DCAT3",
    "DCATAP",
    "DQV",
    "GSP",
    "HYDRA",
    "LOCN",
    "SPACES",
    "VCARD",
    "Sink",
    "Statements",
    "agent",
    "box",
    "concept",
    "contact",
    "describe",
    "empty",
    "language",
    "licence",
    "period",
    "place",
    "provenance",
    "rights",
    "term",
    "time",
]

DCATAP = Namespace("http://data.europa.eu/r5r/")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
GSP = Namespace("http://www.opengis.net/ont/geosparql#")
LOCN = Namespace("http://www.w3.org/ns/locn#")
DQV = Namespace("http://www.w3.org/ns/dqv#")
DCAT3 = Namespace(str(DCAT))
"""What DCAT 3 adds; the terms that rdflib lists are those of DCAT 2."""
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
ADMS = Namespace("http://www.w3.org/ns/adms#")

SPACES = {
    "dcat": str(DCAT),
    "dct": str(DCTERMS),
    "foaf": str(FOAF),
    "odrl": str(ODRL2),
    "rdf": str(RDF),
    "rdfs": str(RDFS),
    "skos": str(SKOS),
    "vcard": str(VCARD),
    "xsd": str(XSD),
    "dcatap": str(DCATAP),
    "gsp": str(GSP),
    "locn": str(LOCN),
    "dqv": str(DQV),
    "hydra": str(HYDRA),
}
"""Every namespace that descriptions use, by prefix."""


def empty() -> Graph:
    """A graph that knows the prefixes."""
    graph = Graph(bind_namespaces="none")
    for prefix, space in SPACES.items():
        graph.bind(prefix, space)
    return graph


class Sink(Protocol):
    """What descriptions are put into: a graph, or `Statements`."""

    def add(self, triple: tuple[Node, Node, Node], /) -> Any:
        """Take a triple; one that is there already stays as it is."""


class Statements:
    """The triples of a description by subject, for writing them: a graph, made for asking, takes thrice as long."""

    def __init__(self) -> None:
        self.subjects: dict[Node, dict[tuple[Node, Node], None]] = {}

    def add(self, triple: tuple[Node, Node, Node], /) -> None:
        """Take a triple; one that is there already stays as it is."""
        subject, predicate, value = triple
        self.subjects.setdefault(subject, {})[predicate, value] = None


def describe(graph: Sink, uri: URIRef, kind: Node, title: str, about: str, language: str) -> None:
    """Class, title and description of a node."""
    graph.add((uri, RDF.type, kind))
    graph.add((uri, DCTERMS.title, Literal(title, lang=language)))
    graph.add((uri, DCTERMS.description, Literal(about, lang=language)))


def term(graph: Sink, iri: str, kind: Node) -> URIRef:
    """A node of a class."""
    uri = URIRef(iri)
    graph.add((uri, RDF.type, kind))
    return uri


def concept(graph: Sink, iri: str, labels: dict[str, str], kind: Node | None = None) -> URIRef:
    """A term of an EU table, with its label and its table."""
    uri = term(graph, iri, SKOS.Concept)
    table, _, code = iri.rpartition("/")
    graph.add((uri, SKOS.inScheme, URIRef(table)))
    graph.add((uri, SKOS.prefLabel, Literal(labels[code], lang="en")))
    if kind is not None:
        graph.add((uri, RDF.type, kind))
    return uri


def language(graph: Sink, tag: str) -> URIRef:
    """A language of the EU table."""
    uri = term(graph, vocabulary.language(tag), DCTERMS.LinguisticSystem)
    graph.add((uri, SKOS.inScheme, URIRef(f"{vocabulary.AUTHORITY}language")))
    return uri


def licence(graph: Sink, name: str) -> URIRef:
    """A licence, with its label."""
    iri, label = vocabulary.licence(name)
    uri = term(graph, iri, DCTERMS.LicenseDocument)
    graph.add((uri, DCTERMS.title, Literal(label, lang="en")))
    return uri


def agent(graph: Sink, agent: Agent) -> URIRef:
    """An organisation, with its name and kind."""
    uri = term(graph, agent.uri, FOAF.Agent)
    graph.add((uri, FOAF.name, Literal(agent.name)))
    kind = term(graph, "http://purl.org/adms/publishertype/LocalAuthority", SKOS.Concept)
    scheme = term(graph, "http://purl.org/adms/publishertype/1.0", SKOS.ConceptScheme)
    graph.add((scheme, DCTERMS.title, Literal("ADMS publisher type", lang="en")))
    graph.add((kind, SKOS.inScheme, scheme))
    graph.add((kind, SKOS.prefLabel, Literal("local authority", lang="en")))
    graph.add((uri, DCTERMS.type, kind))
    return uri


def contact(graph: Sink, of: URIRef, dataset: Dataset) -> URIRef:
    """Whom to ask about a dataset."""
    uri = term(graph, f"{of}#contact", VCARD.Kind)
    graph.add((uri, RDF.type, VCARD.Organization))
    graph.add((uri, VCARD.fn, Literal(dataset.publisher.name)))
    if dataset.contact and "@" in dataset.contact:
        graph.add((uri, VCARD.hasEmail, URIRef("mailto:" + dataset.contact.removeprefix("mailto:"))))
    elif dataset.contact and "://" in dataset.contact:
        graph.add((uri, VCARD.hasURL, URIRef(dataset.contact)))
    return uri


def provenance(graph: Sink, of: URIRef, dataset: Dataset) -> URIRef:
    """Where a dataset comes from, in words."""
    uri = term(graph, f"{of}#provenance", DCTERMS.ProvenanceStatement)
    titles = {o.feed: o.title for o in dataset.origins}
    feeds = [titles.get(f, f) for f in dataset.feeds]
    came = f"Collected by the feed{'s' if len(feeds) > 1 else ''} {', '.join(feeds)}. " * bool(feeds)
    label = f"{came}Each attribute carries when it was observed and by which feed and mapping it came."
    graph.add((uri, RDFS.label, Literal(label, lang="en")))
    return uri


def rights(graph: Sink, of: URIRef, catalogue: Catalogue, dataset: Dataset) -> URIRef:
    """What one may do with a dataset, in words."""
    uri = term(graph, f"{of}#rights", DCTERMS.RightsStatement)
    purposes = ", ".join(words(local_name(p)).lower() for p in dataset.purposes) or "no purpose yet"
    graph.add((uri, RDFS.label, Literal(f"For use under agreement, for: {purposes}.", lang="en")))
    graph.add((uri, RDFS.seeAlso, URIRef(f"{catalogue.base_url}/trust/terms/{dataset.domain}")))
    return uri


def place(graph: Sink, of: URIRef, e: Extent) -> URIRef:
    """A box on the map."""
    uri = term(graph, f"{of}#place", DCTERMS.Location)
    graph.add((uri, DCAT.bbox, box(e)))
    return uri


def box(e: Extent) -> Literal:
    """A box as WKT, longitude first."""
    ring = ((e.west, e.south), (e.east, e.south), (e.east, e.north), (e.west, e.north), (e.west, e.south))
    wkt = f"POLYGON(({', '.join(f'{x:g} {y:g}' for x, y in ring)}))"
    return Literal(wkt, datatype=GSP.wktLiteral)


def period(graph: Sink, of: URIRef, start: datetime, end: datetime) -> URIRef:
    """From when to when."""
    uri = term(graph, f"{of}#period", DCTERMS.PeriodOfTime)
    graph.add((uri, DCAT.startDate, time(start)))
    graph.add((uri, DCAT.endDate, time(max(start, end))))
    return uri


def time(moment: datetime) -> Literal:
    """A moment."""
    return Literal(moment.isoformat(timespec="seconds"), datatype=XSD.dateTime)
