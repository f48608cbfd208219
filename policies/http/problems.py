"""Errors of the trust's public side: ProblemDetails (RFC 9457)."""

from __future__ import annotations

from fastapi.responses import JSONResponse

__all__ = ["missing", "problem", "wrong"]

_BASE = "https://datapolis.example/errors/"


def problem(status: int, name: str, title: str, detail: str) -> JSONResponse:
    """Answer with ProblemDetails."""
    body = {"type": _BASE + name, "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


def missing(detail: str) -> JSONResponse:
    """Answer 404."""
    return problem(404, "not-found", "There is no such thing", detail)


def wrong(detail: str) -> JSONResponse:
    """Answer 400."""
    return problem(400, "bad-request", "The request is not valid", detail)
