"""Sparkplug B, SenML and SensorThings over a real MQTT broker into a real Kafka; a restart keeps a birth's aliases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from connectors.declare import apply_topics
from connectors.feed import load
from connectors.settings import ConnectorSettings
from tests.connectors.kafka_reader import wait_for
from tests.connectors.test_pipeline import _running, _until

Make = Callable[..., ConnectorSettings]
SPARKPLUG = """
feed: plant
title: Plant (Sparkplug B)
domain: environment
source: {kind: mqtt, topics: ["spBv1.0/GROUP/#"], version: 5}
decoder: {kind: sparkplug-b}
key: node
minimise: {keep: [group, node, online, time, metrics/Temperature]}
mapping:
  - type: WeatherObserved
    when: metrics.Temperature
    id: urn('WeatherObserved', group, node)
    observedAt: time
    attributes: {temperature: {value: metrics.Temperature, unitCode: CEL}}
"""
SENML = """
feed: packs
title: Packs (SenML)
domain: environment
source: {kind: mqtt, topics: ["GROUP/senml"]}
decoder: {kind: senml, pack: true}
key: base
minimise: {keep: [base, time, values/temp]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', base)
    observedAt: time
    attributes: {temperature: {value: values.temp, unitCode: CEL}}
"""


OBSERVATIONS = """
feed: pressure
title: Observations of a datastream (OGC SensorThings 1.1, MQTT)
domain: environment
source: {kind: mqtt, topics: ["GROUP/v1.1/Datastreams(1)/Observations"]}
decoder: {kind: json}
key: to_string("@iot.id")
minimise: {keep: ["@iot.id", phenomenonTime, result]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'datastream', '1')
    observedAt: time(phenomenonTime)
    attributes: {atmosphericPressure: {value: result, unitCode: A97}}
"""


@pytest.mark.timeout(180)
async def test_sensorthings_observations(
    city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str
) -> None:
    """A datastream's topic carries each new Observation as the HTTP interface shows it (18-088, 14.2)."""
    path = city / "feeds" / "pressure.yaml"
    path.write_text(OBSERVATIONS.replace("GROUP", topic_prefix))
    feed = load(path)
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}")
    await apply_topics([feed], ["environment"], settings, partitions=1, replication=1)
    session = f"{topic_prefix}datapolis-pressure"
    async with aiomqtt.Client(*mqtt, identifier=session, clean_session=False) as waiting:
        await waiting.subscribe(f"{topic_prefix}/v1.1/Datastreams(1)/Observations", qos=1)
    async with aiomqtt.Client(*mqtt) as client:
        for n in range(3):
            observation = {
                "@iot.id": n, "@iot.selfLink": f"https://a.example/v1.1/Observations({n})",
                "phenomenonTime": f"2026-01-01T0{n}:00:00.000Z", "resultTime": None, "result": 1009.86 + n,
                "parameters": {"publish_yn": "Y"}, "Datastream@iot.navigationLink": "https://a.example/v1.1/x",
            }  # fmt: skip
            topic = f"{topic_prefix}/v1.1/Datastreams(1)/Observations"
            await client.publish(topic, json.dumps(observation), qos=1)
        await client.publish(f"{topic_prefix}/v1.1/Datastreams(2)/Observations", "{}", qos=1)
    async with _running([feed], settings):
        found = await wait_for(kafka, f"{topic_prefix}entities.environment", 1, 3, 60)
    pressure = "https://smartdatamodels.org/dataModel.Weather/atmosphericPressure"
    assert [json.loads(one.value)["entity"][pressure] for one in found] == [
        {"type": "Property", "value": 1009.86 + n, "unitCode": "A97", "observedAt": f"2026-01-01T0{n}:00:00Z"}
        for n in range(3)
    ]


@pytest.mark.timeout(180)
async def test_births_data_and_deaths_and_packs(
    city: Path, make_settings: Make, kafka: str, mqtt: tuple[str, int], topic_prefix: str, data: Path | None
) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    raw = {one: (data / "lorawan_mqtt" / "sparkplug_b" / f"{one}_V1.bin").read_bytes()
           for one in ("NBIRTH", "NDATA", "NDEATH")}  # fmt: skip
    feeds = []
    for name, text in (("plant", SPARKPLUG), ("packs", SENML)):
        path = city / "feeds" / f"{name}.yaml"
        path.write_text(text.replace("GROUP", topic_prefix))
        feeds.append(load(path))
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, mqtt=f"{mqtt[0]}:{mqtt[1]}")
    await apply_topics(feeds, ["environment"], settings, partitions=1, replication=1)
    records = f"{topic_prefix}feeds.plant.records"
    async with aiomqtt.Client(*mqtt) as client:
        async with _running(feeds, settings) as supervisor:
            await _until(lambda: all(one.leader for one in supervisor.runners.values()), 40)
            await asyncio.sleep(1)
            await client.publish(f"spBv1.0/{topic_prefix}/NBIRTH/n1", raw["NBIRTH"], qos=1)
            pack = [{"bn": "room", "bt": 1_767_225_600, "n": "temp", "u": "Cel", "v": 21.5}, {"n": "hum", "v": 40}]
            await client.publish(f"{topic_prefix}/senml", json.dumps(pack), qos=1)
            assert len(await wait_for(kafka, records, 1, 1)) == 1
            (packed,) = await wait_for(kafka, f"{topic_prefix}feeds.packs.records", 1, 1)
        async with _running(feeds, settings):
            await client.publish(f"spBv1.0/{topic_prefix}/NDATA/n1", raw["NDATA"], qos=1)
            await client.publish(f"spBv1.0/{topic_prefix}/NDEATH/n1", raw["NDEATH"], qos=1)
            await client.publish(f"spBv1.0/{topic_prefix}/NDATA/n2", raw["NDATA"], qos=1)
            found = [json.loads(one.value) for one in await wait_for(kafka, records, 1, 3, 60)]
            (letter,) = await wait_for(kafka, f"{topic_prefix}dead.plant", 1, 1, 60)
    assert json.loads(packed.value) == {"base": "room", "time": "2026-01-01T00:00:00Z", "values": {"temp": 21.5}}
    assert [one["online"] for one in found] == [True, True, False]
    assert isinstance(found[1]["metrics"]["Temperature"], float)
    assert json.loads(letter.value)["rule"] == "alias"
