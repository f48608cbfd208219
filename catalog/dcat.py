"""Write the catalog as DCAT-AP 3.0.1, with GeoDCAT-AP where there is a place, and DQV for measured quality.

The graph is self-contained and has no blank nodes (`catalog.rdf`). A large catalog is written page by page: a page
holds the catalog's own description, the datasets of that page, and links to the next (Hydra).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rdflib import DCAT, DCTERMS, FOAF, ODRL2, RDF, RDFS, SKOS, XSD, Graph, Literal, URIRef

from catalog import rdf, vocabulary
from catalog.dataset import Catalogue, Dataset
from catalog.rdf import DCAT3, DCATAP, DQV, GSP, HYDRA, LOCN, Sink

__all__ = [
    "Page",
    "catalog_graph",
    "dataset_graph",
    "dataset_uri",
    "description",
    "frame_graph",
    "page_graph",
    "series_graph",
    "service_graph",
]

_NGSI_LD = "https://www.etsi.org/deliver/etsi_gs/CIM/001_099/009/01.09.01_60/gs_CIM009v010901p.pdf"
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_METADATA_LICENCE = "CC0"
_SERVED = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the catalog: its datasets, how many there are in all, and the addresses of itself and others."""

    datasets: Sequence[Dataset]
    total: int
    this: str
    first: str
    next: str | None


def dataset_uri(base_url: str, domain: str, slug: str) -> str:
    """Where a dataset is described."""
    return f"{base_url}/catalog/datasets/{domain}/{slug}"


def catalog_graph(catalogue: Catalogue) -> Graph:
    """The catalog, its data service and all its datasets."""
    return _described(frame_graph(catalogue, catalogue.datasets), catalogue, catalogue.datasets)


def page_graph(catalogue: Catalogue, page: Page) -> Graph:
    """The catalog with the datasets of one page, and where the next is."""
    return _described(frame_graph(catalogue, page.datasets, page), catalogue, page.datasets)


def _described(graph: Graph, catalogue: Catalogue, datasets: Sequence[Dataset]) -> Graph:
    for dataset in datasets:
        _dataset(graph, catalogue, dataset)
    return graph


def frame_graph(catalogue: Catalogue, datasets: Sequence[Dataset], page: Page | None = None) -> Graph:
    """What stands around the descriptions of datasets: the catalog and its service, which name them, and the page."""
    graph = _catalog(catalogue, datasets)
    if page is None:
        return graph
    view = rdf.term(graph, page.this, HYDRA.PartialCollectionView)
    graph.add((view, RDF.type, HYDRA.PagedCollection))  # older harvesters know this one alone
    graph.add((view, HYDRA.totalItems, Literal(page.total)))
    graph.add((view, HYDRA.itemsPerPage, Literal(len(page.datasets))))
    graph.add((view, HYDRA.first, URIRef(page.first)))
    graph.add((view, HYDRA.firstPage, URIRef(page.first)))
    if page.next:
        graph.add((view, HYDRA.next, URIRef(page.next)))
        graph.add((view, HYDRA.nextPage, URIRef(page.next)))
    return graph


def _catalog(catalogue: Catalogue, datasets: Sequence[Dataset]) -> Graph:
    graph = rdf.empty()
    uri = URIRef(f"{catalogue.base_url}/catalog")
    about = f"Every dataset that {catalogue.city} shares as a data trust, with its terms of use."
    rdf.describe(graph, uri, DCAT.Catalog, f"{catalogue.city} data catalog", about, catalogue.language)
    graph.add((uri, DCTERMS.publisher, rdf.agent(graph, catalogue.publisher)))
    graph.add((uri, DCTERMS.language, rdf.language(graph, catalogue.language)))
    graph.add((uri, DCTERMS.license, rdf.licence(graph, _METADATA_LICENCE)))
    graph.add((uri, DCTERMS.issued, rdf.time(catalogue.issued)))
    graph.add((uri, DCTERMS.modified, rdf.time(catalogue.modified)))
    graph.add((uri, FOAF.homepage, rdf.term(graph, f"{catalogue.base_url}/", FOAF.Document)))
    taxonomy = rdf.term(graph, f"{vocabulary.AUTHORITY}data-theme", SKOS.ConceptScheme)
    graph.add((taxonomy, DCTERMS.title, Literal("Data theme", lang="en")))
    graph.add((uri, DCAT.themeTaxonomy, taxonomy))
    if catalogue.extent:
        graph.add((uri, DCTERMS.spatial, rdf.place(graph, uri, catalogue.extent)))
    graph.add((uri, DCAT.service, _service(graph, catalogue, datasets)))
    for dataset in datasets:
        graph.add((uri, DCAT.dataset, URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))))
    return graph


