"""Health: is the process alive, can it serve. Metrics are on the admin port (`broker.serve`)."""

from __future__ import annotations

import asyncio

import asyncpg
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from broker.http.services import services

__all__ = ["router"]

router = APIRouter()


@router.get("/health/live")
async def live() -> Response:
    """Say that the process runs."""
    return JSONResponse({"status": "live"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Say whether requests can be served: the database answers."""
    try:
        async with asyncio.timeout(2), services(request).pool.lend(None) as conn:
            await conn.fetchval("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        return JSONResponse({"status": "not ready", "database": type(error).__name__}, 503)
    return JSONResponse({"status": "ready"})
