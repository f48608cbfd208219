"""Metadata quality at a running catalog: scored over HTTP by the assessor, kept with history, shown in every form."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdflib import DCAT, RDF, Graph, URIRef

from catalog.check import check
from catalog.document import parse
from catalog.rdf import DQV
from tests.catalog.breaking import declared_without, without_agreement
from tests.catalog.conftest import City, assessing
from tests.catalog.harvesting import ask

METRIC = URIRef("https://datapolis.example/ns#metadataQuality")
DIMENSIONS = {"findability": 100, "accessibility": 100, "interoperability": 110, "reusability": 75, "contextuality": 20}


def _scored(city: City, domain: str, condition: Callable[[list[dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
    end = time.monotonic() + 60
    while not condition(found := city.get(f"/quality/{domain}")["metadata"]):
        assert time.monotonic() < end, found
        time.sleep(0.3)
    return {each["dataset"]: each for each in found}


def test_scores_are_kept_shown_and_follow_what_is_published(governed: City) -> None:
    """Public datasets have at least 380 of 405 points, restricted ones at least 351; a licence taken away costs 30."""
    governed.in_good_order()
    settings = {"DATAPOLIS_ASSESS_INTERVAL_S": "1", "DATAPOLIS_SCORE_INTERVAL_S": "1"}
    with assessing(governed, **settings):
        bus = _scored(governed, "mobility", lambda m: bool(m) and m[0]["value"] == 405)["mobility/Vehicle"]
        assert (bus["of"], bus["rating"], bus["lost"], bus["dimensions"]) == (405, "excellent", {}, DIMENSIONS)
        air = _scored(governed, "environment", lambda m: len(m) == 3)
        assert {name: each["value"] >= 380 for name, each in air.items()} == dict.fromkeys(air, True)
        with without_agreement(governed, "urn:datapolis:agreement:public-requests"):
            (restricted,) = _scored(governed, "requests", lambda m: bool(m) and m[0]["value"] < 405).values()
        assert restricted["value"] == 355  # what may be read under agreement alone has no address to load it from
        assert set(restricted["lost"]) == {"download_url", "download_url_status"}
        with declared_without(governed, "licence"):
            lower = _scored(governed, "mobility", lambda m: m[0]["value"] < 405)["mobility/Vehicle"]
        assert lower["lost"] == {"licence": 20, "licence_vocabulary": 10}
        assert [p["value"] for p in lower["points"]][-2:] == [405, 375]
        again = _scored(governed, "mobility", lambda m: m[0]["value"] == 405)["mobility/Vehicle"]
        assert [p["value"] for p in again["points"]][-3:] == [405, 375, 405]
        time.sleep(0.6)  # the catalog's readers share one reading for half a second
        _in_the_catalog(governed)
        shown = ask(f"{governed.catalog}/domains/mobility", "text/html").body.decode()
        assert "Metadata: 405 of 405 points, excellent" in shown
        assert ">375<" in shown
        spanish = ask(f"{governed.catalog}/es/domains/mobility", "text/html").body.decode()
        assert "Metadatos: 405 de 405 puntos, excelente" in spanish


def _in_the_catalog(city: City) -> None:
    """Each dataset carries its points (DQV), and the catalog still conforms."""
    graph: Graph = parse(ask(f"{city.catalog}/catalog", "text/turtle").body, "turtle", city.catalog)
    points = {
        str(d).partition("/datasets/")[2]: int(str(graph.value(m, DQV.value)))
        for d in graph.subjects(RDF.type, DCAT.Dataset)
        for m in graph.objects(d, DQV.hasQualityMeasurement)
        if (m, DQV.isMeasurementOf, METRIC) in graph
    }
    assert len(points) == 5
    assert points["mobility/Vehicle"] == 405
    assert min(points.values()) >= 351
    assert check(graph).violations == ()
