"""Counters of the HTTP door. Requests count in plain integers and are handed to Prometheus once a second."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts

from prometheus_client import Counter, Histogram

__all__ = ["COUNTS", "SECONDS", "count", "flush", "flush_every_second"]

_REQUESTS = Counter(
    "datapolis_requests_total", "Requests by method, status and path through the broker", ["method", "status", "way"]
)
SECONDS = Histogram(
    "datapolis_request_seconds",
    "Time to the end of an answer, of requests that took the ordinary way",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
COUNTS: Counts[tuple[str, int, str]] = Counts()


def count(method: str, status: int, way: str) -> None:
    """Count one request; `way` is hot or route."""
    COUNTS[method, status, way] += 1


def flush() -> None:
    """Hand the counts to Prometheus."""
    for (method, status, way), number in list(COUNTS.items()):
        _REQUESTS.labels(method, str(status), way).inc(number)
        del COUNTS[method, status, way]


async def flush_every_second() -> None:
    """Hand the counts over for as long as the process runs."""
    while True:
        await asyncio.sleep(1)
        flush()
