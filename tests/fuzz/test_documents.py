"""Requests of every kind, tens of thousands of them, side by side: none fails, none is slow, and memory stays."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from yarl import URL

from tests.fixtures.broker import BrokerProcess
from tests.fuzz.requests_made import Made, Requests
from tests.fuzz.watched import GROWTH_MB, LONG, SLOWEST_S, resident_mb, seconds, seed

_PER_EXAMPLE = 64
_EXAMPLES = 100 if LONG else 20
_WANTED = int(os.environ.get("DATAPOLIS_FUZZ_REQUESTS", "190000"))


@dataclass(slots=True)
class _Seen:
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    slow: str = ""


@pytest.mark.timeout(2400)
def test_nothing_fails_is_slow_or_grows(open_broker: BrokerProcess) -> None:
    """Hypothesis draws seeds; each makes a burst of requests that are sent side by side."""
    seen = _Seen()
    drawn, end = seed(), time.monotonic() + seconds(15)
    before: float | None = None
    with asyncio.Runner() as runner:
        http = runner.run(_session())
        round_ = 0
        while time.monotonic() < end or (LONG and seen.statuses.total() < _WANTED):
            _bursts(runner, http, open_broker.url, seen, drawn + round_)
            round_ += 1
            if before is None:
                before = resident_mb(open_broker.process.pid)
        runner.run(http.close())
    grown = resident_mb(open_broker.process.pid) - (before or 0.0)
    print(f"{seen.statuses.total()} requests, {dict(seen.statuses)}, slowest {seen.slowest:.2f} s, {grown:+.0f} MB")
    assert seen.slowest < SLOWEST_S, seen.slow
    assert grown < GROWTH_MB
    # The burst reaches what it aims at: most of it is understood, and all of the ways to answer are met.
    assert {200, 201, 204, 207, 400, 404, 409} <= seen.statuses.keys()


def _bursts(runner: asyncio.Runner, http: aiohttp.ClientSession, url: str, seen: _Seen, number: int) -> None:
    @seeded(number)
    @settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def burst(start: int) -> None:
        requests = Requests(start)
        runner.run(_send(http, url, [requests.next() for _ in range(_PER_EXAMPLE)], seen))

    burst()


async def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=_PER_EXAMPLE)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))


async def _send(http: aiohttp.ClientSession, url: str, requests: list[Made], seen: _Seen) -> None:
    await asyncio.gather(*(_one(http, url, request, seen) for request in requests))


async def _one(http: aiohttp.ClientSession, url: str, request: Made, seen: _Seen) -> None:
    began = time.monotonic()
    async with http.request(
        request.method, URL(url + request.url, encoded=True), data=request.body, headers=request.headers
    ) as answer:
        body = await answer.read()
    took = time.monotonic() - began
    seen.statuses[answer.status] += 1
    if took > seen.slowest:
        seen.slowest, seen.slow = took, repr(request)
    # 504 is an answer too: the @context that the request named cannot be had.
    assert answer.status < 500 or answer.status == 504, f"{answer.status} {body[:500]!r} to {request!r}"
