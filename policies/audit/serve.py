"""The sealer's process: seals and does the clerk's rounds until SIGTERM, with health and metrics on the admin port."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import web

from policies.audit.seal import Sealer
from policies.clerk.rounds import Clerk

__all__ = ["serve"]


def _admin(sealer: Sealer, clerk: Clerk) -> web.Application:
    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        body = {
            "status": "ready" if sealer.ready else "not ready",
            "sealing": sealer.holds,
            "trouble": sealer.trouble,
            "clerk": clerk.trouble,
        }
        return web.json_response(body, status=200 if sealer.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        text = (
            "# TYPE datapolis_audit_sealed counter\n"
            f"datapolis_audit_sealed {sealer.sealed}\n"
            "# TYPE datapolis_audit_sealing gauge\n"
            f"datapolis_audit_sealing {int(sealer.holds)}\n"
            "# TYPE datapolis_notices_sent counter\n"
            f"datapolis_notices_sent {clerk.sent}\n"
        )
        return web.Response(text=text)

    app = web.Application()
    app.add_routes([web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    return app


async def serve(sealer: Sealer, clerk: Clerk, host: str, port: int | None) -> None:
    """Run the sealer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    runner = web.AppRunner(_admin(sealer, clerk), access_log=None)
    await runner.setup()
    try:
        if port:
            await web.TCPSite(runner, host, port).start()
        await asyncio.gather(sealer.run(stop), clerk.run(stop))
    finally:
        await runner.cleanup()
