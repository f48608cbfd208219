"""MQTT against a real broker: what is not in Kafka is not acknowledged, floods stand in the broker, both versions."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from connectors.declare import apply_topics
from connectors.errors import FeedError
from connectors.feed import MqttSource, load
from connectors.settings import ConnectorSettings
from connectors.sources.mqtt import MqttSubscription
from connectors.sources.payload import Messages
from docker.local.stack import ROOT
from tests.connectors.kafka_reader import read_topic
from tests.connectors.test_cli import free_port

Make = Callable[..., ConnectorSettings]
PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
COUNT = 20_000 if PROVE else 1_000
KILLS = 10 if PROVE else 2
LEVELS = """
feed: levels
title: Levels
domain: environment
source: {kind: mqtt, topics: ["%s/+"], version: "%s"}
decoder: {kind: json}
key: id
minimise: {keep: [id, level]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'test', id)
    observedAt: "'2026-01-01T00:00:00Z'"
    attributes: {temperature: level}
"""


def _start(settings: ConnectorSettings) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    env |= {
        "DATAPOLIS_CITY": str(settings.city), "DATAPOLIS_STATE": str(settings.state), "DATAPOLIS_MQTT": settings.mqtt,
        "DATAPOLIS_KAFKA": settings.kafka, "DATAPOLIS_TOPIC_PREFIX": settings.topic_prefix,
        "DATAPOLIS_ADMIN_PORT": str(free_port()), "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "connectors", "run"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("version", ["3.1.1", "5"] if PROVE else ["3.1.1"])
async def test_a_killed_process_loses_no_message(
    version: str, city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str
) -> None:
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}")
    path = city / "feeds" / "levels.yaml"
    path.write_text(LEVELS % (topic_prefix, version))
    await apply_topics([load(path)], ["environment"], settings, 2, 1)
    topic = f"{topic_prefix}feeds.levels.records"
    process = _start(settings)
    try:
        await _until_subscribed(mqtt, topic_prefix, kafka, topic)
        async with aiomqtt.Client(*mqtt) as client:
            for n in range(COUNT):
                await client.publish(f"{topic_prefix}/{n}", json.dumps({"id": f"s{n}", "level": n}), qos=1)
                if n % (COUNT // KILLS) == COUNT // KILLS // 2:
                    process.kill()
                    process.wait()
                    process = _start(settings)
        async with asyncio.timeout(60):
            while len(await _keys(kafka, topic)) < COUNT:  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.3)
    finally:
        process.kill()
        process.wait()
    assert await _keys(kafka, topic) == {f"s{n}".encode() for n in range(COUNT)}


async def _until_subscribed(mqtt: tuple[str, int], prefix: str, kafka: str, topic: str) -> None:
    """Knock until a message comes through: from then on the broker keeps the session."""
    async with aiomqtt.Client(*mqtt) as client, asyncio.timeout(40):
        while not await read_topic(kafka, topic, 2):
            await client.publish(f"{prefix}/knock", json.dumps({"id": "knock", "level": 0}), qos=1)
            await asyncio.sleep(0.3)


async def _keys(kafka: str, topic: str) -> set[bytes | None]:
    return {one.key for one in await read_topic(kafka, topic, 2)} - {b"knock"}


def _source(mqtt: tuple[str, int], prefix: str, **members: Any) -> MqttSubscription:
    spec = MqttSource.model_validate({"kind": "mqtt", "topics": [f"{prefix}/#"], **members})
    return MqttSubscription(spec, f"{mqtt[0]}:{mqtt[1]}", f"{prefix}-client", ())


async def test_what_was_not_taken_comes_again(mqtt: tuple[str, int], topic_prefix: str) -> None:
    async def first_batch(*, take: bool) -> list[bytes]:
        payloads = _source(mqtt, topic_prefix).payloads({})
        found = await asyncio.wait_for(anext(payloads), 5)
        if take:
            await found.taken()
            await asyncio.sleep(0.2)
        await payloads.aclose()  # type: ignore[attr-defined]
        return [one.stream.read() for one in found.payloads]

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(_source(mqtt, topic_prefix).payloads({})), 0.5)
    async with aiomqtt.Client(*mqtt) as client:
        for n in range(3):
            await client.publish(f"{topic_prefix}/x", str(n), qos=1)
    assert await first_batch(take=False) == [b"0", b"1", b"2"]
    assert await first_batch(take=True) == [b"0", b"1", b"2"]
    async with aiomqtt.Client(*mqtt) as client:
        await client.publish(f"{topic_prefix}/x", "3", qos=1)
    assert await first_batch(take=True) == [b"3"]


@pytest.mark.parametrize(("qos", "version"), [(0, "3.1.1"), (1, "5")])
async def test_a_flood_stands_in_the_broker(mqtt: tuple[str, int], topic_prefix: str, qos: int, version: str) -> None:
    """A consumer that is stuck for a while keeps at most `in_flight` messages and a socket's buffer in memory."""
    flood, bound = 2_000, 50
    payloads = _source(mqtt, topic_prefix, in_flight=bound, qos=qos, version=version).payloads({})
    waiting = asyncio.ensure_future(anext(payloads))
    await asyncio.sleep(0.5)
    taken: list[bytes] = []
    most = 0
    async with aiomqtt.Client(*mqtt) as client:
        await client.publish(f"{topic_prefix}/x", "first", qos=1)
        found: Messages = await asyncio.wait_for(waiting, 5)
        for n in range(flood):
            await client.publish(f"{topic_prefix}/x", str(n).ljust(200), qos=1)
    await asyncio.sleep(0.5)  # the messages are with the broker, and as many here as the bound lets in
    async with asyncio.timeout(30):
        while True:
            taken += [one.stream.read().strip() for one in found.payloads]
            most = max(most, len(found.payloads))
            await found.taken()
            if taken[-1] == str(flood - 1).encode():
                break
            found = await anext(payloads)
    await payloads.aclose()  # type: ignore[attr-defined]
    assert taken == [b"first", *(str(n).encode() for n in range(flood))]
    assert most <= 3 * bound


async def test_a_private_host_that_a_feed_names_is_refused(mqtt: tuple[str, int], topic_prefix: str) -> None:
    source = _source(mqtt, topic_prefix, host=f"{mqtt[0]}:{mqtt[1]}")
    with pytest.raises(FeedError, match="DATAPOLIS_EGRESS_ALLOW"):
        await anext(source.payloads({}))


def test_declarations() -> None:
    spec = MqttSource.model_validate({"kind": "mqtt", "topics": ["a"], "version": 5})
    assert spec.version == "5"
    for wrong in ({"qos": 2}, {"password": "x"}, {"version": "4"}, {"password": "", "username": "u"}):
        with pytest.raises(ValueError, match="validation error"):
            MqttSource.model_validate({"kind": "mqtt", "topics": ["a"], **wrong})
