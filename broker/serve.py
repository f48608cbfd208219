"""The HTTP server: granian with N workers, and one admin port with health and metrics of all of them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import tempfile
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlette.types import ASGIApp

from broker.settings import BrokerSettings
from policies.logs import configure_logs

__all__ = ["calm_collector", "make_app", "serve"]

_STOP = (signal.SIGTERM, signal.SIGINT)


def make_app() -> ASGIApp:
    """Make the application of one worker process from the environment; granian calls this in each."""
    from broker.app import create_app
    from policies import PolicySettings

    settings = BrokerSettings()
    configure_logs(settings.log_level)
    app = create_app(settings, PolicySettings(), _hear_signals_soon)
    calm_collector()
    return app


def _hear_signals() -> None:
    """Take the signals to stop from now on, and those that have come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)


def _hear_signals_soon() -> None:
    """Take them when the server runs, which it does once this start is over; it forgets what came before."""
    asyncio.get_running_loop().call_later(0.1, _hear_signals)


def calm_collector() -> None:
    """Let the garbage collector leave the loaded code alone and look at the rest less often.

    A batch makes a hundred thousand containers that all live until it is stored; at the default thresholds the
    collector walks them over and over and takes half of the batch's time. Reference counting frees what requests leave.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def serve(settings: BrokerSettings) -> None:
    """Serve until a signal says stop; open requests then have `drain_s` to end."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    _hold_signals_back()
    with tempfile.TemporaryDirectory(prefix="datapolis-metrics-") as folder:
        # Workers inherit it and share their counters there; it must be set before prometheus_client is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        admin = _admin(settings)
        try:
            Granian(
                "broker.serve:make_app",
                factory=True,
                address=settings.broker_host,
                port=settings.broker_port,
                interface=Interfaces.ASGI,
                loop=Loops.uvloop,
                workers=settings.broker_workers,
                backlog=4096,
                respawn_failed_workers=True,
                workers_kill_timeout=int(max(1, settings.drain_s)),
                log_access=False,
            ).serve()
        finally:
            admin.shutdown()


def _hold_signals_back() -> None:
    """Have a new worker keep a signal to stop until it can act on it: one that comes as it starts would be lost."""
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP),
        after_in_parent=_hear_signals,
    )


def _admin(settings: BrokerSettings) -> ThreadingHTTPServer:
    """Serve /health/live, /health/ready and /metrics of the whole server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/health/live":
                self._answer(200, b'{"status":"live"}', "application/json")
            elif self.path == "/health/ready":
                self._answer(*_ready(settings), "application/json")
            elif self.path == "/metrics":
                self._answer(200, *_metrics())
            else:
                self._answer(404, b'{"status":"no such resource"}', "application/json")

        def _answer(self, status: int, body: bytes, media: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet: probes are no news."""

    server = ThreadingHTTPServer((settings.broker_host, settings.admin_port), Handler)
    threading.Thread(target=server.serve_forever, name="admin", daemon=True).start()
    return server


def _ready(settings: BrokerSettings) -> tuple[int, bytes]:
    connection = HTTPConnection(settings.broker_host, settings.broker_port, timeout=3)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return answer.status, answer.read(10_000)
    except (OSError, HTTPException):
        return 503, b'{"status":"no worker answers"}'
    finally:
        connection.close()


def _metrics() -> tuple[bytes, str]:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library types it not
    return generate_latest(registry), CONTENT_TYPE_LATEST
