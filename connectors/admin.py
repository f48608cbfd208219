"""Health, metrics and status of a running connectors process (loopback unless DATAPOLIS_ADMIN_HOST says else)."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from connectors.run import Supervisor

__all__ = ["admin_app"]


def admin_app(supervisor: Supervisor) -> web.Application:
    """Serve /health/live, /health/ready, /metrics and /status."""
    registry = CollectorRegistry()
    counts = Gauge("datapolis_feed_records", "Records of a feed by outcome", ["feed", "outcome"], registry=registry)
    retries = Gauge("datapolis_feed_retries", "Starts of a feed's loop after a failure", ["feed", "loop"],
                    registry=registry)  # fmt: skip
    up = Gauge("datapolis_feed_running", "1 while a feed runs", ["feed"], registry=registry)

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(request: web.Request) -> web.Response:
        good = supervisor.ready()
        troubles = {name: runner.troubles for name, runner in supervisor.runners.items() if runner.troubles}
        return web.json_response(
            {"status": "ready" if good else "not ready", "troubles": troubles}, status=200 if good else 503
        )

    async def metrics(request: web.Request) -> web.Response:
        for name, runner in supervisor.runners.items():
            for outcome in ("received", "mapped", "rejected", "drifted"):
                counts.labels(name, outcome).set(getattr(runner.counters, outcome))
            for loop in ("fetch", "map"):
                retries.labels(name, loop).set(runner.retries.get(loop, 0))
            up.labels(name).set(runner.status == "running")
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def status(request: web.Request) -> web.Response:
        return web.json_response(
            {
                name: {
                    "status": runner.status,
                    "troubles": runner.troubles,
                    "retries": runner.retries,
                    **runner.counters.state(),
                }
                for name, runner in supervisor.runners.items()
            }
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/health/live", live),
            web.get("/health/ready", ready),
            web.get("/metrics", metrics),
            web.get("/status", status),
        ]
    )
    return app
