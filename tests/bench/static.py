"""The bare answer that row 1 is measured against: an ASGI callable that gives the same bytes to everybody."""

from __future__ import annotations

import os

from starlette.types import Receive, Scope, Send

__all__ = ["app"]

_BODY = b"x" * int(os.environ.get("DATAPOLIS_BENCH_BYTES", "1500"))
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
