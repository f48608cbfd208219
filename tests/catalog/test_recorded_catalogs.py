"""Catalogs of real portals: each parses, and the report on each says what it is known to say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rdflib import Graph

from catalog import dcat
from catalog.check import check
from catalog.document import read_document
from docker.local.environment import data_folder
from tests.catalog.samples import catalogue

FOLDER = (data_folder() or Path("/nowhere")) / "semantics"
needs_data = pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder of recorded data (DATAPOLIS_DATA)")

# file: triples, datasets, violations of DCAT-AP 3.0.1
KNOWN = {
    "ckan/catalog_pod.jsonld": (61, 1, 35),
    "ckan/dataset_deri.ttl": (17, 1, 5),
    "ckan/dataset_gob_es.ttl": (30, 1, 7),
    "ckan/dataset_multilingual.ttl": (68, 1, 14),
    "ckan/dataset_sweden.rdf": (59, 1, 19),
    "csw/geonetwork-dcat-page-1.xml": (142, 2, 38),
    "data-norge/harvest_response_3.ttl": (139, 2, 28),
    "dcat-ap-examples/example-ms_catalogue_hvd.ttl": (46, 1, 14),
    "dxwg/csiro-dap-examples.ttl": (410, 9, 96),
    "dxwg/genoa-busstop.ttl": (36, 1, 2),
    "govdata-de/catalog-endpoint.rdf": (391, 6, 129),
    "opendata-swiss/catalog.xml": (126, 2, 67),
    "udata/bnodes.xml": (143, 3, 46),
    "udata/catalog.xml": (163, 4, 59),
    "udata/datara--5a26b0f6-0ccf-46ad-ac58-734054b91977.rdf.xml": (158, 1, 11),
    "udata/paged-collection-1.jsonld": (79, 3, 27),
    "udata/paged-collection-2.jsonld": (41, 1, 20),
    "udata/sig.oreme.rdf": (45, 1, 22),
    "udata/udata.xml": (134, 2, 46),
}


@needs_data
def test_every_recorded_catalog_is_known() -> None:
    """None is left out."""
    found = {str(p.relative_to(FOLDER / "catalogs")) for p in (FOLDER / "catalogs").rglob("*") if p.is_file()}
    assert found == set(KNOWN)


@needs_data
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_it_parses_and_is_reported_on(name: str) -> None:
    """Triples, datasets and violations, counted."""
    graph = asyncio.run(read_document(str(FOLDER / "catalogs" / name), (), 5.0))
    report = check(graph)
    assert (report.triples, report.datasets, len(report.violations)) == KNOWN[name]


@needs_data
def test_our_own_catalog_conforms_to_geodcat_ap() -> None:
    """The official shapes of GeoDCAT-AP 2.0.0 find nothing to object to."""
    shapes = Graph().parse(FOLDER / "shacl" / "geodcat-ap-2.0.0" / "geodcat-ap.shacl.ttl", format="turtle")
    report = check(dcat.catalog_graph(catalogue()), shape_graph=shapes)
    assert report.violations == ()
