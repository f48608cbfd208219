"""The server as a process: health, metrics of all workers, draining, and what it refuses to start as."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from broker.app import create_app
from broker.settings import BrokerSettings
from policies import PolicySettings
from tests.fixtures.broker import Api, BrokerProcess, broker_process
from tests.fixtures.postgres import Database


async def test_health_and_metrics_are_on_the_admin_port(open_broker: BrokerProcess, api: Api) -> None:
    await api.post("/entities", {"id": "urn:x:1", "type": "T"})
    await api.get("/entities/urn:x:1")
    await asyncio.sleep(1.2)
    async with aiohttp.ClientSession() as http:
        for path, expected in (("/health/live", "live"), ("/health/ready", "ready")):
            async with http.get(open_broker.admin_url + path) as answer:
                assert (answer.status, (await answer.json())["status"]) == (200, expected)
        async with http.get(open_broker.admin_url + "/metrics") as answer:
            text = await answer.text()
        assert 'datapolis_requests_total{method="POST",status="201",way="route"}' in text
        assert 'datapolis_requests_total{method="GET",status="200",way="hot"}' in text
        async with http.get(open_broker.admin_url + "/other") as answer:
            assert answer.status == 404


async def test_sigterm_ends_open_requests_and_then_the_process(pg_module: Database, tmp_path: Path) -> None:
    """A worker that has only begun to start when the signal comes ends as well, and need not be killed."""
    log = tmp_path / "log"
    with broker_process(pg_module, {"DATAPOLIS_ACCESS": "open"}, workers=2, log=log) as running:
        async with aiohttp.ClientSession() as http:
            api = Api(http, running.url, None)
            batch = [{"id": f"urn:x:{n}", "type": "T", "v": {"value": n}} for n in range(1000)]
            writing = asyncio.create_task(api.post("/entityOperations/upsert", batch))
            await asyncio.sleep(0.05)
            began = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            answer = await writing
            assert answer.status == 201
            await asyncio.to_thread(running.process.wait, 15)
        assert time.monotonic() - began < 11
        assert running.process.returncode == 0
    said = log.read_text()
    assert "Stopped worker-2" in said
    assert "Killing" not in said


def test_open_access_binds_loopback_only() -> None:
    settings = BrokerSettings(access="open", broker_host="0.0.0.0")  # noqa: S104 - what must be refused
    with pytest.raises(ValueError, match="binds loopback only"):
        create_app(settings, PolicySettings())
