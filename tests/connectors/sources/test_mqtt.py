"""MQTT against a real broker: what is not in Kafka is not acknowledged, floods stand in the broker, both versions."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from connectors.declare import apply_topics
from connectors.decoders import Decoded
from connectors.errors import FeedError, Rejection
from connectors.feed import MqttSource, load
from connectors.fetch import prepare
from connectors.settings import ConnectorSettings
from connectors.sources.mqtt import MqttSubscription
from connectors.sources.payload import Messages
from docker.local.stack import ROOT
from tests.connectors.kafka_reader import read_topic
from tests.connectors.test_cli import free_port
from tests.connectors.test_pipeline import _running

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


async def _subscribed(mqtt: tuple[str, int], prefix: str, waiting: asyncio.Future[Messages]) -> Messages:
    """Knock until a message comes through: from then on the broker keeps the session. Take what came of it."""
    async with aiomqtt.Client(*mqtt) as client, asyncio.timeout(40):
        while not waiting.done():
            await client.publish(f"{prefix}/knock", "knock", qos=1)
            await asyncio.wait({waiting}, timeout=0.2)
    return waiting.result()


async def test_what_was_not_taken_comes_again(mqtt: tuple[str, int], topic_prefix: str) -> None:
    async def some(wanted: int, *, take: bool) -> list[bytes]:
        payloads = _source(mqtt, topic_prefix).payloads({})
        found: list[bytes] = []
        async with asyncio.timeout(30):
            while len(found) < wanted:
                batch = await anext(payloads)
                assert isinstance(batch, Messages)
                found += [one.stream.read() for one in batch.payloads]
                if take:
                    await batch.taken()
            if take:
                await _acknowledged(mqtt, topic_prefix, payloads)
        await payloads.aclose()
        return found

    async def publish(*texts: str) -> None:
        async with aiomqtt.Client(*mqtt) as client:
            for one in texts:
                await client.publish(f"{topic_prefix}/x", one, qos=1)

    payloads = _source(mqtt, topic_prefix).payloads({})
    await (await _subscribed(mqtt, topic_prefix, asyncio.ensure_future(anext(payloads)))).taken()
    await _acknowledged(mqtt, topic_prefix, payloads)
    await payloads.aclose()
    await publish("0", "1", "2")
    assert await some(3, take=False) == [b"0", b"1", b"2"]
    assert await some(3, take=True) == [b"0", b"1", b"2"]
    await publish("3")
    assert await some(1, take=True) == [b"3"]


async def _acknowledged(mqtt: tuple[str, int], prefix: str, payloads: AsyncGenerator[Messages, None]) -> None:
    """Take one more message: one connection's packets keep their order, so the broker has the earlier answers."""
    async with aiomqtt.Client(*mqtt) as client:
        await client.publish(f"{prefix}/last", "last", qos=1)
    async with asyncio.timeout(30):
        async for batch in payloads:
            assert isinstance(batch, Messages)
            await batch.taken()
            if batch.payloads[-1].stream.read() == b"last":
                return


@pytest.mark.parametrize(("qos", "version"), [(0, "3.1.1"), (1, "5")])
async def test_a_flood_stands_in_the_broker(mqtt: tuple[str, int], topic_prefix: str, qos: int, version: str) -> None:
    """A consumer that is stuck for a while keeps at most `in_flight` messages and a socket's buffer in memory."""
    flood, bound = 2_000, 50
    payloads = _source(mqtt, topic_prefix, in_flight=bound, qos=qos, version=version).payloads({})
    found = await _subscribed(mqtt, topic_prefix, asyncio.ensure_future(anext(payloads)))
    taken: list[bytes] = []
    most = 0
    async with aiomqtt.Client(*mqtt) as client:
        for n in range(flood):
            await client.publish(f"{topic_prefix}/x", str(n).ljust(200), qos=1)
    await asyncio.sleep(0.5)  # the messages are with the broker, and as many here as the bound lets in
    async with asyncio.timeout(60):
        while True:
            taken += [one.stream.read().strip() for one in found.payloads]
            most = max(most, len(found.payloads))
            await found.taken()
            if taken[-1] == str(flood - 1).encode():
                break
            found = await anext(payloads)
    await payloads.aclose()
    assert [one for one in taken if one != b"knock"] == [str(n).encode() for n in range(flood)]
    assert most <= 3 * bound


BARE = """
feed: levels
title: Levels
domain: environment
source: {kind: mqtt, topics: ["%s/+/level"]}
decoder: {kind: json, value: level}
key: '"@topic"'
minimise: {keep: ["@topic", "@received", level]%s}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'test', part("@topic", '/', `1`))
    observedAt: '"@received"'
    attributes: {temperature: level}
"""


