"""/info/sourceIdentity (CIM 009 V1.9.1, 5.15.1, 6.33)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.http import answers, negotiate, params
from broker.http.deps import enter
from broker.http.negotiate import LD_JSON
from broker.ops import identity
from ontologies import load

__all__ = ["router"]

router = APIRouter(prefix=answers.BASE)
_STARTED = datetime.now(UTC)


@router.get("/info/sourceIdentity")
@router.get("/info/sourceIdentity/", include_in_schema=False)
async def source_identity(request: Request) -> Response:
    """Retrieve the identity of this context source, under this tenant; the time is that of the worker that answers."""
    # SPEC 5.5.10: who a tenant's context source would be says nothing of a tenant; it is told for any name (5.15.1).
    call = await enter(request, "read", any_tenant=True)
    params.parse(request.scope["query_string"], ())
    media = negotiate.accept(request.headers.get("accept"))
    url, now = call.services.settings.broker_url, datetime.now(UTC)
    body: dict[str, Any] = {
        "id": identity.source_id(url, call.tenant),
        "type": "ContextSourceIdentity",
        "contextSourceAlias": identity.alias(url, call.tenant),
        "contextSourceUptime": identity.duration(now - _STARTED),
        "contextSourceTimeAt": times.shown(times.of(now)),
    }
    prepared = await call.commit("allowed")
    headers = call.headers(prepared.receipt)
    if media == LD_JSON:
        body["@context"] = load.CORE_CONTEXT
    else:
        headers["Link"] = answers.context_header(None)
    return Response(orjson.dumps(body), 200, headers, media_type=media)
