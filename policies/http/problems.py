"""Errors of the trust's public side: ProblemDetails (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse

__all__ = ["members", "missing", "problem", "wrong"]

_BASE = "https://datapolis.example/errors/"


def problem(status: int, name: str, title: str, detail: str) -> JSONResponse:
    """Answer with ProblemDetails."""
    return members(status, name, title, detail, {})


def members(status: int, name: str, title: str, detail: str, extra: Mapping[str, object]) -> JSONResponse:
    """Answer with ProblemDetails and members of our own."""
    body = {"type": _BASE + name, "title": title, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, media_type="application/problem+json")


def missing(detail: str) -> JSONResponse:
    """Answer 404."""
    return problem(404, "not-found", "There is no such thing", detail)


def wrong(detail: str) -> JSONResponse:
    """Answer 400."""
    return problem(400, "bad-request", "The request is not valid", detail)