async def test_the_topic_says_whose_value_it_is(
    city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str
) -> None:
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}")
    path = city / "feeds" / "levels.yaml"
    path.write_text(BARE % (topic_prefix, ""))
    feed = load(path)
    await apply_topics([feed], ["environment"], settings, 2, 1)
    async with _running([feed], settings), aiomqtt.Client(*mqtt) as client, asyncio.timeout(60):
        while not await read_topic(kafka, f"{topic_prefix}feeds.levels.records", 2):
            await client.publish(f"{topic_prefix}/knock/level", "0", qos=1)
            await asyncio.sleep(0.3)
        for device, value in (("s1", "21.5"), ("s2", "3"), ("s2", '{"level": 4}')):
            await client.publish(f"{topic_prefix}/{device}/level", value, qos=1)
        entities: list[tuple[str, float]] = []
        while len(entities) < 3:
            envelopes = [one.value for one in await read_topic(kafka, f"{topic_prefix}entities.environment", 2)]
            found = {one["event"]: one["entity"] for one in map(json.loads, envelopes)}.values()
            entities = sorted((one["id"].rsplit(":")[-1], _level(one)) for one in found if "knock" not in one["id"])
    assert entities == [("s1", 21.5), ("s2", 3), ("s2", 4)]


@pytest.mark.parametrize(
    ("keep", "more", "shown"),
    [
        (["@topic"], "", "{topic}"),
        (["@topic"], ', hmac: ["@topic"]', "{pseudonym}"),
        (["@topic"], ', coarsen: {"@topic": {chars: 3}}', "{prefix:.3}"),
        ([], "", "mqtt"),
    ],
)
async def test_positions_say_of_the_topic_what_the_feed_keeps(
    city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str,
    keep: list[str], more: str, shown: str,
) -> None:  # fmt: skip
    settings = make_settings(
        kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}", domain_keys={"environment": "k"}
    )
    path = city / "feeds" / "levels.yaml"
    declared = (BARE % (topic_prefix, more)).replace('["@topic", ', json.dumps([*keep, ""])[:-3])
    path.write_text(
        declared.replace("key: '\"@topic\"'", "key: level").replace("""part("@topic", '/', `1`)""", "level")
    )
    feed = load(path)
    await apply_topics([feed], ["environment"], settings, 2, 1)
    topic = f"{topic_prefix}/ana/level"
    async with _running([feed], settings), aiomqtt.Client(*mqtt) as client, asyncio.timeout(60):
        while not (records := await read_topic(kafka, f"{topic_prefix}feeds.levels.records", 2)):
            await client.publish(topic, "1", qos=1)
            await asyncio.sleep(0.3)
        while not (dead := await read_topic(kafka, f"{topic_prefix}dead.levels", 1)):
            await client.publish(topic, "[", qos=1)
            await asyncio.sleep(0.3)
    pseudonym = hmac.new(b"k", topic.encode(), hashlib.sha256).hexdigest()
    begin = shown.format(topic=topic, prefix=topic_prefix, pseudonym=pseudonym)
    assert {dict(one.headers)["position"] for one in records} == {f"{begin}#0".encode()}
    assert {one.key for one in dead} == {begin.encode()}
    assert {json.loads(one.value)["position"] for one in dead} == {begin}
    whole = repr([(one.key, one.value, one.headers) for one in (*records, *dead)])
    assert ("ana" in whole) == (begin == topic)


def _level(entity: dict[str, Any]) -> float:
    (found,) = (one["value"] for one in entity.values() if isinstance(one, dict))
    return float(found)


def _minimised(
    path: Path, settings: ConnectorSettings, record: dict[str, Any], name: str
) -> tuple[str, dict[str, Any]]:
    """The key and the minimised form of a record that the feed admits, from a payload of this name."""
    found = prepare(load(path), settings)(Decoded("x", record), name)
    assert not isinstance(found, Rejection)
    return found


def test_the_topic_is_minimised_like_any_member(city: Path, make_settings: Make) -> None:
    path = city / "feeds" / "levels.yaml"
    path.write_text(BARE % ("x", ', hmac: ["@topic"]'))
    settings = make_settings(domain_keys={"environment": "k"})
    key, kept = _minimised(path, settings, {"level": 1, "@topic": "said"}, "home/ana/level")
    assert kept["@topic"] == key == hmac.new(b"k", b"home/ana/level", hashlib.sha256).hexdigest()
    path.write_text(BARE.replace("kind: mqtt", "kind: file, path: x").replace(', topics: ["%s/+/level"]', "") % "")
    with pytest.raises(FeedError, match="a source of kind 'file' has no @topic"):
        prepare(load(path), settings)


def test_a_file_s_name_is_kept_where_it_is_asked_for(city: Path, make_settings: Make, tmp_path: Path) -> None:
    path = city / "feeds" / "levels.yaml"
    text = BARE.replace("kind: mqtt", "kind: file, path: x").replace(', topics: ["%s/+/level"]', "") % ""
    path.write_text(text.replace("@topic", "@file"))
    _, kept = _minimised(path, make_settings(), {"level": 1}, "s1.json")
    assert {**kept, "@received": ""} == {"@file": "s1.json", "@received": "", "level": 1}


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
