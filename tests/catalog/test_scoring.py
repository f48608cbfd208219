"""Metadata quality at a running catalog: scored over HTTP by the assessor, kept with history, shown in every form."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from rdflib import DCAT, RDF, Graph, URIRef

from catalog.check import check
from catalog.document import parse
from catalog.rdf import DQV
from tests.catalog.breaking import declared_without, without_agreement
from tests.catalog.conftest import City, assessing
from tests.catalog.harvesting import ask
from tests.fixtures.broker import free_port

METRIC = URIRef("https://datapolis.example/ns#metadataQuality")
DIMENSIONS = {"findability": 100, "accessibility": 100, "interoperability": 110, "reusability": 75, "contextuality": 20}


def _scored(city: City, domain: str, condition: Callable[[list[dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
    end = time.monotonic() + 60
    while not condition(found := city.get(f"/quality/{domain}")["metadata"]):
        assert time.monotonic() < end, found
        time.sleep(0.3)
    return {each["dataset"]: each for each in found}


class _Through(socketserver.BaseRequestHandler):
    """Hands a connection through to the catalog."""

    to: tuple[str, int]

    def handle(self) -> None:
        with socket.create_connection(self.to, timeout=30) as onward:
            back = threading.Thread(target=self._copy, args=(onward, self.request), daemon=True)
            back.start()
            self._copy(self.request, onward)
            back.join(30)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def test_a_catalog_that_starts_after_the_assessor_is_scored_soon(governed: City) -> None:
    """Not only when the next scoring of all is due, here in an hour."""
    governed.in_good_order()
    assert governed.get("/quality/mobility")["metadata"] == []
    address = urlsplit(governed.catalog)
    handler = type("Through", (_Through,), {"to": (address.hostname, address.port)})
    port = free_port()
    settings = {"DATAPOLIS_CATALOG_URL": f"http://127.0.0.1:{port}", "DATAPOLIS_SCORE_INTERVAL_S": "3600"}
    with assessing(governed, **settings):
        time.sleep(3)  # by now it has tried once; where it has not, it finds the catalog there at once
        with socketserver.ThreadingTCPServer(("127.0.0.1", port), handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                _scored(governed, "mobility", bool)
            finally:
                server.shutdown()


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
