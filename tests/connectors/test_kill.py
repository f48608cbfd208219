"""Kills and take-over: nothing lost, counters exact, one process fetches."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiokafka.errors import GroupCoordinatorNotAvailableError

from connectors.declare import apply_topics
from connectors.feed import load
from connectors.remap import group_counters
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT
from tests.connectors.kafka_reader import Read, read_topic
from tests.connectors.test_cli import free_port
from tests.connectors.test_pipeline import KEY, STATIONS

Make = Callable[..., ConnectorSettings]
ROWS = 12_000


def _start(settings: ConnectorSettings) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    env |= {
        "DATAPOLIS_CITY": str(settings.city), "DATAPOLIS_STATE": str(settings.state),
        "DATAPOLIS_KAFKA": settings.kafka, "DATAPOLIS_TOPIC_PREFIX": settings.topic_prefix,
        "DATAPOLIS_ADMIN_PORT": str(free_port()), "DATAPOLIS_DOMAIN_KEYS": json.dumps({"environment": KEY}),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "connectors", "run"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


async def test_kill_loses_nothing_and_counts_exactly(
    tmp_path: Path, city: Path, make_settings: Make, kafka: str, topic_prefix: str
) -> None:
    source = tmp_path / "stations.csv"
    lines = [f"s{n},2026-01-01T00:00:00,{n % 50},Ana,Elm,x" for n in range(ROWS)]
    source.write_text("\n".join(["id,when,temp,owner,street,secret", *lines]) + "\n")
    os.utime(source, (time.time() - 5, time.time() - 5))
    (city / "feeds" / "stations.yaml").write_text(STATIONS % source)
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix)
    await apply_topics([load(city / "feeds" / "stations.yaml")], ["environment"], settings, 2, 1)

    first, second = _start(settings), _start(settings)
    try:
        await _received(settings, 2_000)
        first.kill()
        first.wait()
        third = _start(settings)
        try:
            received = await _received(settings, ROWS)
            records = await _stable(settings)
            while received < len(records):
                await asyncio.sleep(0.2)
                received = await _received(settings, len(records))
        finally:
            third.kill()
            third.wait()
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    counters = await group_counters("stations", settings)
    assert {one.key for one in records} == {f"s{n}".encode() for n in range(ROWS)}
    assert sum(one.received for one in counters.values()) == len(records)
    assert sum(one.mapped for one in counters.values()) == len(records)
    assert len(records) < 2 * ROWS
    envelopes = await read_topic(kafka, f"{topic_prefix}entities.environment", 2)
    events = {json.loads(one.value)["event"] for one in envelopes}
    assert len(events) == len(records)


async def _received(settings: ConnectorSettings, count: int) -> int:
    async with asyncio.timeout(60):
        while True:
            try:
                found = sum(one.received for one in (await group_counters("stations", settings)).values())
            except GroupCoordinatorNotAvailableError:
                found = 0
            if found >= count:
                return found
            await asyncio.sleep(0.1)


async def _stable(settings: ConnectorSettings) -> list[Read]:
    topic = f"{settings.topic_prefix}feeds.stations.records"
    before = await read_topic(settings.kafka, topic, 2)
    while True:
        await asyncio.sleep(1)
        after = await read_topic(settings.kafka, topic, 2)
        if len(after) == len(before) and len({one.key for one in after}) == ROWS:
            return after
        before = after
