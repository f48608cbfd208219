"""The SPARQL 1.1 protocol over the catalog: queries alone, by GET or POST, with a limit of time."""

from __future__ import annotations

import time
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from catalog.catalogue import State
from catalog.dataset import Catalogue
from catalog.fragments import Fragments
from catalog.http.lookup import reader_of
from catalog.http.problems import Problem
from catalog.sparql import Engine, QueryError, QueryTimeout
from policies.http.negotiate import choose

__all__ = ["Endpoint", "router"]

router = APIRouter()

_OFFERED: Final = (
    "application/sparql-results+json",
    "application/sparql-results+xml",
    "text/csv",
    "text/tab-separated-values",
    "text/turtle",
    "application/n-triples",
    "application/rdf+xml",
)
_LONGEST: Final = 20_000
_FRESH_S: Final = 30.0


class Endpoint:
    """The engine and the graph that it was given, which is written anew at most every half minute."""

    def __init__(self, timeout_s: float, fragments: Fragments) -> None:
        self.engine, self._fragments = Engine(timeout_s), fragments
        self._turtle = b""
        self._mark: object = None
        self._until = 0.0

    async def graph(self, state: State, catalogue: Catalogue) -> tuple[object, bytes]:
        """The whole catalog as Turtle, and a mark that changes with it."""
        if self._mark is None or (self._mark is not state and self._until <= time.monotonic()):
            whole = (catalogue, catalogue.datasets, "text/turtle", None)
            self._turtle = await run_in_threadpool(self._fragments.write, *whole)
            self._mark, self._until = state, time.monotonic() + _FRESH_S
        return self._mark, self._turtle


@router.get("/sparql")
async def by_get(request: Request, query: str = "") -> Response:
    """A query in the address."""
    return await _run(request, query)


@router.post("/sparql")
async def by_post(request: Request) -> Response:
    """A query as the body or as a form."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/sparql-query":
        text = (await request.body()).decode(errors="replace")
    elif media == "application/x-www-form-urlencoded":
        form = await request.form()
        if "update" in form:
            raise Problem(403, "read-only", "Read only", "The catalog is changed by its city folder, not by SPARQL.")
        text = str(form.get("query") or "")
    else:
        detail = f"Content-Type '{media}' is none of application/sparql-query, application/x-www-form-urlencoded."
        raise Problem(415, "unsupported-media-type", "Unsupported media type", detail)
    return await _run(request, text)


async def _run(request: Request, text: str) -> Response:
    if not text.strip() or len(text) > _LONGEST:
        raise Problem(400, "bad-request", "Bad request", f"query: give one, of at most {_LONGEST} characters.")
    media = choose(request.headers.get("accept"), _OFFERED)
    if media is None:
        raise Problem(406, "not-acceptable", "Not acceptable", f"Offered are {', '.join(_OFFERED)}.")
    reader, endpoint = reader_of(request), request.app.state.sparql
    state = await reader.state()
    mark, turtle = await endpoint.graph(state, reader.catalogue(state))
    try:
        media, body = await endpoint.engine.query(text, media, mark, turtle)
    except QueryError as error:
        raise Problem(400, "bad-query", "Bad query", str(error)) from error
    except QueryTimeout as error:
        raise Problem(503, "query-timeout", "Query timeout", f"{error}; ask for less, or harvest /catalog.") from error
    return Response(body, media_type=media, headers={"Cache-Control": "no-cache", "Vary": "Accept"})
