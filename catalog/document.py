"""Read a catalog from a file or a URL into a graph, whatever RDF form it has."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aiohttp
from rdflib import Graph
from starlette.concurrency import run_in_threadpool

from ontologies import load
from policies.egress import session

__all__ = ["DocumentError", "parse", "read_document"]

_ACCEPT = "text/turtle, application/ld+json, application/rdf+xml;q=0.9"
_BY_MEDIA = {
    "text/turtle": "turtle",
    "application/n-triples": "nt",
    "application/ld+json": "json-ld",
    "application/json": "json-ld",
    "application/rdf+xml": "xml",
    "text/xml": "xml",
    "application/xml": "xml",
}
_BY_SUFFIX = {
    ".ttl": "turtle",
    ".nt": "nt",
    ".jsonld": "json-ld",
    ".json": "json-ld",
    ".rdf": "xml",
    ".xml": "xml",
    ".owl": "xml",
}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}RDF"
_MAX_BYTES = 256 * 1024 * 1024


class DocumentError(Exception):
    """The document cannot be had or read; the text says why and what to do."""


async def read_document(source: str, egress: Sequence[IPv4Network | IPv6Network], timeout_s: float) -> Graph:
    """Read a catalog. Raises DocumentError."""
    if source.startswith(("http://", "https://")):
        data, form = await _fetched(source, egress, timeout_s)
    else:
        data, form = await run_in_threadpool(_file, Path(source))
    try:
        return await run_in_threadpool(parse, data, form, source)
    except Exception as error:  # rdflib's parsers raise whatever their libraries do
        raise DocumentError(f"{source}: cannot be read as {form}: {error}") from error


async def _fetched(url: str, egress: Sequence[IPv4Network | IPv6Network], timeout_s: float) -> tuple[bytes, str]:
    try:
        async with session(egress, timeout_s) as http, http.get(url, headers={"Accept": _ACCEPT}) as answer:
            data = bytearray()
            async for chunk in answer.content.iter_any():
                data += chunk
                if len(data) > _MAX_BYTES:
                    raise DocumentError(f"{url}: over {_MAX_BYTES} bytes; validate it in parts")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        raise DocumentError(f"{url}: {type(error).__name__}: {why}") from error
    form = _BY_MEDIA.get(answer.content_type)
    if answer.status != 200 or form is None:
        raise DocumentError(f"{url}: answered {answer.status} with {answer.content_type}; RDF was asked for")
    return bytes(data), form


def _file(path: Path) -> tuple[bytes, str]:
    form = _BY_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise DocumentError(f"{path}: the name must end with one of {', '.join(_BY_SUFFIX)}")
    try:
        return path.read_bytes(), form
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror or error}") from error


def parse(data: bytes, form: str, source: str) -> Graph:
    """Read a document of one of rdflib's forms; relative references are resolved against its source."""
    base = source if "://" in source else Path(source).resolve().as_uri()
    if form == "xml":
        return _xml(data, base)
    if form != "json-ld":
        return Graph().parse(data=data, format=form, publicID=base)
    document = _with_known_contexts(json.loads(data))
    with warnings.catch_warnings():  # rdflib 7.6's own JSON-LD parser still uses its deprecated ConjunctiveGraph
        warnings.simplefilter("ignore", DeprecationWarning)
        return Graph().parse(data=json.dumps(document), format="json-ld", publicID=base)


def _xml(data: bytes, base: str) -> Graph:
    """RDF/XML, also where it stands inside another document, as in the answers of catalogue services (CSW)."""
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - expat bounds what entities may grow to
    except ElementTree.ParseError:
        return Graph().parse(data=data, format="xml", publicID=base)
    inner = [] if root.tag == _RDF else list(root.iter(_RDF))
    if not inner:
        return Graph().parse(data=data, format="xml", publicID=base)
    graph = Graph()
    for part in inner:
        graph.parse(data=ElementTree.tostring(part), format="xml", publicID=base)
    return graph


def _with_known_contexts(document: Any) -> Any:
    """The document with the @contexts that are built in put in place of their URLs; nothing is fetched for another."""
    if not isinstance(document, dict) or "@context" not in document:
        return document
    given = document["@context"]
    parts = []
    for part in given if isinstance(given, list) else [given]:
        if isinstance(part, str):
            if part not in load.contexts():
                raise DocumentError(f"its @context {part} is not built in, and contexts are not fetched here")
            part = load.context(part)["@context"]
        parts += part if isinstance(part, list) else [part]
    return {**document, "@context": parts}
