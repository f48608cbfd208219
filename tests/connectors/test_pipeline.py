"""Feeds through a real Kafka and a real MQTT broker: what arrives, what is rejected, and what must not be there."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from connectors.declare import apply_topics
from connectors.feed import Feed, load
from connectors.names import load_names
from connectors.publish import Publisher
from connectors.quality import Counters
from connectors.redrive import dead_reasons
from connectors.remap import RecordMapper, group_counters, replay
from connectors.run import FeedRunner, Supervisor
from connectors.settings import ConnectorSettings
from connectors.state import FeedState
from tests.connectors.kafka_reader import Read, read_topic, wait_for, wait_for_events

Make = Callable[..., ConnectorSettings]
KEY = "k" * 32
CANARY = "canary-4711"
ROWS = [
    "id,when,temp,owner,street,secret",
    f"a,2026-01-01T00:00:00,20.5,Ana,Elm 1,{CANARY}",
    f"b,2026-01-01T00:00:00,21.5,Bo,Elm 2,{CANARY}",
    f"a,2026-01-01T01:00:00,22.5,Ana,Elm 1,{CANARY}",
    f"c,2026-01-01T00:00:00,999,Cy,Elm 3,{CANARY}",
    f"d,2026-01-01T00:00:00,warm,Di,Elm 4,{CANARY}",
    f"e,2026-01-01T00:00:00,,Ed,Elm 5,{CANARY}",
    f"too,few,{CANARY}",
    f",2026-01-01T00:00:00,1,No,Elm 6,{CANARY}",
]
STATIONS = """
feed: stations
title: Stations
domain: environment
source: {kind: file, path: "%s", every: 200ms}
decoder: {kind: csv}
key: id
minimise:
  keep: [id, when, temp, owner, street]
  coarsen: {street: {chars: 3}}
  hmac: [owner]
subject: owner
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'test', id)
    observedAt: time(when, 'iso', 'Europe/Madrid')
    attributes:
      temperature: {value: number(temp), unitCode: CEL}
      name: street
quality:
  required: [temperature]
  ranges: {temperature: [-40, 60]}
