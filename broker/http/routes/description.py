"""/openapi.json: what this API is, for machines and for those who write them. Public, and no data: not audited."""

from __future__ import annotations

from functools import cache

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.http.openapi import document
from broker.http.services import services

__all__ = ["router"]

router = APIRouter()


@router.get("/openapi.json")
async def describe(request: Request) -> Response:
    """Give the OpenAPI 3.1 document."""
    return Response(_text(services(request).settings.broker_url.rstrip("/")), 200, media_type="application/json")


@cache
def _text(server: str) -> bytes:
    return orjson.dumps(document(server), option=orjson.OPT_INDENT_2)
