"""Calls to receivers: addresses that may not be called, redirects, slow and broken receivers; over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broker.core.egress import ranges
from broker.remote.client import Answer, Client
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

BODY = b'{"id": "urn:x:1", "type": "Notification"}'
HEADERS = {"Content-Type": "application/json"}


@asynccontextmanager
async def client(allowed: str = "", timeout_s: float = 5.0) -> AsyncIterator[Client]:
    made = Client(ranges(allowed), timeout_s=timeout_s)
    try:
        yield made
    finally:
        await made.close()


async def post(uri: str, allowed: str = "", *, timeout_s: float = 5.0, call_s: float | None = None) -> Answer:
    async with client(allowed, timeout_s) as made:
        return await made.post(uri, BODY, HEADERS, call_s)


async def test_an_allowed_receiver_gets_it_whole(sink: Sink) -> None:
    """Body and headers as they were given, once."""
    answer = await post(f"{sink.url}/ok", "127.0.0.0/8")
    assert (answer, answer.ok) == (Answer(200), True)
    [taken] = sink.received
    assert (taken.path, taken.body) == ("/ok", {"id": "urn:x:1", "type": "Notification"})
    assert taken.headers["content-type"] == "application/json"
    assert "cookie" not in taken.headers


@pytest.mark.parametrize("allowed", ["", "10.0.0.0/8", "::1/128", "127.0.0.2/32"])
async def test_a_private_address_is_refused_unless_allowed(sink: Sink, allowed: str) -> None:
    """Nothing reaches the receiver, whether it is called by address or by name; the reason names the setting."""
    port = sink.url.rpartition(":")[2]
    for uri in (f"{sink.url}/ok", f"http://localhost:{port}/ok"):
        answer = await post(uri, allowed)
        assert answer.status is None
        assert not answer.ok
        assert answer.error is not None
        if allowed != "::1/128" or "127." in uri:
            assert "is not a public address and DATAPOLIS_EGRESS_ALLOW does not admit it" in answer.error
    assert sink.received == []
    assert sink.most_under_way == {}


@pytest.mark.parametrize(
    "host",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - called, never served on
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "0x7f000001",
    ],
)
async def test_no_way_of_writing_a_private_address_gets_through(host: str) -> None:
    """Private, link-local, shared, multicast, mapped into IPv6, as one number: refused before a packet leaves."""
    began = time.monotonic()
    answer = await post(f"http://{host}:9/x")
    assert answer.status is None
    assert answer.error is not None
    assert "is not a public address" in answer.error
    assert time.monotonic() - began < 2


async def test_an_address_as_one_number_is_no_address() -> None:
    """127.0.0.1 written as a number is not called either."""
    answer = await post("http://2130706433:9/x", "127.0.0.0/8")
    assert answer.status is None
    assert answer.error is not None
    assert "is not a canonical IPv4 address" in answer.error


async def test_a_mapped_address_counts_as_what_it_is(sink: Sink) -> None:
    """An IPv4 address within IPv6 is admitted by its IPv4 range, and not by one that only admits the mapping."""
    uri = f"http://[::ffff:127.0.0.1]:{sink.url.rpartition(':')[2]}/ok"
    refused = await post(uri, "::ffff:0:0/96")
    assert refused.error is not None
    assert "is not a public address and DATAPOLIS_EGRESS_ALLOW does not admit it" in refused.error
    assert sink.received == []
    assert await post(uri, "127.0.0.0/8") == Answer(200)


async def test_redirects_are_not_followed(sink: Sink) -> None:
    """A receiver that points elsewhere has not taken it; nobody is called in its stead."""
    async with redirecting(f"{sink.url}/ok") as uri:
        answer = await post(uri, "127.0.0.0/8")
    assert (answer, answer.ok) == (Answer(307, "HTTP 307"), False)
    assert sink.received == []


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_an_answer_that_is_no_success_is_told(sink: Sink, status: int) -> None:
    """The status as it came."""
    sink.always["/x"] = status
    assert await post(f"{sink.url}/x", "127.0.0.0/8") == Answer(status, f"HTTP {status}")


async def test_a_slow_receiver_is_left_in_time(sink: Sink) -> None:
    """After the call's time, or the client's where that is shorter."""
    sink.delay_s["/slow"] = 3.0
    for timeout_s, call_s, said in ((5.0, 0.2, 0.2), (0.3, 60.0, 0.3), (0.4, None, 0.4)):
        began = time.monotonic()
        answer = await post(f"{sink.url}/slow", "127.0.0.0/8", timeout_s=timeout_s, call_s=call_s)
        assert answer == Answer(None, f"no answer within {said} s")
        assert said <= time.monotonic() - began < said + 1


async def test_a_receiver_that_is_not_there_or_no_address_at_all() -> None:
    """An answer with the reason, never an exception."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = await post(f"http://127.0.0.1:{port}/x", "127.0.0.0/8")
    assert nobody.status is None
    assert nobody.error is not None
    assert nobody.error.startswith("ClientConnectorError")
    for uri in ("not a uri", "ftp://127.0.0.1/x", "http://"):
        answer = await post(uri, "127.0.0.0/8")
        assert (answer.status, answer.ok) == (None, False)
        assert answer.error


@asynccontextmanager
async def redirecting(target: str) -> AsyncIterator[str]:
    """A receiver that answers every request with 307 to another place."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/notify"
