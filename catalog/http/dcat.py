"""The catalog for programs: DCAT-AP by content negotiation, in pages (Hydra)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from rdflib import Graph
from starlette.concurrency import run_in_threadpool

from catalog import dcat
from catalog.catalogue import Reader, State
from catalog.fragments import Fragments
from catalog.http.lookup import find_dataset, no_domain, page_of, reader_of
from catalog.http.problems import Problem
from catalog.serialize import FORMS, write
from policies.http.negotiate import choose

__all__ = ["router"]

router = APIRouter()

_SUFFIXES: Final = {"ttl": "text/turtle", "jsonld": "application/ld+json", "rdf": "application/rdf+xml"}
_HTML: Final = "text/html"
_JSON_LD: Final = "application/ld+json"
_JSON: Final = "application/json"
"""To who asks for JSON alone, JSON-LD is JSON: its @context stands in the document."""
_OFFERED: Final = (*FORMS, _JSON, _HTML)
_PAGE: Final = 20

Limit = Annotated[int, Query(ge=1, le=100, description="datasets on a page")]
After = Annotated[str, Query(max_length=400, description="id of the last dataset of the page before")]


def _media(request: Request) -> str:
    media = choose(request.headers.get("accept"), _OFFERED)
    if media is None:
        raise Problem(
            406,
            "not-acceptable",
            "Not acceptable",
            f"Accept '{request.headers.get('accept')}' names none of {', '.join(_OFFERED)}.",
        )
    return media


def _form(media: str) -> str:
    """The one of `FORMS` in which an answer of this media type is written."""
    return _JSON_LD if media == _JSON else media


async def _rdf(request: Request, graph: Callable[[], Graph], media: str) -> Response:
    return _answer(request, await run_in_threadpool(lambda: write(graph(), _form(media))), media)


def _answer(request: Request, body: bytes, media: str, links: str = "") -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Vary": "Accept", "ETag": tag, "Cache-Control": "no-cache"} | ({"Link": links} if links else {})
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=f"{media}; charset=utf-8" if media.startswith("text/") else media, headers=headers)


def _to_page(path: str) -> Response:
    return Response(status_code=303, headers={"Location": path, "Vary": "Accept"})


@router.get("/catalog")
async def catalog(request: Request, limit: Limit = _PAGE, after: After = "") -> Response:
    """The catalog, page by page; browsers are sent to the portal."""
    media = _media(request)
    return _to_page("/") if media == _HTML else await _page(request, "/catalog", media, limit, after)


@router.get("/catalog.{suffix}")
async def catalog_file(request: Request, suffix: str, limit: Limit = _PAGE, after: After = "") -> Response:
    """The catalog in the form that the suffix names, whatever is accepted."""
    if suffix not in _SUFFIXES:
        raise Problem(404, "not-found", "Not found", f"No form '{suffix}'; there are {', '.join(_SUFFIXES)}.")
    return await _page(request, f"/catalog.{suffix}", _SUFFIXES[suffix], limit, after)


async def _page(request: Request, path: str, media: str, limit: int, after: str) -> Response:
    """One page. Pages follow the datasets' ids and not their numbers, so a walk meets every dataset once, whatever
    comes and goes behind it."""
    reader = reader_of(request)
    state = await reader.state()
    catalogue = reader.catalogue(state)
    found = state.after(after, limit + 1)
    shown, base = found[:limit], f"{catalogue.base_url}{path}"

    def address(last: str) -> str:
        asked = {"after": last} if last else {}
        return f"{base}?{urlencode(asked | {'limit': str(limit)})}"

    following = address(shown[-1].id) if len(found) > limit else None
    page = dcat.Page(shown, len(state.ordered), address(after), address(""), following)
    whole = not after and following is None
    links = f'<{following}>; rel="next"' if following else ""
    fragments: Fragments = request.app.state.fragments
    body = await run_in_threadpool(fragments.write, catalogue, shown, _form(media), None if whole else page)
    return _answer(request, body, media, links)


@router.get("/catalog/datasets/{domain}/{slug}")
async def dataset(request: Request, domain: str, slug: str) -> Response:
    """One dataset."""
    media = _media(request)
    reader, state = await _read(request)
    found = find_dataset(state, domain, slug)
    if media == _HTML:
        return _to_page(page_of(state, found))
    return await _rdf(request, lambda: dcat.dataset_graph(reader.catalogue(state), found), media)


@router.get("/catalog/series/{domain}")
async def series(request: Request, domain: str) -> Response:
    """All datasets of a domain, as a series."""
    media = _media(request)
    reader, state = await _read(request)
    if domain not in state.datasets:
        raise no_domain(state, domain)
    if media == _HTML:
        return _to_page(f"/domains/{domain}")
    return await _rdf(request, lambda: dcat.series_graph(reader.catalogue(state), state.datasets[domain]), media)


@router.get("/catalog/services/ngsi-ld")
async def service(request: Request) -> Response:
    """The data service behind all datasets."""
    media = _media(request)
    if media == _HTML:
        return _to_page("/")
    reader, state = await _read(request)
    return await _rdf(request, lambda: dcat.service_graph(reader.catalogue(state)), media)


async def _read(request: Request) -> tuple[Reader, State]:
    reader = reader_of(request)
    return reader, await reader.state()
