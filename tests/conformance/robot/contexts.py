"""The server of the @contexts that the suite names."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["ContextServer", "serving"]


class ContextServer(ThreadingHTTPServer):
    """Serves documents by path on a free port of this machine; 404 for anything else."""

    daemon_threads = True

    def __init__(self) -> None:
        self.documents: Mapping[str, str] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ContextServer

    def do_GET(self) -> None:
        text = self.server.documents.get(self.path.partition("?")[0])
        body = (text if text is not None else '{"title": "no such @context"}').encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Type", "application/json" if text is None else "application/ld+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def serving() -> Iterator[ContextServer]:
    """Serve until the block ends; set `documents` when they are known."""
    server = ContextServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