def dataset_graph(catalogue: Catalogue, dataset: Dataset) -> Graph:
    """One dataset with its distributions and the service behind them."""
    graph = rdf.empty()
    _dataset(graph, catalogue, dataset)
    _service(graph, catalogue, (dataset,))
    return graph


def description(catalogue: Catalogue, dataset: Dataset) -> rdf.Statements:
    """What is said of one dataset alone; the service is named, not described."""
    found = rdf.Statements()
    _dataset(found, catalogue, dataset)
    return found


def series_graph(catalogue: Catalogue, datasets: Sequence[Dataset]) -> Graph:
    """The series that these datasets of one domain make up."""
    graph = rdf.empty()
    for dataset in datasets:
        series = _series(graph, catalogue, dataset)
        member = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
        rdf.describe(graph, member, DCAT.Dataset, dataset.title, dataset.description, catalogue.language)
        graph.add((member, DCAT3.inSeries, series))
    return graph


def service_graph(catalogue: Catalogue) -> Graph:
    """The data service alone, with datasets that it serves: all of them, but in a large catalog the first hundred; the
    catalog's pages name the others."""
    graph = rdf.empty()
    datasets = catalogue.datasets[:_SERVED]
    _service(graph, catalogue, datasets)
    for dataset in datasets:
        served = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
        rdf.describe(graph, served, DCAT.Dataset, dataset.title, dataset.description, catalogue.language)
    return graph


def _service_uri(catalogue: Catalogue) -> URIRef:
    return URIRef(f"{catalogue.base_url}/catalog/services/ngsi-ld")


def _service(graph: Sink, catalogue: Catalogue, datasets: Sequence[Dataset]) -> URIRef:
    uri = _service_uri(catalogue)
    about = "Standard interface to all entities, their search and subscriptions; each read passes the terms of use."
    rdf.describe(graph, uri, DCAT.DataService, "NGSI-LD API", about, "en")
    endpoint = URIRef(f"{catalogue.broker_url}/ngsi-ld/v1")
    graph.add((endpoint, RDF.type, RDFS.Resource))
    graph.add((uri, DCAT.endpointURL, endpoint))
    standard = rdf.term(graph, _NGSI_LD, DCTERMS.Standard)
    graph.add((standard, DCTERMS.title, Literal("ETSI GS CIM 009 V1.9.1, NGSI-LD API", lang="en")))
    graph.add((uri, DCTERMS.conformsTo, standard))
    graph.add((uri, DCTERMS.publisher, rdf.agent(graph, catalogue.publisher)))
    for dataset in datasets:
        served = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
        graph.add((uri, DCAT.servesDataset, served))
    return uri


def _dataset(graph: Sink, catalogue: Catalogue, dataset: Dataset) -> URIRef:
    uri = URIRef(dataset_uri(catalogue.base_url, dataset.domain, dataset.slug))
    rdf.describe(graph, uri, DCAT.Dataset, dataset.title, dataset.description, catalogue.language)
    graph.add((uri, DCTERMS.identifier, Literal(str(uri))))
    graph.add((uri, DCTERMS.publisher, rdf.agent(graph, dataset.publisher)))
    graph.add((uri, DCAT.contactPoint, rdf.contact(graph, uri, dataset)))
    graph.add((uri, DCTERMS.language, rdf.language(graph, catalogue.language)))
    graph.add((uri, DCTERMS.issued, rdf.time(dataset.issued)))
    graph.add((uri, DCTERMS.modified, rdf.time(dataset.modified)))
    right = vocabulary.access_right(dataset.classification, dataset.public)
    statement = rdf.concept(graph, right, vocabulary.ACCESS_RIGHTS, DCTERMS.RightsStatement)
    graph.add((uri, DCTERMS.accessRights, statement))
    graph.add((uri, DCTERMS.provenance, rdf.provenance(graph, uri, dataset)))
    page = rdf.term(graph, f"{catalogue.base_url}/domains/{dataset.domain}", FOAF.Document)
    graph.add((uri, DCAT.landingPage, page))
    graph.add((uri, DCAT3.inSeries, _series(graph, catalogue, dataset)))
    for keyword in dataset.keywords:
        graph.add((uri, DCAT.keyword, Literal(keyword, lang=catalogue.language)))
    if dataset.theme:
        graph.add((uri, DCAT.theme, rdf.concept(graph, vocabulary.theme(dataset.theme), vocabulary.THEMES)))
    if often := vocabulary.frequency(dataset.freshness_s):
        concept = rdf.concept(graph, often, vocabulary.FREQUENCIES, DCTERMS.Frequency)
        graph.add((uri, DCTERMS.accrualPeriodicity, concept))
    _where_and_when(graph, catalogue, dataset, uri)
    _quality(graph, dataset, uri)
    _metadata(graph, dataset, uri)
    graph.add((uri, DCAT.distribution, _distribution(graph, catalogue, dataset, uri)))
    return uri


