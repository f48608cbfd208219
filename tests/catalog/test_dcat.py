"""The graph against the official DCAT-AP 3.0.1 shapes, and its content in full where harvesters rely on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rdflib import DCAT, DCTERMS, ODRL2, RDF, XSD, Graph, Literal, URIRef
from rdflib.compare import isomorphic

from catalog import dcat
from catalog.check import check, shapes
from catalog.dataset import DomainFacts
from catalog.document import parse
from catalog.rdf import DCAT3, DQV, GSP, HYDRA, LOCN
from catalog.serialize import FORMS, write
from catalog.vocabulary import AUTHORITY
from tests.catalog.samples import NOW, VEHICLE, catalogue, domain, harvest

BARE = DomainFacts("bare", "Bare", None, "default", ("https://x.example/Thing",), "sensitive")
DATASET = URIRef("http://city.example/catalog/datasets/mobility/Vehicle")


def test_no_violation_of_the_official_shapes() -> None:
    """Full and bare domains alike: 0 violations, over the base shapes, the ranges and the EU vocabularies."""
    graph = dcat.catalog_graph(catalogue(harvest(), harvest(domain=BARE, counts=(), feeds=(), agreements=())))
    report = check(graph)
    assert report.datasets == 3
    assert report.violations == ()
    vocabularies = check(graph, shape_graph=shapes(("dcat-ap-3.0.1/mdr-vocabularies.shape.ttl",)))
    assert vocabularies.violations == ()


def test_one_dataset_alone_conforms_too() -> None:
    """What is served at a dataset's own URI is complete in itself."""
    found = catalogue()
    report = check(dcat.dataset_graph(found, found.datasets[0]))
    assert (report.datasets, report.violations) == (1, ())
    assert check(dcat.service_graph(found)).violations == ()


@pytest.mark.parametrize("missing", [DCTERMS.title, DCTERMS.description])
def test_the_check_sees_what_is_missing(missing: URIRef) -> None:
    """The same graph with a mandatory property taken away does violate the shapes."""
    graph = dcat.catalog_graph(catalogue())
    graph.remove((DATASET, missing, None))
    violations = check(graph).violations
    assert [(v.focus, v.path) for v in violations] == [(str(DATASET), str(missing))]


def test_findings_on_outside_vocabularies_are_left_out() -> None:
    """A flaw of an EU term is not the catalog's; the same flaw of a term of ours is."""
    graph = dcat.catalog_graph(catalogue())
    concept = URIRef("http://www.w3.org/2004/02/skos/core#Concept")
    graph.add((URIRef(f"{AUTHORITY}data-theme/HEAL"), RDF.type, concept))
    assert check(graph).violations == ()
    graph.add((URIRef("http://city.example/terms/health"), RDF.type, concept))
    assert {v.focus for v in check(graph).violations} == {"http://city.example/terms/health"}


def test_what_a_dataset_says() -> None:
    """Rights, theme, frequency, place, period, distribution, offer."""
    graph = dcat.catalog_graph(catalogue())
    assert graph.value(DATASET, DCTERMS.accessRights) == URIRef(f"{AUTHORITY}access-right/PUBLIC")
    assert graph.value(DATASET, DCAT.theme) == URIRef(f"{AUTHORITY}data-theme/TRAN")
    assert graph.value(DATASET, DCTERMS.accrualPeriodicity) == URIRef(f"{AUTHORITY}frequency/UPDATE_CONT")
    assert graph.value(DATASET, DCTERMS.publisher) == URIRef("urn:party:mobility-dept")
    place = graph.value(DATASET, DCTERMS.spatial)
    bbox = graph.value(place, DCAT.bbox)
    assert str(bbox) == "POLYGON((-122.4 47.6, -122.3 47.6, -122.3 47.7, -122.4 47.7, -122.4 47.6))"
    period = graph.value(DATASET, DCTERMS.temporal)
    assert graph.value(period, DCAT.startDate) == Literal("2026-11-22T11:59:55+00:00", datatype=XSD.dateTime)
    distribution = graph.value(DATASET, DCAT.distribution)
    assert graph.value(distribution, DCAT.accessURL) == URIRef(
        "http://broker.example/ngsi-ld/v1/entities?type="
        "https%3A%2F%2Fsmartdatamodels.org%2FdataModel.Transportation%2FVehicle"
    )
    assert graph.value(distribution, DCTERMS.license) == URIRef(f"{AUTHORITY}licence/CC_BY_4_0")
    assert graph.value(distribution, DCTERMS["format"]) == URIRef(f"{AUTHORITY}file-type/JSON_LD")
    offer = graph.value(distribution, ODRL2.hasPolicy)
    permission = graph.value(offer, ODRL2.permission)
    assert graph.value(permission, ODRL2.target) == DATASET
    purposes = {graph.value(c, ODRL2.rightOperand) for c in graph.subjects(RDF.type, ODRL2.Constraint)}
    assert purposes == {
        URIRef("https://w3id.org/dpv#ServiceProvision"),
        URIRef("https://w3id.org/dpv#PublicBenefit"),
    }


