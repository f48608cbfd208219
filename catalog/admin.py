"""Health and metrics of the assessor, which serves nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from catalog.store.connect import Pool, StoreUnavailable, ping

__all__ = ["admin"]


@asynccontextmanager
async def admin(host: str, port: int, pool: Pool) -> AsyncIterator[None]:
    """Serve /health/live, /health/ready and /metrics while inside; nothing when the port is 0."""
    if port == 0:
        yield
        return

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        try:
            await ping(pool)
        except StoreUnavailable as error:
            return web.json_response({"status": "unavailable", "database": str(error)}, status=503)
        return web.json_response({"status": "ok"})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    for path, handler in (("/health/live", live), ("/health/ready", ready), ("/metrics", metrics)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