def _series(graph: Sink, catalogue: Catalogue, dataset: Dataset) -> URIRef:
    """All datasets of a domain: they have one owner, one set of terms and one verdict."""
    uri = URIRef(f"{catalogue.base_url}/catalog/series/{dataset.domain}")
    title = dataset.title.partition(":")[0]
    about = f"All that {catalogue.city} shares in the domain {title}, under one set of terms and one verdict."
    rdf.describe(graph, uri, DCAT3.DatasetSeries, title, about, catalogue.language)
    graph.add((uri, DCTERMS.publisher, rdf.agent(graph, dataset.publisher)))
    graph.add((uri, DCAT.contactPoint, rdf.contact(graph, uri, dataset)))
    return uri


def _where_and_when(graph: Sink, catalogue: Catalogue, dataset: Dataset, uri: URIRef) -> None:
    """Place and period. A dataset that is still empty is for the whole area that the catalog covers, from its issue."""
    extent = dataset.extent or catalogue.extent
    if extent:
        place = rdf.place(graph, uri, extent)
        graph.add((uri, DCTERMS.spatial, place))
        if dataset.extent:
            shape = rdf.term(graph, f"{uri}#geometry", LOCN.Geometry)
            graph.add((shape, GSP.asWKT, rdf.box(dataset.extent)))
            graph.add((place, LOCN.geometry, shape))
            system = rdf.term(graph, _CRS84, DCTERMS.Standard)
            graph.add((system, DCTERMS.title, Literal("WGS 84, longitude before latitude (CRS 84)", lang="en")))
            graph.add((uri, DCTERMS.conformsTo, system))
    period = rdf.period(graph, uri, dataset.first_observed or dataset.issued, dataset.modified)
    graph.add((uri, DCTERMS.temporal, period))


def _quality(graph: Sink, dataset: Dataset, uri: URIRef) -> None:
    """What the connectors measured of the feeds behind a dataset (DQV), one measurement per feed and dimension."""
    for m in dataset.quality:
        node = rdf.term(graph, f"{uri}#quality-{m.feed}-{m.dimension}", DQV.QualityMeasurement)
        metric = rdf.term(graph, f"https://datapolis.example/ns#{m.dimension}", DQV.Metric)
        graph.add((metric, SKOS.prefLabel, Literal(m.dimension, lang="en")))
        graph.add((metric, DQV.expectedDataType, XSD.double))
        graph.add((node, DQV.isMeasurementOf, metric))
        graph.add((node, DQV.computedOn, uri))
        graph.add((node, DQV.value, Literal(m.value, datatype=XSD.double)))
        graph.add((node, DCTERMS.source, Literal(m.feed)))
        if m.at:
            graph.add((node, DCTERMS.date, rdf.time(m.at)))
        graph.add((uri, DQV.hasQualityMeasurement, node))


def _metadata(graph: Sink, dataset: Dataset, uri: URIRef) -> None:
    """The points of the description itself by the EU method (DQV); `/quality/{domain}` says how they came about."""
    if dataset.metadata is None:
        return
    node = rdf.term(graph, f"{uri}#metadata-quality", DQV.QualityMeasurement)
    metric = rdf.term(graph, "https://datapolis.example/ns#metadataQuality", DQV.Metric)
    graph.add((metric, SKOS.prefLabel, Literal("metadata quality (MQA of data.europa.eu, of 405 points)", lang="en")))
    graph.add((metric, DQV.expectedDataType, XSD.integer))
    graph.add((node, DQV.isMeasurementOf, metric))
    graph.add((node, DQV.computedOn, uri))
    graph.add((node, DQV.value, Literal(dataset.metadata, datatype=XSD.integer)))
    graph.add((uri, DQV.hasQualityMeasurement, node))


