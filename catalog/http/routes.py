"""The catalog for programs: DCAT-AP by content negotiation, readiness as JSON, the live map's data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from rdflib import Graph
from starlette.concurrency import run_in_threadpool

from catalog import dcat
from catalog.http.lookup import find_dataset, find_view, json_answer, reader_of
from catalog.http.negotiate import choose
from catalog.http.problems import Problem
from catalog.portal import basemap
from catalog.portal.live import LiveMap

__all__ = ["router"]

router = APIRouter()

_FORMS: Final = {"text/turtle": "turtle", "application/ld+json": "json-ld", "application/rdf+xml": "xml"}
_SUFFIXES: Final = {"ttl": "text/turtle", "jsonld": "application/ld+json", "rdf": "application/rdf+xml"}
_HTML: Final = "text/html"
_GEOJSON: Final = "application/geo+json"


def _media(request: Request) -> str:
    media = choose(request.headers.get("accept"), [*_FORMS, _HTML])
    if media is None:
        raise Problem(
            406,
            "not-acceptable",
            "Not acceptable",
            f"Accept '{request.headers.get('accept')}' names none of {', '.join(_FORMS)}, {_HTML}.",
        )
    return media


async def _rdf(request: Request, graph: Graph, media: str) -> Response:
    body, tag = await run_in_threadpool(_written, graph, media)
    headers = {"Vary": "Accept", "ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=f"{media}; charset=utf-8" if media.startswith("text/") else media, headers=headers)


def _written(graph: Graph, media: str) -> tuple[bytes, str]:
    """The graph in a form, and its tag: of its triples, so that every worker gives the same one."""
    triples = "\n".join(sorted(f"{s.n3()} {p.n3()} {o.n3()}" for s, p, o in graph))
    digest = hashlib.sha256(f"{media}\n{triples}".encode()).hexdigest()
    return graph.serialize(format=_FORMS[media], auto_compact=True).encode(), f'"{digest[:32]}"'


def _to_page(path: str) -> Response:
    return Response(status_code=303, headers={"Location": path, "Vary": "Accept"})


@router.get("/catalog")
async def catalog(request: Request) -> Response:
    """The whole catalog; browsers are sent to the portal."""
    media = _media(request)
    if media == _HTML:
        return _to_page("/")
    reader = reader_of(request)
    return await _rdf(request, dcat.catalog_graph(reader.catalogue(await reader.state())), media)


@router.get("/catalog.{suffix}")
async def catalog_file(request: Request, suffix: str) -> Response:
    """The whole catalog in the form that the suffix names, whatever is accepted."""
    if suffix not in _SUFFIXES:
        raise Problem(404, "not-found", "Not found", f"No form '{suffix}'; there are {', '.join(_SUFFIXES)}.")
    reader = reader_of(request)
    return await _rdf(request, dcat.catalog_graph(reader.catalogue(await reader.state())), _SUFFIXES[suffix])


@router.get("/catalog/datasets/{domain}/{slug}")
async def dataset(request: Request, domain: str, slug: str) -> Response:
    """One dataset."""
    media = _media(request)
    reader = reader_of(request)
    state = await reader.state()
    found = find_dataset(state, domain, slug)
    if media == _HTML:
        return _to_page(f"/domains/{domain}#{slug}")
    return await _rdf(request, dcat.dataset_graph(reader.catalogue(state), found), media)


@router.get("/catalog/services/ngsi-ld")
async def service(request: Request) -> Response:
    """The data service behind all datasets."""
    media = _media(request)
    if media == _HTML:
        return _to_page("/")
    reader = reader_of(request)
    return await _rdf(request, dcat.service_graph(reader.catalogue(await reader.state())), media)


@router.get("/live.geojson")
async def live(request: Request, domain: Annotated[str, Query(min_length=1, max_length=100)]) -> Response:
    """What the public may see of a domain now, as GeoJSON, with the receipts of its reading."""
    state = await reader_of(request).state()
    view = find_view(state, domain)
    live_map: LiveMap = request.app.state.live
    body = await live_map.geojson(domain, view.datasets)
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "no-cache"})


@router.get("/live/entity")
async def live_entity(
    request: Request,
    domain: Annotated[str, Query(min_length=1, max_length=100)],
    type: Annotated[str, Query(min_length=1, max_length=300)],
    id: Annotated[str, Query(min_length=1, max_length=2000)],
) -> Response:
    """One entity as the public sees it. `type` is the dataset's path name."""
    found = find_dataset(await reader_of(request).state(), domain, type)
    live_map: LiveMap = request.app.state.live
    entity = await live_map.entity(found, id)
    if entity is None:
        raise Problem(404, "not-found", "Not found", f"The public sees no entity '{id}' of type {type}.")
    return json_answer(entity)


@router.get("/basemap.geojson")
async def land(
    west: Annotated[float, Query(ge=-180, le=180)],
    south: Annotated[float, Query(ge=-90, le=90)],
    east: Annotated[float, Query(ge=-180, le=180)],
    north: Annotated[float, Query(ge=-90, le=90)],
) -> Response:
    """Land in a box, for the map."""
    if west >= east or south >= north:
        raise Problem(400, "bad-request", "Bad request", "west must be below east, and south below north.")
    body = await run_in_threadpool(basemap.land, west, south, east, north)
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "public, max-age=86400"})


@router.get("/city.geojson")
async def city_city_file(request: Request) -> Response:
    """The city's own outline for the map (`map.geojson` in its folder); 204 where it has none."""
    body = await run_in_threadpool(_city_file, request.app.state.settings.city / "map.geojson")
    if body is None:
        return Response(status_code=204)
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "public, max-age=3600"})


@router.get("/context.jsonld")
async def context(request: Request) -> Response:
    """The city's @context, for the Link header of requests to the broker."""
    body = await run_in_threadpool(_city_file, request.app.state.settings.city / "context.jsonld")
    if body is None:
        raise Problem(404, "not-found", "Not found", "The city folder has no context.jsonld.")
    return Response(body, media_type="application/ld+json", headers={"Cache-Control": "public, max-age=300"})


def _city_file(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
