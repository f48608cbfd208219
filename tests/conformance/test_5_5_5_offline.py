"""The broker without a network: what it serves, and what it says of @contexts that it cannot have (5.5.5, 5.5.7)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import orjson
import pytest
from aiohttp import web

from docker.local.stack import ROOT
from tests.fixtures.broker import Api, broker_process
from tests.fixtures.engines import missing
from tests.fixtures.postgres import Database

OPEN = {"DATAPOLIS_ACCESS": "open", "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8"}
NOT_AVAILABLE = "https://uri.etsi.org/ngsi-ld/errors/LdContextNotAvailable"
CONTEXT = {"@context": {"speed": "https://a.example/speed", "Car": "https://a.example/Car"}}


def linked(url: str) -> dict[str, str]:
    """Name a @context."""
    return {"Link": f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}


@asynccontextmanager
async def site(*, silent: bool = False) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a @context, or take the request and never answer; give its URL and the paths asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if silent:
            await asyncio.sleep(60)
        return web.json_response(CONTEXT, content_type="application/ld+json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/{uuid4().hex}.jsonld", asked
    finally:
        await runner.cleanup()


async def create(url: str, number: int, context: str) -> tuple[int, bytes, float]:
    """Create an entity under a @context; give status, body and seconds."""
    entity = {"id": f"urn:x:{number}", "type": "Car", "speed": {"value": number}}
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        answer = await Api(http, url, None).call("POST", "/entities", entity, linked(context))
    return answer.status, answer.body, time.monotonic() - began


async def test_a_context_that_never_comes_is_told_within_its_timeout(pg: Database) -> None:
    """504 with the standard's error and the URL in it, after 5 s and not much later; nothing was stored."""
    with broker_process(pg, OPEN) as running:
        async with site(silent=True) as (context, asked):
            status, body, took = await create(running.url, 1, context)
        problem = orjson.loads(body)
        assert (status, problem["type"]) == (504, NOT_AVAILABLE)
        assert context in problem["detail"]
        assert 4.5 < took < 20
        assert len(asked) == 1
        async with aiohttp.ClientSession() as http:
            assert (await Api(http, running.url, None).get("/entities/urn:x:1")).status == 404


async def test_a_context_once_fetched_survives_its_server_and_the_broker(pg: Database) -> None:
    """It is kept in the database: a broker started anew uses it while its server is away."""
    async with site() as (context, asked):
        with broker_process(pg, OPEN) as running:
            assert (await create(running.url, 1, context))[0] == 201
        assert len(asked) == 1
    with broker_process(pg, OPEN) as running:
        assert (await create(running.url, 2, context))[0] == 201
        async with aiohttp.ClientSession() as http:
            answer = await Api(http, running.url, None).call("GET", "/entities/urn:x:1", headers=linked(context))
        assert (answer.status, answer.json) == (
            200,
            {"id": "urn:x:1", "type": "Car", "speed": {"type": "Property", "value": 1}},
        )
        status, body, _ = await create(running.url, 3, context + "-other")
        assert (status, orjson.loads(body)["type"]) == (504, NOT_AVAILABLE)


async def test_private_addresses_are_refused_unless_allowed(pg: Database) -> None:
    """Without leave the server on this machine is not even asked."""
    with broker_process(pg, {**OPEN, "DATAPOLIS_EGRESS_ALLOW": ""}) as running:
        async with site() as (context, asked):
            status, body, _ = await create(running.url, 1, context)
        problem = orjson.loads(body)
        assert (status, problem["type"]) == (504, NOT_AVAILABLE)
        assert "127.0.0.1" in problem["detail"]
        assert asked == []
        for address in ("http://169.254.169.254/latest", "http://10.0.0.1/c.jsonld", "http://[::1]:1/c.jsonld"):
            status, body, took = await create(running.url, 2, address)
            assert (status, orjson.loads(body)["type"], took < 4) == (504, NOT_AVAILABLE, True)


async def test_it_starts_and_serves_without_any_network(pg: Database) -> None:
    """In a network namespace of its own, which has nothing but a loopback interface; PostgreSQL by its socket."""
    # Root makes one as it is; others need a user namespace, in which PostgreSQL's socket stays theirs.
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
    try:
        subprocess.run([*unshare, "true"], check=True)  # noqa: ASYNC221 - nothing else runs in this loop
    except (OSError, subprocess.CalledProcessError):
        missing(RuntimeError(f"this account may not make a network namespace ({' '.join(unshare)})"))
    connection = await asyncpg.connect(pg.dsn("admin"), timeout=10)
    try:
        folder = await connection.fetchval("SHOW unix_socket_directories")
    finally:
        await connection.close(timeout=10)
    parts = urlsplit(pg.dsn("broker"))
    dsn = f"postgresql://{parts.username}:{parts.password}@/{pg.name}?host={folder}&port={parts.port}"
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [*unshare, sys.executable, "-m", "tests.conformance.without_network"],
        cwd=ROOT,
        env={**os.environ, **OPEN, "DATAPOLIS_DSN_BROKER": dsn},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = orjson.loads(done.stdout.splitlines()[-1])
    assert told == {
        "network": "unreachable",
        "create": 201,
        "create under the core @context by its URL": 201,
        "create under the city's @context": 201,
        "retrieve": {"id": "urn:x:1", "type": "Car", "speed": {"type": "Property", "value": 1}},
        "query": 3,
        "create under another @context": [504, NOT_AVAILABLE],
        "types": 200,
    }


@pytest.mark.parametrize("context", ["urn:x:none", "file:///etc/passwd", "ftp://a.example/c.jsonld"])
async def test_only_web_addresses_are_contexts(pg_module: Database, context: str) -> None:
    """Anything else is refused as such, and nothing is read."""
    with broker_process(pg_module, OPEN) as running:
        status, body, _ = await create(running.url, 1, context)
    assert status in (400, 504)
    assert b"root:" not in body
