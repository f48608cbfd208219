"""Errors out: `application/problem+json` (RFC 9457) for programs, a short page for browsers is the portal's."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from catalog.http.headers import SECURITY
from catalog.portal.render import problem_page
from catalog.store.connect import StoreUnavailable
from policies.http.pages import wants_page

__all__ = ["Problem", "install", "problem"]

_ERRORS = "https://datapolis.example/errors/"
_log = structlog.get_logger("catalog.http")


class Problem(Exception):
    """An answer that says what was wrong, where, and what to do. `kind` is the last part of its type URI."""

    def __init__(self, status: int, kind: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind, self.title, self.detail = status, kind, title, detail


def problem(status: int, kind: str, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The answer for one problem."""
    body = {"type": _ERRORS + kind, "title": title, "status": status, "detail": detail}
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def ours(request: Request, error: Problem) -> Response:
        if wants_page(request):
            return problem_page(request, error.status, error.title, error.detail)
        return problem(error.status, error.kind, error.title, error.detail)

    async def http(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        detail = error.detail if error.detail != phrase else f"{phrase}."
        if wants_page(request):
            return problem_page(request, error.status_code, phrase, detail)
        return problem(error.status_code, phrase.lower().replace(" ", "-"), phrase, detail, _plain(error.headers))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if wants_page(request):
            return problem_page(request, 400, "Bad request", f"{where}: {first['msg']}")
        return problem(400, "bad-request", "Bad request", f"{where}: {first['msg']}")

    async def unavailable(request: Request, error: StoreUnavailable) -> Response:
        _log.error("store_unavailable", path=request.url.path, error=str(error))
        title, detail = "Not available just now", "The catalog's database does not answer; try again in a moment."
        answer = (
            problem_page(request, 503, title, detail)
            if wants_page(request)
            else problem(503, "store-unavailable", title, detail)
        )
        answer.headers["Retry-After"] = "5"
        return answer

    async def unexpected(request: Request, error: Exception) -> Response:
        request_id = str(uuid.uuid4())
        _log.error("request_failed", request_id=request_id, path=request.url.path, exc_info=error)
        detail = f"Something failed here. Name this request to those who run the catalog: {request_id}"
        if wants_page(request) and hasattr(request.app.state, "reader"):
            answer = problem_page(request, 500, "Internal error", detail)
        else:
            answer = problem(500, "internal-error", "Internal error", detail)
        answer.headers.update(SECURITY)  # this answer is made outside all that stands around the others
        return answer

    handlers: list[tuple[type[Exception], Any]] = [
        (Problem, ours),
        (HTTPException, http),
        (RequestValidationError, invalid),
        (StoreUnavailable, unavailable),
        (Exception, unexpected),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def _plain(headers: Any) -> dict[str, str] | None:
    return dict(headers) if headers else None
