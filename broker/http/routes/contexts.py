"""/jsonldContexts/{contextId}: the contexts that the broker itself serves (CIM 009 V1.9.1, 5.13.4, 6.30)."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import ResourceNotFound
from broker.http import answers
from broker.http.negotiate import LD_JSON
from broker.http.services import services

__all__ = ["CITY", "router"]

router = APIRouter(prefix=answers.BASE)
CITY = f"{answers.BASE}/jsonldContexts/city"


@router.get("/jsonldContexts/{context_id}")
async def serve(request: Request, context_id: str) -> Response:
    """Serve the city's own @context; it is public, needs no decision and is not audited, as any vocabulary."""
    document = services(request).hosted.get(context_id)
    if document is None:
        raise ResourceNotFound(f"there is no @context {context_id:.80} here")
    return Response(orjson.dumps({"@context": document}), media_type=LD_JSON)
