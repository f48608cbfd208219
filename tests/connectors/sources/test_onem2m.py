"""oneM2M against the ACME CSE: subscribe (with its verification), the latest instance, notifications into Kafka."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from connectors.declare import apply_topics
from connectors.feed import load
from connectors.names import load_names
from connectors.publish import Publisher
from connectors.receive.endpoint import push_app
from connectors.run import Supervisor
from connectors.settings import ConnectorSettings
from tests.connectors.kafka_reader import wait_for
from tests.connectors.test_cli import free_port

pytest.importorskip("acmecse")
Make = Callable[..., ConnectorSettings]
CONFIG = """[basic.config]
cseType=IN
cseID=id-in
cseName=cse-in
adminID=CAdmin
networkInterface=127.0.0.1
cseHost=127.0.0.1
httpPort={port}
databaseType=memory
logLevel=off
dataDirectory={folder}
"""
LEVELS = """
feed: levels
title: Levels
domain: environment
source:
  kind: onem2m
  url: http://127.0.0.1:{port}
  originator: Clevels
  containers: [cse-in/levels/north]
  notify: http://127.0.0.1:{push}/push/levels?token=from-the-cse
  auth: {{kind: query, value: from-the-cse}}
decoder: {{kind: onem2m}}
key: pi
minimise: {{keep: [pi, ri, ct, content/level]}}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', pi)
    observedAt: time(ct)
    attributes: {{temperature: content.level}}
"""


@pytest.fixture
async def cse(tmp_path: Path) -> AsyncIterator[int]:
    """A CSE in a process of its own, its data in memory; yields its port."""
    port, folder = free_port(), tmp_path / "cse"
    folder.mkdir()
    (folder / "acme.ini").write_text(CONFIG.format(port=port, folder=folder))
    command = [sys.executable, "-m", "acmecse", "--config", "acme.ini", "--base-directory", str(folder), "--headless"]
    command += ["--http-port", str(port), "--no-mqtt", "--no-coap", "--no-ws", "--db-type", "memory"]
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(90), aiohttp.ClientSession() as client:
            while True:
                try:
                    if (await request(client, port, "cse-in", None, "GET", "CAdmin"))[0] == 200:
                        break
                except aiohttp.ClientError:
                    assert process.poll() is None, "the CSE ended"
                await asyncio.sleep(0.3)
        yield port
    finally:
        process.kill()
        process.wait(10)


async def request(
    client: aiohttp.ClientSession, port: int, path: str, kind: int | None, method: str, origin: str, body: Any = None
) -> tuple[int, Any]:
    headers = {"X-M2M-Origin": origin, "X-M2M-RI": "t", "X-M2M-RVI": "3", "Accept": "application/json"}
    if kind is not None:
        headers["Content-Type"] = f"application/json;ty={kind}"
    url = f"http://127.0.0.1:{port}/{path}"
    async with client.request(method, url, json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def level(client: aiohttp.ClientSession, port: int, value: float) -> None:
    content = {"m2m:cin": {"con": json.dumps({"level": value}), "cnf": "application/json:0"}}
    status, _ = await request(client, port, "cse-in/levels/north", 4, "POST", "Clevels", content)
    assert status == 201


@pytest.mark.timeout(180)
async def test_instances_reach_kafka(city: Path, make_settings: Make, kafka: str, topic_prefix: str, cse: int) -> None:
    push = free_port()
    path = city / "feeds" / "levels.yaml"
    path.write_text(LEVELS.format(port=cse, push=push))
    feed = load(path)
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix)
    await apply_topics([feed], ["environment"], settings, 1, 1)
    topic = f"{topic_prefix}feeds.levels.records"
    stop = asyncio.Event()
    async with aiohttp.ClientSession() as client, Publisher(settings) as publisher:
        application = {"m2m:ae": {"rn": "levels", "api": "Nlevels", "rr": True, "srv": ["3"]}}
        made = await request(client, cse, "cse-in", 2, "POST", "Clevels", application)
        assert made[0] == 201, made
        container = {"m2m:cnt": {"rn": "north"}}
        assert (await request(client, cse, "cse-in/levels", 3, "POST", "Clevels", container))[0] == 201
        await level(client, cse, 1.5)
        supervisor = Supervisor([feed], settings, load_names(city / "context.jsonld"), publisher)
        runner = web.AppRunner(push_app({"levels": feed}, supervisor.inbox), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", push).start()
        task = asyncio.create_task(supervisor.run(stop))
        try:
            first = await wait_for(kafka, topic, 1, 1, 60)
            for value in (2.5, 3.5):
                await level(client, cse, value)
            found = await wait_for(kafka, topic, 1, 3, 60)
            async with client.post(f"http://127.0.0.1:{push}/push/levels?token=other", data=b"{}") as answer:
                assert answer.status == 401
            troubles = dict(supervisor.runners["levels"].troubles)
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)
            await runner.cleanup()
    assert troubles == {}
    assert [json.loads(one.value)["content"] for one in first] == [{"level": 1.5}]
    records = [json.loads(one.value) for one in found]
    assert [one["content"]["level"] for one in records] == [1.5, 2.5, 3.5]
    assert {tuple(sorted(one)) for one in records} == {("content", "ct", "pi", "ri")}
    assert len({one["ri"] for one in records}) == 3
