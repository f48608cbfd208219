"""Metadata quality by the EU method (MQA of data.europa.eu): 405 points in five dimensions, per dataset.

The method scores what a portal publishes: properties that are there, terms that come from the vocabularies, addresses
that answer, and conformance with DCAT-AP. `score` is pure; `measure` reads a catalog over HTTP as an anonymous client
would, page by page, and asks every address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from rdflib import DCAT, DCTERMS, RDF, Graph, URIRef
from rdflib.term import Node
from starlette.concurrency import run_in_threadpool

from catalog.check import check
from catalog.document import DocumentError, parse
from catalog.rdf import HYDRA
from catalog.vocabulary import ACCESS_RIGHTS, AUTHORITY, MEDIA_TYPES

__all__ = ["DIMENSIONS", "POINTS", "Score", "measure", "rating", "score", "score_page"]

POINTS: Final[dict[str, tuple[str, int]]] = {
    "keyword": ("findability", 30),
    "theme": ("findability", 30),
    "spatial": ("findability", 20),
    "temporal": ("findability", 20),
    "access_url_status": ("accessibility", 50),
    "download_url": ("accessibility", 20),
    "download_url_status": ("accessibility", 30),
    "format": ("interoperability", 20),
    "media_type": ("interoperability", 10),
    "format_media_type_vocabulary": ("interoperability", 10),
    "non_proprietary": ("interoperability", 20),
    "machine_readable": ("interoperability", 20),
    "dcat_ap": ("interoperability", 30),
    "licence": ("reusability", 20),
    "licence_vocabulary": ("reusability", 10),
    "access_rights": ("reusability", 10),
    "access_rights_vocabulary": ("reusability", 5),
    "contact_point": ("reusability", 20),
    "publisher": ("reusability", 10),
    "rights": ("contextuality", 5),
    "byte_size": ("contextuality", 5),
    "issued": ("contextuality", 5),
    "modified": ("contextuality", 5),
}
"""Every indicator with its dimension and points, as published."""

DIMENSIONS: Final = ("findability", "accessibility", "interoperability", "reusability", "contextuality")

_FORMATS: Final = f"{AUTHORITY}file-type/"
_LICENCES: Final = f"{AUTHORITY}licence/"
_RIGHTS: Final = f"{AUTHORITY}access-right/"
_OPEN: Final = frozenset({
    "ATOM", "BMP", "CSV", "DBF", "DCR", "GEOJSON", "GIF", "GML", "GZIP", "HTML", "ICS", "JPEG", "JPEG2000",
    "JSON", "JSON_LD", "KML", "KMZ", "LAS", "LAZ", "METS", "METS_ZIP", "N3", "NETCDF", "ODS", "ODT", "OWL",
    "PDFA1A", "PDFA1B", "PDFX", "PNG", "RDF", "RDFA", "RDF_N_QUADS", "RDF_N_TRIPLES", "RDF_TRIG", "RDF_TURTLE",
    "RDF_XML", "RSS", "RTF", "SCHEMA_XML", "SKOS_XML", "SPARQLQ", "SPARQLQRES", "TAR", "TEX", "TIFF", "TMX",
    "TSV", "TXT", "WARC", "WFS_SRVC", "WMS_SRVC", "XHTML", "XML", "XSLFO", "XSLT",
})  # fmt: skip
_READABLE: Final = frozenset({
    "CSV", "DBF", "GEOJSON", "GML", "JSON", "JSON_LD", "KML", "KMZ", "N3", "NETCDF", "ODS", "OWL", "RDF", "RDFA",
    "RDF_N_QUADS", "RDF_N_TRIPLES", "RDF_TRIG", "RDF_TURTLE", "RDF_XML", "RSS", "SHP", "SPARQLQRES", "TSV", "XLS",
    "XLSX", "XML",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """The indicators that a dataset fulfils, and the points that they give."""

    dataset: str
    fulfilled: frozenset[str]

    @property
    def total(self) -> int:
        """Of 405."""
        return sum(POINTS[name][1] for name in self.fulfilled)

    def dimension(self, name: str) -> int:
        """The points of one dimension."""
        return sum(points for of, points in (POINTS[each] for each in self.fulfilled) if of == name)

    @property
    def lost(self) -> dict[str, int]:
        """The points that are missing, by indicator."""
        return {name: points for name, (_, points) in POINTS.items() if name not in self.fulfilled}


def rating(total: int) -> str:
    """The published word for a number of points."""
    words = ((351, "excellent"), (221, "good"), (121, "sufficient"), (0, "bad"))
    return next(word for least, word in words if total >= least)


def score(graph: Graph, dataset: Node, answers: Mapping[str, int], conforms: bool) -> Score:
    """Score a dataset; `answers` are the status codes of the addresses that were asked.

    Several distributions are scored as the method scores them: an indicator counts where the best of them fulfils it.
    """
    parts = list(graph.objects(dataset, DCAT.distribution))
    on_dataset = {
        "keyword": DCAT.keyword,
        "theme": DCAT.theme,
        "spatial": DCTERMS.spatial,
        "temporal": DCTERMS.temporal,
        "access_rights": DCTERMS.accessRights,
        "contact_point": DCAT.contactPoint,
        "publisher": DCTERMS.publisher,
    }
    on_part = {
        "download_url": DCAT.downloadURL,
        "format": DCTERMS["format"],
        "media_type": DCAT.mediaType,
        "licence": DCTERMS.license,
        "rights": DCTERMS.rights,
        "byte_size": DCAT.byteSize,
    }
    found = {name for name, p in on_dataset.items() if (dataset, p, None) in graph}
    found |= {name for name, p in on_part.items() if any((part, p, None) in graph for part in parts)}
    for name, p in (("issued", DCTERMS.issued), ("modified", DCTERMS.modified)):
        if any((node, p, None) in graph for node in (dataset, *parts)):
            found.add(name)
    found |= {name for part in parts for name in _of_distribution(graph, part, answers)}
    rights = {str(o) for o in graph.objects(dataset, DCTERMS.accessRights)}
    if any(r.startswith(_RIGHTS) and r.removeprefix(_RIGHTS) in ACCESS_RIGHTS for r in rights):
        found.add("access_rights_vocabulary")
    if conforms:
        found.add("dcat_ap")
    return Score(str(dataset), frozenset(found))


def _of_distribution(graph: Graph, part: Node, answers: Mapping[str, int]) -> Iterable[str]:
    def values(predicate: Node) -> list[str]:
        return [str(o) for o in graph.objects(part, predicate)]

    def answers_well(url: str) -> bool:
        return 200 <= answers.get(url, 0) < 400

    if any(map(answers_well, values(DCAT.accessURL))):
        yield "access_url_status"
    if any(map(answers_well, values(DCAT.downloadURL))):
        yield "download_url_status"
    formats = [f.removeprefix(_FORMATS) for f in values(DCTERMS["format"]) if f.startswith(_FORMATS)]
    if formats and any(m.startswith(MEDIA_TYPES) for m in values(DCAT.mediaType)):
        yield "format_media_type_vocabulary"
    if any(f in _OPEN for f in formats):
        yield "non_proprietary"
    if any(f in _READABLE for f in formats):
        yield "machine_readable"
    if any(v.startswith(_LICENCES) for v in values(DCTERMS.license)):
        yield "licence_vocabulary"


async def measure(http: aiohttp.ClientSession, url: str, parallel: int = 8) -> list[Score]:
    """Score every dataset of the catalog at `url`. Raises DocumentError where it cannot be read."""
    found: list[Score] = []
    following: str | None = url
    while following:
        scores, following = await score_page(http, following, parallel)
        found += scores
    return found


async def score_page(http: aiohttp.ClientSession, url: str, parallel: int = 8) -> tuple[list[Score], str | None]:
    """Score the datasets of one page of a catalog; where the next page is. Raises DocumentError."""
    gate = asyncio.Semaphore(parallel)
    graph = await _fetch(http, url)
    datasets = sorted(graph.subjects(RDF.type, DCAT.Dataset), key=str)
    addresses = {str(o) for p in (DCAT.accessURL, DCAT.downloadURL) for o in graph.objects(None, p)}
    codes = await asyncio.gather(*(_status(http, gate, address) for address in addresses))
    answers = dict(zip(addresses, codes, strict=True))
    report = await run_in_threadpool(check, graph)
    base = url.partition("?")[0]
    wrong = [f.focus for f in report.violations]
    found = []
    for dataset in datasets:
        own = any(f == str(dataset) or f.startswith(f"{dataset}#") or not f.startswith(base) for f in wrong)
        found.append(score(graph, dataset, answers, not own))
    view = next(graph.subjects(RDF.type, HYDRA.PartialCollectionView), None)
    after = graph.value(view, HYDRA.next) if view is not None else None
    return found, str(after) if isinstance(after, URIRef) else None


async def _fetch(http: aiohttp.ClientSession, url: str) -> Graph:
    try:
        async with http.get(url, headers={"Accept": "text/turtle"}) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DocumentError(f"{url}: {type(error).__name__}: {error}") from error
    if answer.status != 200:
        raise DocumentError(f"{url}: answered {answer.status}; a catalog was asked for")
    return await run_in_threadpool(parse, body, "turtle", url)


async def _status(http: aiohttp.ClientSession, gate: asyncio.Semaphore, url: str) -> int:
    """How an address answers to HEAD, or to GET where it does not know HEAD; 0 where nothing answers."""
    async with gate:
        for method in ("HEAD", "GET"):
            try:
                async with http.request(method, url, allow_redirects=True) as answer:
                    if answer.status not in (404, 405, 501) or method == "GET":
                        return answer.status
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                return 0
    return 0
