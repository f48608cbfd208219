"""HTTP polling against a real server: conditional requests, bounds, refusals, egress."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from broker.core.egress import permitted
from connectors.errors import FeedError
from connectors.feed import HttpSource
from connectors.sources.http import HttpPoll, Unreachable

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Sink:
    """A server whose answer a test sets; it remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        self.body = b"one"
        self.status = 200
        self.delay_s = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        await asyncio.sleep(self.delay_s)
        if self.status in {301, 302}:
            return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:1/"})
        tag = f'"{hash(self.body)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(status=self.status, body=self.body, headers={"ETag": tag})


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    app = web.Application()
    app.router.add_get("/feed.bin", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/feed.bin"
    yield made
    await runner.cleanup()


def _poll(url: str, **members: Any) -> HttpPoll:
    return HttpPoll(HttpSource.model_validate({"kind": "http", "url": url, "every": 0.2, **members}), LOOPBACK)


async def _next(poll: HttpPoll, place: dict[str, Any]) -> bytes:
    payloads = poll.payloads(place)
    payload = await anext(payloads)
    place.update(payload.after(0, done=True))
    await payloads.aclose()
    return payload.stream.read()


async def test_unchanged_answers_are_not_taken_again(sink: Sink) -> None:
    place: dict[str, Any] = {}
    assert await _next(_poll(sink.url), place) == b"one"
    waiting = asyncio.create_task(_next(_poll(sink.url), place))
    await asyncio.sleep(0.6)
    assert not waiting.done()
    assert sink.asked[1]["If-None-Match"] == place["etag"]
    sink.body = b"two"
    assert await waiting == b"two"


@pytest.mark.parametrize(
    ("status", "members", "said"),
    [
        (500, {}, "answered 500"),
        (302, {}, "answered 302 to http://127.0.0.1:1/"),
        (200, {"max_bytes": 2}, "exceeds source.max_bytes 2"),
    ],
)
async def test_bad_answers_are_told(sink: Sink, status: int, members: dict[str, Any], said: str) -> None:
    sink.status = status
    with pytest.raises(Unreachable, match=said):
        await _next(_poll(sink.url, **members), {})


async def test_slow_answers_time_out(sink: Sink) -> None:
    sink.delay_s = 2
    with pytest.raises(Unreachable, match="TimeoutError"):
        await _next(_poll(sink.url, timeout="100ms"), {})


async def test_private_addresses_are_refused(sink: Sink) -> None:
    with pytest.raises(FeedError, match="DATAPOLIS_EGRESS_ALLOW"):
        HttpPoll(HttpSource(kind="http", url=sink.url), ())
    by_name = HttpPoll(HttpSource(kind="http", url=sink.url.replace("127.0.0.1", "localhost")), ())
    with pytest.raises(Unreachable, match="DATAPOLIS_EGRESS_ALLOW"):
        await _next(by_name, {})
    assert sink.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
def test_what_is_not_public(address: str) -> None:
    assert not permitted(address, ())


def test_what_is_admitted() -> None:
    assert permitted("127.0.0.1", LOOPBACK)
    assert permitted("::ffff:127.0.0.1", LOOPBACK)
    assert permitted("93.184.216.34", ())
