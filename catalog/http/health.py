"""Liveness, readiness and metrics of the process."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from catalog.store.connect import Pool, StoreUnavailable, ping

__all__ = ["router"]

router = APIRouter()


@router.get("/health/live", include_in_schema=False)
async def live() -> Response:
    """The process answers."""
    return Response(orjson.dumps({"status": "ok"}), media_type="application/json")


@router.get("/health/ready", include_in_schema=False)
async def ready(request: Request) -> Response:
    """The database answers too."""
    pool: Pool = request.app.state.pool
    try:
        await ping(pool)
    except StoreUnavailable as error:
        body = {"status": "unavailable", "database": str(error)}
        return Response(orjson.dumps(body), 503, media_type="application/json")
    return Response(orjson.dumps({"status": "ok"}), media_type="application/json")


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """Prometheus text."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