def test_a_page_links_to_the_next() -> None:
    """Hydra in both vocabularies that harvesters know; the page conforms like the whole."""
    found = catalogue()
    page = dcat.Page(found.datasets[:1], 2, "http://c/catalog?limit=1", "http://c/catalog", "http://c/catalog?after=x")
    graph = dcat.page_graph(found, page)
    assert check(graph).violations == ()
    view = URIRef("http://c/catalog?limit=1")
    kinds = {HYDRA.PartialCollectionView, HYDRA.PagedCollection}
    assert set(graph.objects(view, RDF.type)) == kinds
    assert graph.value(view, HYDRA.next) == graph.value(view, HYDRA.nextPage) == URIRef("http://c/catalog?after=x")
    assert graph.value(view, HYDRA.totalItems) == Literal(2)
    assert len(list(graph.subjects(RDF.type, DCAT.Dataset))) == 1


def test_series_quality_and_place() -> None:
    """A domain is a series; measured quality is DQV; a place has its geometry and system (GeoDCAT-AP)."""
    found = catalogue()
    graph = dcat.catalog_graph(found)
    series = URIRef("http://city.example/catalog/series/mobility")
    assert set(graph.subjects(DCAT3.inSeries, series)) == {
        DATASET,
        URIRef(str(DATASET).replace("Vehicle", "WeatherObserved")),
    }
    assert graph.value(series, RDF.type) == DCAT3.DatasetSeries
    measured = {
        (str(graph.value(m, DCTERMS.source)), str(graph.value(m, DQV.isMeasurementOf)).rpartition("#")[2]): float(
            str(graph.value(m, DQV.value))
        )
        for m in graph.objects(DATASET, DQV.hasQualityMeasurement)
    }
    assert measured == {("buses", "completeness"): 0.982, ("buses", "validity"): 0.995}
    place = graph.value(DATASET, DCTERMS.spatial)
    shape = graph.value(place, LOCN.geometry)
    assert str(graph.value(shape, GSP.asWKT)).startswith("POLYGON((-122.4 47.6")
    assert URIRef("http://www.opengis.net/def/crs/OGC/1.3/CRS84") in set(graph.objects(DATASET, DCTERMS.conformsTo))
    assert check(dcat.series_graph(found, found.datasets)).violations == ()


def test_what_the_public_may_not_read_is_reached_by_its_terms() -> None:
    """No download address, and an access address that answers anybody."""
    graph = dcat.catalog_graph(catalogue(harvest(agreements=())))
    part = graph.value(DATASET, DCAT.distribution)
    assert graph.value(part, DCAT.accessURL) == URIRef("http://city.example/trust/terms/mobility")
    assert graph.value(part, DCAT.downloadURL) is None


def test_open_data_that_the_public_may_not_read_is_called_restricted() -> None:
    """Access rights follow the agreements, not the label."""
    graph = dcat.catalog_graph(catalogue(harvest(agreements=())))
    assert graph.value(DATASET, DCTERMS.accessRights) == URIRef(f"{AUTHORITY}access-right/RESTRICTED")


@pytest.mark.parametrize("media", sorted(FORMS))
def test_all_forms_say_the_same(media: str) -> None:
    """Written and read back, the graph is the same; and the same graph gives the same bytes."""
    nasty = 'A "quoted"\n</dct:title>\t<b>text</b> & \\ ünï€'
    graph = dcat.catalog_graph(catalogue(harvest(domain=domain(title=nasty))))
    text = write(graph, media)
    form = {"text/turtle": "turtle", "application/ld+json": "json-ld", "application/rdf+xml": "xml"}[media]
    assert isomorphic(graph, parse(text, form, "http://city.example/catalog"))
    assert write(dcat.catalog_graph(catalogue(harvest(domain=domain(title=nasty)))), media) == text


def test_texts_cannot_break_out() -> None:
    """Quotes, line breaks and markup in a city's texts stay text."""
    nasty = 'A "quoted"\n</dct:title> <b>text</b> \\ '
    graph = dcat.catalog_graph(catalogue(harvest(domain=domain(title=nasty))))
    again = Graph().parse(data=write(graph, "text/turtle"), format="turtle")
    assert again.value(DATASET, DCTERMS.title) == Literal(f"{nasty}: Vehicle", lang="en")


def test_dates_and_identifiers_are_stable() -> None:
    """The same round gives the same triples, so harvesters see no change where there is none."""
    one, two = dcat.catalog_graph(catalogue()), dcat.catalog_graph(catalogue())
    assert isomorphic(one, two)
    found = catalogue()
    moved = replace(found, datasets=tuple(replace(d, modified=NOW.replace(year=2027)) for d in found.datasets))
    assert not isomorphic(one, dcat.catalog_graph(moved))
    assert VEHICLE in {d.type for d in found.datasets}