def _distribution(graph: Sink, catalogue: Catalogue, dataset: Dataset, of: URIRef) -> URIRef:
    """The dataset over the NGSI-LD API. What the public may not read has no download address: it is reached by the
    page that says how to get access."""
    uri = URIRef(f"{of}#ngsi-ld")
    about = "Read over the NGSI-LD API. Say your purpose in the header Data-Purpose; a token raises what you may see."
    rdf.describe(graph, uri, DCAT.Distribution, f"{dataset.title} (NGSI-LD)", about, "en")
    entities = f"{catalogue.broker_url}/ngsi-ld/v1/entities?type={quote(dataset.type, safe='')}"
    url = URIRef(entities if dataset.public else f"{catalogue.base_url}/trust/terms/{dataset.domain}")
    graph.add((url, RDF.type, RDFS.Resource))
    graph.add((uri, DCAT.accessURL, url))
    if dataset.public:
        first = URIRef(f"{entities}&limit=1000")
        graph.add((first, RDF.type, RDFS.Resource))
        graph.add((uri, DCAT.downloadURL, first))
    graph.add((uri, DCAT.accessService, _service_uri(catalogue)))
    media = rdf.term(graph, f"{vocabulary.MEDIA_TYPES}application/ld+json", DCTERMS.MediaType)
    graph.add((uri, DCAT.mediaType, media))
    form = rdf.concept(graph, f"{vocabulary.AUTHORITY}file-type/JSON_LD", {"JSON_LD": "JSON-LD"})
    graph.add((form, RDF.type, DCTERMS.MediaTypeOrExtent))
    graph.add((uri, DCTERMS["format"], form))
    there = f"{vocabulary.AUTHORITY}planned-availability/AVAILABLE"
    graph.add((uri, DCATAP.availability, rdf.concept(graph, there, {"AVAILABLE": "available"})))
    graph.add((uri, DCTERMS.issued, rdf.time(dataset.issued)))
    graph.add((uri, DCTERMS.modified, rdf.time(dataset.modified)))
    graph.add((uri, DCTERMS.rights, rdf.rights(graph, of, catalogue, dataset)))
    graph.add((uri, ODRL2.hasPolicy, _offer(graph, catalogue, dataset, of)))
    if dataset.size is not None:
        graph.add((uri, DCAT.byteSize, Literal(dataset.size, datatype=XSD.nonNegativeInteger)))
    if dataset.licence:
        graph.add((uri, DCTERMS.license, rdf.licence(graph, dataset.licence)))
    return uri


def _offer(graph: Sink, catalogue: Catalogue, dataset: Dataset, of: URIRef) -> URIRef:
    """The terms under which the dataset is offered: reading it, for the purposes the domain names."""
    uri = URIRef(f"{of}#offer")
    graph.add((uri, RDF.type, ODRL2.Policy))
    graph.add((uri, RDF.type, ODRL2.Offer))
    graph.add((uri, ODRL2.uid, uri))
    graph.add((uri, RDFS.seeAlso, URIRef(f"{catalogue.base_url}/trust/terms/{dataset.domain}")))
    permission = rdf.term(graph, f"{of}#permission", ODRL2.Permission)
    graph.add((uri, ODRL2.permission, permission))
    graph.add((permission, ODRL2.target, of))
    graph.add((permission, ODRL2.assigner, rdf.agent(graph, dataset.publisher)))
    graph.add((permission, ODRL2.action, ODRL2.read))
    purposes = [_purpose(graph, of, n, purpose) for n, purpose in enumerate(dataset.purposes, 1)]
    if len(purposes) == 1:
        graph.add((permission, ODRL2.constraint, purposes[0]))
    elif purposes:
        either = rdf.term(graph, f"{of}#purposes", ODRL2.LogicalConstraint)
        graph.add((permission, ODRL2.constraint, either))
        for purpose in purposes:
            graph.add((either, ODRL2["or"], purpose))
    return uri


def _purpose(graph: Sink, of: URIRef, number: int, purpose: str) -> URIRef:
    node = rdf.term(graph, f"{of}#purpose-{number}", ODRL2.Constraint)
    graph.add((node, ODRL2.leftOperand, ODRL2.purpose))
    graph.add((node, ODRL2.operator, ODRL2.isA))
    graph.add((node, ODRL2.rightOperand, URIRef(purpose)))
    return node