"""
PREFIX = "https://smartdatamodels.org/dataModel.Weather/"


def _feed(city: Path, text: str, name: str) -> Feed:
    path = city / "feeds" / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def _csv(path: Path, rows: list[str], settled: bool = True) -> None:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    if settled:
        os.utime(path, (time.time() - 5, time.time() - 5))


@asynccontextmanager
async def _running(feeds: list[Feed], settings: ConnectorSettings) -> AsyncIterator[Supervisor]:
    stop = asyncio.Event()
    async with Publisher(settings) as publisher:
        supervisor = Supervisor(feeds, settings, load_names(settings.city / "context.jsonld"), publisher)
        task = asyncio.create_task(supervisor.run(stop))
        try:
            yield supervisor
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)


@pytest.fixture
async def stations(
    tmp_path: Path, city: Path, make_settings: Make, kafka: str, topic_prefix: str
) -> tuple[Feed, ConnectorSettings, Path]:
    source = tmp_path / "stations.csv"
    _csv(source, ROWS)
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, domain_keys={"environment": KEY})
    feed = _feed(city, STATIONS % source, "stations")
    await apply_topics([feed], ["environment"], settings, partitions=2, replication=1)
    return feed, settings, source


async def test_file_feed_end_to_end(stations: tuple[Feed, ConnectorSettings, Path]) -> None:
    feed, settings, _ = stations
    prefix = settings.topic_prefix
    async with _running([feed], settings) as supervisor:
        envelopes = await wait_for(settings.kafka, f"{prefix}entities.environment", 2, 3)
        dead = await wait_for(settings.kafka, f"{prefix}dead.stations", 1, 5)
        counters = await _counted(supervisor, 8)
        status = await wait_for(settings.kafka, f"{prefix}entities.platform", 2, 4)
    records = await read_topic(settings.kafka, f"{prefix}feeds.stations.records", 2)

    assert (counters.received, counters.mapped, counters.rejected) == (8, 3, 5)
    assert {one.key for one in records} == {b"a", b"b", b"c", b"d", b"e"}
    _assert_envelopes(feed, envelopes, records)
    _assert_dead(dead)
    reasons = await dead_reasons("stations", settings)
    assert [(one.records, one.stage, one.rule, one.field) for one in reasons] == [
        (1, "check", "range", "temperature"),
        (1, "check", "required", "temperature"),
        (1, "decode", "columns", ""),
        (1, "map", "number", "temperature"),
        (1, "minimise", "key", "key"),
    ]
    assert reasons[2].positions == ("stations.csv:8",)
    everything = b"".join(one.value + (one.key or b"") for one in [*records, *envelopes, *dead, *status])
    for absent in (CANARY, "Ana", "Elm 1", "secret"):
        assert absent.encode() not in everything
    for folder in settings.state.rglob("*.json"):
        assert CANARY.encode() not in folder.read_bytes()


def _assert_envelopes(feed: Feed, envelopes: list[Read], records: list[Read]) -> None:
    found = sorted((json.loads(one.value) for one in envelopes), key=lambda one: str(one["entity"]))
    first = found[0]
    place = next(one for one in records if one.key == b"a" and b"T00" in one.value)
    assert first["event"] == f"stations/{place.partition}/{place.offset}/0"
    assert (first["v"], first["feed"], first["tenant"], first["domain"]) == (1, "stations", "default", "environment")
    assert first["op"] == "merge"
    assert first["mapping"].startswith("sha256:")
    assert first["subjects"] == [json.loads(place.value)["owner"]]
    assert len(first["subjects"][0]) == 64
    assert first["entity"] == {
        "id": "urn:ngsi-ld:WeatherObserved:test:a",
        "type": [PREFIX + "WeatherObserved"],
        PREFIX + "temperature": {
            "type": "Property", "value": 20.5, "unitCode": "CEL", "observedAt": "2025-12-31T23:00:00Z",
        },
        "https://smartdatamodels.org/name": {
            "type": "Property", "value": "Elm", "observedAt": "2025-12-31T23:00:00Z",
        },
    }  # fmt: skip
    assert {one.key for one in envelopes} == {f"default\0urn:ngsi-ld:WeatherObserved:test:{x}".encode() for x in "ab"}


def _assert_dead(dead: list[Read]) -> None:
    letters = sorted((json.loads(one.value) for one in dead), key=lambda one: (one["stage"], one["rule"]))
    assert [(one["stage"], one["rule"], one["field"]) for one in letters] == [
        ("check", "range", "temperature"),
        ("check", "required", "temperature"),
        ("decode", "columns", ""),
        ("map", "number", "temperature"),
        ("minimise", "key", "key"),
    ]
    columns = letters[2]
    assert columns["position"] == "stations.csv:8"
    assert columns["sha256"] == hashlib.sha256(f"too,few,{CANARY}\n".encode()).hexdigest()
    assert set(columns) == {"v", "feed", "stage", "rule", "field", "suggestion", "position", "length", "sha256", "at"}
    assert letters[0]["position"].endswith(" stations.csv:5")


async def test_restart_neither_loses_nor_sends_again(stations: tuple[Feed, ConnectorSettings, Path]) -> None:
    feed, settings, source = stations
    topic = f"{settings.topic_prefix}feeds.stations.records"
    async with _running([feed], settings) as supervisor:
        assert len(await wait_for(settings.kafka, topic, 2, 6)) == 6
        await wait_for(settings.kafka, f"{settings.topic_prefix}entities.environment", 2, 3)
        await _counted(supervisor, 8)
    _csv(source, [*ROWS, f"z,2026-01-02T00:00:00,3,Zoe,Elm 9,{CANARY}"])
    async with _running([feed], settings) as supervisor:
        found = await wait_for(settings.kafka, topic, 2, 7)
        envelopes = await wait_for_events(settings.kafka, f"{settings.topic_prefix}entities.environment", 2, 4)
        counters = await _counted(supervisor, 9)
    assert len(found) == 7
    assert len(envelopes) == 4
    assert (counters.received, counters.mapped, counters.rejected) == (9, 4, 5)


async def test_replay_repeats_the_same_events(stations: tuple[Feed, ConnectorSettings, Path]) -> None:
    feed, settings, _ = stations
    topic = f"{settings.topic_prefix}entities.environment"
    async with _running([feed], settings):
        first = await wait_for(settings.kafka, topic, 2, 3)
    names = load_names(settings.city / "context.jsonld")
    async with Publisher(settings) as publisher:
        counters = await replay(RecordMapper(feed, names), settings, publisher)
    assert (counters.received, counters.mapped, counters.rejected) == (6, 3, 3)
    both = await wait_for(settings.kafka, topic, 2, 6)
    assert sorted(one.value for one in both) == sorted([one.value for one in first] * 2)


async def test_pause_and_resume(stations: tuple[Feed, ConnectorSettings, Path]) -> None:
    feed, settings, source = stations
    state = FeedState(settings.feed_state, "stations")
    topic = f"{settings.topic_prefix}feeds.stations.records"
    async with _running([feed], settings) as supervisor:
        runner = supervisor.runners["stations"]
        await wait_for(settings.kafka, f"{settings.topic_prefix}entities.environment", 2, 3)
        before = await _counted(supervisor, 8)
        state.pause()
        await _until(lambda: runner.status == "stopped")
        _csv(source, [*ROWS, f"z,2026-01-02T00:00:00,3,Zoe,Elm 9,{CANARY}"])
        await asyncio.sleep(1)
        assert len(await read_topic(settings.kafka, topic, 2)) == 6
        assert (await runner.count()).last_record_at == before.last_record_at
        said = await read_topic(settings.kafka, f"{settings.topic_prefix}entities.platform", 2)
        last = [json.loads(one.value) for one in said if b"urn:ngsi-ld:Feed:stations" in (one.key or b"")][-1]
        assert last["tenant"] == "platform"
        assert last["entity"]["https://datapolis.example/ns#status"]["value"] == "stopped"
        state.resume()
        assert len(await wait_for(settings.kafka, topic, 2, 7)) == 7
        await _until(lambda: runner.status == "running")
        await _until_async(runner, lambda: runner.counters.last_record_at > before.last_record_at)


async def test_one_bad_feed_stops_no_other(stations: tuple[Feed, ConnectorSettings, Path], city: Path) -> None:
    feed, settings, _ = stations
    bad = STATIONS.replace("feed: stations", "feed: broken").replace(
        '{kind: file, path: "%s", every: 200ms}', '{kind: http, url: "http://127.0.0.1:9/x", every: 1s}'
    )
    broken = _feed(city, bad, "broken")
    await apply_topics([feed, broken], ["environment"], settings, partitions=2, replication=1)
    async with _running([broken, feed], settings) as supervisor:
        assert len(await wait_for(settings.kafka, f"{settings.topic_prefix}entities.environment", 2, 3)) == 3
        await _until(lambda: supervisor.runners["broken"].status == "failing")
        assert "Unreachable" in supervisor.runners["broken"].troubles["fetch"]
        assert supervisor.runners["stations"].status == "running"
        assert supervisor.ready()


async def test_mqtt_uplinks(
    city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str
) -> None:
    from docker.local.simulators.devices import CHIRPSTACK, chirpstack_uplink

    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}")
    sample = Path(__file__).parents[2] / "city" / "feeds" / "lorawan-chirpstack.yaml"
    text = sample.read_text(encoding="utf-8").replace("application/+/device", f"{topic_prefix}/+/device")
    feed = _feed(city, text, "lorawan-chirpstack")
    await apply_topics([feed], ["environment"], settings, partitions=2, replication=1)
    async with _running([feed], settings) as supervisor:
        await _until(lambda: supervisor.runners[feed.feed].leader)
        await asyncio.sleep(0.5)
        async with aiomqtt.Client(*mqtt) as client:
            for device in CHIRPSTACK:
                topic, message = chirpstack_uplink(device, time.time() - 10, 7)
                await client.publish(topic.replace("application", topic_prefix, 1), json.dumps(message), qos=1)
            await client.publish(f"{topic_prefix}/x/device/y/event/up", b"no json", qos=1)
        envelopes = await wait_for(kafka, f"{topic_prefix}entities.environment", 2, 6)
        dead = await wait_for(kafka, f"{topic_prefix}dead.lorawan-chirpstack", 1, 1)
    types = sorted(json.loads(one.value)["entity"]["type"][0].rsplit("/", 1)[-1] for one in envelopes)
    assert types == ["AirQualityObserved"] * 2 + ["WeatherObserved"] * 4
    assert [json.loads(one.value)["rule"] for one in dead] == ["json"]
    records = await read_topic(kafka, f"{topic_prefix}feeds.lorawan-chirpstack.records", 2)
    assert len(records) == 6
    for one in records:
        assert b"gateway" not in one.value
        assert b"rssi" not in one.value
    counters = await group_counters(feed.feed, settings)
    assert sum(one.mapped for one in counters.values()) == 6


async def _counted(supervisor: Supervisor, received: int) -> Counters:
    """Wait until the mapper has committed so many records."""
    runner = supervisor.runners["stations"]
    async with asyncio.timeout(20):
        while (await runner.count()).received < received:  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.1)
    return runner.counters


async def _until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.05)


async def _until_async(runner: FeedRunner, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await runner.count()
            await asyncio.sleep(0.1)


async def test_reading_counters_can_be_cancelled_at_any_moment(
    stations: tuple[Feed, ConnectorSettings, Path],
) -> None:
    """A process that stops leaves no connection behind (an open one is a warning, and a warning an error)."""
    _, settings, _ = stations
    for milliseconds in range(12):
        reading = asyncio.create_task(group_counters("stations", settings))
        await asyncio.sleep(milliseconds / 1000)
        reading.cancel()
        await asyncio.wait({reading})
    gc.collect()
