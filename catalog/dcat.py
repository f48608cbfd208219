"""Write the catalog as DCAT-AP 3.0.1 (rdflib graph).

The graph is self-contained: every term of an outside vocabulary carries the class and label that the profile asks for,
so that a validator needs no imports. There are no blank nodes: every node has a URI that stays from harvest to harvest.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from rdflib import DCAT, DCTERMS, FOAF, ODRL2, RDF, RDFS, SKOS, XSD, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from catalog import vocabulary
from catalog.dataset import Agent, Catalogue, Dataset, Extent, local_name, words

__all__ = ["catalog_graph", "dataset_graph", "dataset_uri", "service_graph"]

DCATAP = Namespace("http://data.europa.eu/r5r/")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
GSP = Namespace("http://www.opengis.net/ont/geosparql#")
_NGSI_LD = "https://www.etsi.org/deliver/etsi_gs/CIM/001_099/009/01.09.01_60/gs_CIM009v010901p.pdf"
_METADATA_LICENCE = "CC0"


def dataset_uri(base_url: str, domain: str, slug: str) -> str:
    """Where a dataset is described."""
    return f"{base_url}/catalog/datasets/{domain}/{slug}"


def catalog_graph(catalogue: Catalogue) -> Graph:
    """The catalog, its data service and all its datasets."""
    graph = _graph()
    uri = URIRef(f"{catalogue.base_url}/catalog")
    _describe(graph, uri, DCAT.Catalog, f"{catalogue.city} data catalog", _about(catalogue), catalogue.language)
    graph.add((uri, DCTERMS.publisher, _agent(graph, catalogue.publisher)))
    graph.add((uri, DCTERMS.language, _language(graph, catalogue.language)))
    graph.add((uri, DCTERMS.license, _licence(graph, _METADATA_LICENCE)))
    graph.add((uri, DCTERMS.issued, _time(catalogue.issued)))
    graph.add((uri, DCTERMS.modified, _time(catalogue.modified)))
    graph.add((uri, FOAF.homepage, _term(graph, f"{catalogue.base_url}/", FOAF.Document)))
    taxonomy = _term(graph, f"{vocabulary.AUTHORITY}data-theme", SKOS.ConceptScheme)
    graph.add((taxonomy, DCTERMS.title, Literal("Data theme", lang="en")))
    graph.add((uri, DCAT.themeTaxonomy, taxonomy))
    service = _service(graph, catalogue)
    graph.add((uri, DCAT.service, service))
    for dataset in catalogue.datasets:
        graph.add((uri, DCAT.dataset, _dataset(graph, catalogue, dataset, service)))
    return graph


def dataset_graph(catalogue: Catalogue, dataset: Dataset) -> Graph:
    """One dataset with its distributions and the service behind them."""
    graph = _graph()
    _dataset(graph, catalogue, dataset, _service(graph, catalogue, (dataset,)))
    return graph


def service_graph(catalogue: Catalogue) -> Graph:
    """The data service alone, with the datasets that it serves."""
    graph = _graph()
    _service(graph, catalogue)
    for dataset in catalogue.datasets:
        served = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
        _describe(graph, served, DCAT.Dataset, dataset.title, dataset.description, catalogue.language)
    return graph


def _about(catalogue: Catalogue) -> str:
    return f"Every dataset that {catalogue.city} shares as a data trust, with its terms of use."


def _graph() -> Graph:
    graph = Graph(bind_namespaces="none")
    spaces = {"dcat": DCAT, "dct": DCTERMS, "foaf": FOAF, "odrl": ODRL2, "rdf": RDF, "rdfs": RDFS, "skos": SKOS}
    for prefix, space in {**spaces, "vcard": VCARD, "xsd": XSD, "dcatap": DCATAP, "gsp": GSP}.items():
        graph.bind(prefix, space)
    return graph


def _service(graph: Graph, catalogue: Catalogue, datasets: tuple[Dataset, ...] | None = None) -> URIRef:
    uri = URIRef(f"{catalogue.base_url}/catalog/services/ngsi-ld")
    about = "Standard interface to all entities, their search and subscriptions; each read passes the terms of use."
    _describe(graph, uri, DCAT.DataService, "NGSI-LD API", about, "en")
    endpoint = URIRef(f"{catalogue.broker_url}/ngsi-ld/v1")
    graph.add((endpoint, RDF.type, RDFS.Resource))
    graph.add((uri, DCAT.endpointURL, endpoint))
    standard = _term(graph, _NGSI_LD, DCTERMS.Standard)
    graph.add((standard, DCTERMS.title, Literal("ETSI GS CIM 009 V1.9.1, NGSI-LD API", lang="en")))
    graph.add((uri, DCTERMS.conformsTo, standard))
    graph.add((uri, DCTERMS.publisher, _agent(graph, catalogue.publisher)))
    for dataset in catalogue.datasets if datasets is None else datasets:
        served = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
        graph.add((uri, DCAT.servesDataset, served))
    return uri


def _dataset(graph: Graph, catalogue: Catalogue, dataset: Dataset, service: URIRef) -> URIRef:
    uri = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
    _describe(graph, uri, DCAT.Dataset, dataset.title, dataset.description, catalogue.language)
    graph.add((uri, DCTERMS.identifier, Literal(str(uri))))
    graph.add((uri, DCTERMS.publisher, _agent(graph, dataset.publisher)))
    graph.add((uri, DCAT.contactPoint, _contact(graph, uri, dataset)))
    graph.add((uri, DCTERMS.language, _language(graph, catalogue.language)))
    graph.add((uri, DCTERMS.issued, _time(dataset.issued)))
    graph.add((uri, DCTERMS.modified, _time(dataset.modified)))
    right = vocabulary.access_right(dataset.classification, dataset.public)
    graph.add((uri, DCTERMS.accessRights, _concept(graph, right, vocabulary.ACCESS_RIGHTS, DCTERMS.RightsStatement)))
    graph.add((uri, DCTERMS.provenance, _provenance(graph, uri, dataset)))
    graph.add((uri, DCAT.landingPage, _term(graph, f"{catalogue.base_url}/domains/{dataset.domain}", FOAF.Document)))
    for keyword in dataset.keywords:
        graph.add((uri, DCAT.keyword, Literal(keyword, lang=catalogue.language)))
    if dataset.theme:
        graph.add((uri, DCAT.theme, _concept(graph, vocabulary.theme(dataset.theme), vocabulary.THEMES)))
    if often := vocabulary.frequency(dataset.freshness_s):
        graph.add((uri, DCTERMS.accrualPeriodicity, _concept(graph, often, vocabulary.FREQUENCIES, DCTERMS.Frequency)))
    if dataset.extent:
        graph.add((uri, DCTERMS.spatial, _place(graph, uri, dataset.extent)))
    if dataset.first_observed:
        graph.add((uri, DCTERMS.temporal, _period(graph, uri, dataset.first_observed, dataset.modified)))
    graph.add((uri, DCAT.distribution, _distribution(graph, catalogue, dataset, uri, service)))
    return uri


def _distribution(graph: Graph, catalogue: Catalogue, dataset: Dataset, of: URIRef, service: URIRef) -> URIRef:
    uri = URIRef(f"{of}#ngsi-ld")
    about = "Read over the NGSI-LD API. Say your purpose in the header Data-Purpose; a token raises what you may see."
    _describe(graph, uri, DCAT.Distribution, f"{dataset.title} (NGSI-LD)", about, "en")
    url = URIRef(f"{catalogue.broker_url}/ngsi-ld/v1/entities?type={quote(dataset.type, safe='')}")
    graph.add((url, RDF.type, RDFS.Resource))
    graph.add((uri, DCAT.accessURL, url))
    graph.add((uri, DCAT.downloadURL, url))
    graph.add((uri, DCAT.accessService, service))
    graph.add((uri, DCAT.mediaType, _term(graph, f"{vocabulary.MEDIA_TYPES}application/ld+json", DCTERMS.MediaType)))
    form = _concept(graph, f"{vocabulary.AUTHORITY}file-type/JSON_LD", {"JSON_LD": "JSON-LD"})
    graph.add((form, RDF.type, DCTERMS.MediaTypeOrExtent))
    graph.add((uri, DCTERMS["format"], form))
    there = f"{vocabulary.AUTHORITY}planned-availability/AVAILABLE"
    graph.add((uri, DCATAP.availability, _concept(graph, there, {"AVAILABLE": "available"})))
    graph.add((uri, DCTERMS.issued, _time(dataset.issued)))
    graph.add((uri, DCTERMS.modified, _time(dataset.modified)))
    graph.add((uri, DCTERMS.rights, _rights(graph, of, catalogue, dataset)))
    graph.add((uri, ODRL2.hasPolicy, _offer(graph, catalogue, dataset, of)))
    if dataset.licence:
        graph.add((uri, DCTERMS.license, _licence(graph, dataset.licence)))
    return uri


def _offer(graph: Graph, catalogue: Catalogue, dataset: Dataset, of: URIRef) -> URIRef:
    """The terms under which the dataset is offered: reading it, for the purposes the domain names."""
    uri = URIRef(f"{of}#offer")
    graph.add((uri, RDF.type, ODRL2.Policy))
    graph.add((uri, RDF.type, ODRL2.Offer))
    graph.add((uri, ODRL2.uid, uri))
    graph.add((uri, RDFS.seeAlso, URIRef(f"{catalogue.base_url}/trust/terms/{dataset.domain}")))
    permission = _term(graph, f"{of}#permission", ODRL2.Permission)
    graph.add((uri, ODRL2.permission, permission))
    graph.add((permission, ODRL2.target, of))
    graph.add((permission, ODRL2.assigner, _agent(graph, dataset.publisher)))
    graph.add((permission, ODRL2.action, ODRL2.read))
    purposes = [_purpose(graph, of, n, purpose) for n, purpose in enumerate(dataset.purposes, 1)]
    if len(purposes) == 1:
        graph.add((permission, ODRL2.constraint, purposes[0]))
    elif purposes:
        either = _term(graph, f"{of}#purposes", ODRL2.LogicalConstraint)
        graph.add((permission, ODRL2.constraint, either))
        for purpose in purposes:
            graph.add((either, ODRL2["or"], purpose))
    return uri


def _purpose(graph: Graph, of: URIRef, number: int, purpose: str) -> URIRef:
    node = _term(graph, f"{of}#purpose-{number}", ODRL2.Constraint)
    graph.add((node, ODRL2.leftOperand, ODRL2.purpose))
    graph.add((node, ODRL2.operator, ODRL2.isA))
    graph.add((node, ODRL2.rightOperand, URIRef(purpose)))
    return node


def _describe(graph: Graph, uri: URIRef, kind: Node, title: str, about: str, language: str) -> None:
    graph.add((uri, RDF.type, kind))
    graph.add((uri, DCTERMS.title, Literal(title, lang=language)))
    graph.add((uri, DCTERMS.description, Literal(about, lang=language)))


def _term(graph: Graph, iri: str, kind: Node) -> URIRef:
    uri = URIRef(iri)
    graph.add((uri, RDF.type, kind))
    return uri


def _concept(graph: Graph, iri: str, labels: dict[str, str], kind: Node | None = None) -> URIRef:
    """A term of an EU table, with its label and its table."""
    uri = _term(graph, iri, SKOS.Concept)
    table, _, code = iri.rpartition("/")
    graph.add((uri, SKOS.inScheme, URIRef(table)))
    graph.add((uri, SKOS.prefLabel, Literal(labels[code], lang="en")))
    if kind is not None:
        graph.add((uri, RDF.type, kind))
    return uri


def _language(graph: Graph, tag: str) -> URIRef:
    uri = _term(graph, vocabulary.language(tag), DCTERMS.LinguisticSystem)
    graph.add((uri, SKOS.inScheme, URIRef(f"{vocabulary.AUTHORITY}language")))
    return uri


def _licence(graph: Graph, name: str) -> URIRef:
    iri, label = vocabulary.licence(name)
    uri = _term(graph, iri, DCTERMS.LicenseDocument)
    graph.add((uri, DCTERMS.title, Literal(label, lang="en")))
    return uri


def _agent(graph: Graph, agent: Agent) -> URIRef:
    uri = _term(graph, agent.uri, FOAF.Agent)
    graph.add((uri, FOAF.name, Literal(agent.name)))
    kind = _term(graph, "http://purl.org/adms/publishertype/LocalAuthority", SKOS.Concept)
    scheme = _term(graph, "http://purl.org/adms/publishertype/1.0", SKOS.ConceptScheme)
    graph.add((scheme, DCTERMS.title, Literal("ADMS publisher type", lang="en")))
    graph.add((kind, SKOS.inScheme, scheme))
    graph.add((kind, SKOS.prefLabel, Literal("local authority", lang="en")))
    graph.add((uri, DCTERMS.type, kind))
    return uri


def _contact(graph: Graph, of: URIRef, dataset: Dataset) -> URIRef:
    uri = _term(graph, f"{of}#contact", VCARD.Kind)
    graph.add((uri, RDF.type, VCARD.Organization))
    graph.add((uri, VCARD.fn, Literal(dataset.publisher.name)))
    if dataset.contact and "@" in dataset.contact:
        graph.add((uri, VCARD.hasEmail, URIRef("mailto:" + dataset.contact.removeprefix("mailto:"))))
    elif dataset.contact and "://" in dataset.contact:
        graph.add((uri, VCARD.hasURL, URIRef(dataset.contact)))
    return uri


def _provenance(graph: Graph, of: URIRef, dataset: Dataset) -> URIRef:
    uri = _term(graph, f"{of}#provenance", DCTERMS.ProvenanceStatement)
    came = f"Collected by the feed{'s' if len(dataset.feeds) > 1 else ''} {', '.join(dataset.feeds)}. " * bool(
        dataset.feeds
    )
    label = f"{came}Each attribute carries when it was observed and by which feed and mapping it came."
    graph.add((uri, RDFS.label, Literal(label, lang="en")))
    return uri


def _rights(graph: Graph, of: URIRef, catalogue: Catalogue, dataset: Dataset) -> URIRef:
    uri = _term(graph, f"{of}#rights", DCTERMS.RightsStatement)
    purposes = ", ".join(words(local_name(p)).lower() for p in dataset.purposes) or "no purpose yet"
    graph.add((uri, RDFS.label, Literal(f"For use under agreement, for: {purposes}.", lang="en")))
    graph.add((uri, RDFS.seeAlso, URIRef(f"{catalogue.base_url}/trust/terms/{dataset.domain}")))
    return uri


def _place(graph: Graph, of: URIRef, e: Extent) -> URIRef:
    uri = _term(graph, f"{of}#place", DCTERMS.Location)
    ring = ((e.west, e.south), (e.east, e.south), (e.east, e.north), (e.west, e.north), (e.west, e.south))
    wkt = f"POLYGON(({', '.join(f'{x:g} {y:g}' for x, y in ring)}))"
    graph.add((uri, DCAT.bbox, Literal(wkt, datatype=GSP.wktLiteral)))
    return uri


def _period(graph: Graph, of: URIRef, start: datetime, end: datetime) -> URIRef:
    uri = _term(graph, f"{of}#period", DCTERMS.PeriodOfTime)
    graph.add((uri, DCAT.startDate, _time(start)))
    graph.add((uri, DCAT.endDate, _time(max(start, end))))
    return uri


def _time(moment: datetime) -> Literal:
    return Literal(moment.isoformat(timespec="seconds"), datatype=XSD.dateTime)
