"""Every recorded input, by a feed declared in YAML, through Kafka and the ingest worker into PostgreSQL.

Of each feed: records received, mapped and rejected, each rejection by stage, rule and field; every entity in full with
what the broker answers; every instance of its history. What is refused leaves nothing. Feeds of more than some thousand
records take part in the long proof (DATAPOLIS_PROVE=1). Without recorded data, small files made on the spot stand in.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import aiomqtt
import asyncpg
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.feed import Feed
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT
from tests.connectors.made import MADE, make
from tests.connectors.manifest import NOT_INPUT, SPARKPLUG, inputs, portions, read_by
from tests.connectors.recorded_sources import SOURCES
from tests.connectors.whole import Expected, Portion, dead_letters, expected, ingested
from tests.fixtures.broker import Api, broker_process
from tests.fixtures.postgres import Database

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
MOST = 1_000_000 if PROVE else 3_000
_RECORDED = ROOT / "tests" / "data" / "recorded"
WANTED: dict[str, Any] = {
    **json.loads((_RECORDED / "formats.json").read_text(encoding="utf-8")),
    **json.loads((SOURCES / "expected.json").read_text(encoding="utf-8")),
    "nyc-311": {"records": 4_969, "entities": 4_907, "ids": 4_907},
    "valencia-air": {"records": 43_824, "entities": 43_536, "ids": 1},
}
NEGATIVE = {
    "transit/gtfs-rt/invalid.pb": ("gtfs-rt-invalid", {("decode", "protobuf", ""): 1}, []),
    "wot/test-things/advanced-coffee-machine.tm.json": (
        "wot-things",
        {("check", "no-template", "@type"): 1},
        ["urn:ngsi-ld:Thing:%7B%7BTHING_NAME%7D%7D"],
    ),
    "lorawan_mqtt/mqtt/hsl/hfp-tlr-sample-invalid.json": (
        "hsl-positions",
        {("check", "known-decision", "tlp-decision"): 1},
        [],
    ),
}
"""File: its feed, why the feed refuses it, and ids that must not be."""
_CORE = {"https://uri.etsi.org/ngsi-ld/location": "location", "http://purl.org/dc/terms/description": "description",
         "http://purl.org/dc/terms/title": "title"}  # fmt: skip


def test_no_input_is_forgotten(data: Path | None, tmp_path: Path) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    read = read_by(portions(data, tmp_path), data)
    wanted = inputs(data)
    assert len(wanted) == 212
    assert [one for one in wanted if one not in read] == []
    assert NEGATIVE.keys() <= set(wanted)
    assert len(NOT_INPUT) == 2


def _chosen(found: Sequence[Portion]) -> list[Portion]:
    """Leave out the feeds that are too large, and those that have no file here."""
    return [
        Portion(
            one.settings, tuple(feed for feed in one.feeds if WANTED.get(feed.feed, {"records": 1})["records"] <= MOST)
        )
        for one in found
    ]


@pytest.mark.timeout(900 if PROVE else 240)
async def test_every_input_is_stored_or_refused(
    data: Path | None, pg: Database, kafka: str, mqtt: tuple[str, int], topic_prefix: str, tmp_path: Path
) -> None:
    folder = data if data is not None else make(tmp_path / "data")
    members = {"kafka": kafka, "mqtt": f"{mqtt[0]}:{mqtt[1]}"}
    found = _chosen(portions(folder, tmp_path, topic_prefix, **members))
    if data is None:
        found = [Portion(one.settings, tuple(feed for feed in one.feeds if feed.feed in MADE)) for one in found]
    feeds = {feed.feed: (feed, one.settings) for one in found for feed in one.feeds}
    wanted = {name: _expected(folder, topic_prefix, *feed) for name, feed in feeds.items()}
    _as_written(wanted, MADE if data is None else WANTED)
    if "sparkplug" in feeds:
        await _queue(mqtt, topic_prefix, _births(folder, topic_prefix))
    async with ingested(found, pg, tmp_path, 600 if PROVE else 120) as ingest:
        counted = await ingest.counted({name: one.records for name, one in wanted.items()})
        await ingest.stored()
    assert counted == {name: (one.records, one.mapped, one.rejected.total()) for name, one in wanted.items()}
    letters = await dead_letters(found[0].settings, wanted)
    assert {
        name: Counter((one["stage"], one["rule"], one["field"]) for one in of_feed) for name, of_feed in letters.items()
    } == {name: one.rejected for name, one in wanted.items()}
    await _compare_history(pg, wanted)
    with broker_process(pg, {"DATAPOLIS_ACCESS": "open"}) as running:
        async with aiohttp.ClientSession() as http:
            await _compare_state(Api(http, running.url, None), wanted)
            await _compare_one(Api(http, running.url, None), pg, wanted, MADE if data is None else WANTED)
            if data is not None:
                await _nothing_of_the_refused(Api(http, running.url, None), wanted)


def _expected(data: Path, prefix: str, feed: Feed, settings: ConnectorSettings) -> Expected:
    return expected(feed, settings, _births(data, prefix) if feed.feed == "sparkplug" else None)


def _births(data: Path, prefix: str) -> list[tuple[str, bytes]]:
    folder = data / "lorawan_mqtt" / "sparkplug_b"
    nodes = {one: "large" if one.endswith("LARGE") else "small" for one in SPARKPLUG}
    return [
        (f"spBv1.0/{prefix}/{one.split('_')[0]}/{node}", (folder / f"{one}.bin").read_bytes())
        for one, node in nodes.items()
        if (folder / f"{one}.bin").exists()
    ]


async def _queue(mqtt: tuple[str, int], prefix: str, messages: Iterable[tuple[str, bytes]]) -> None:
    """Let messages wait in the session that the feed will take up, so that none is sent before it listens."""
    expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
    expiry.SessionExpiryInterval = 600
    async with aiomqtt.Client(
        *mqtt, identifier=f"{prefix}datapolis-sparkplug", protocol=aiomqtt.ProtocolVersion.V5, clean_start=False,
        properties=expiry,
    ) as session:  # fmt: skip
        await session.subscribe(f"spBv1.0/{prefix}/#", qos=1)
    async with aiomqtt.Client(*mqtt) as sender:
        for topic, raw in messages:
            await sender.publish(topic, raw, qos=1)


def _as_written(found: Mapping[str, Expected], written: Mapping[str, Any]) -> None:
    """The counts that are written down by hand are those that mapping gives."""
    for name in found.keys() & written.keys():
        one, by_hand = found[name], written[name]
        counts = (one.records, one.mapped, len(one.types))
        assert counts == (by_hand["records"], by_hand["entities"], by_hand["ids"]), name
        if "rejected" in by_hand:
            assert one.rejected == Counter(tuple(each[1:]) for each in by_hand["rejected"]), name
    uplinks = [one for name, one in found.items() if name.startswith("lorawan-")]
    if len(uplinks) > 1:
        assert sum(one.records for one in uplinks) == 100
        assert sum((one.rejected for one in uplinks), Counter[Any]()) == {("map", "time", "observedAt"): 4}


def _merged(wanted: Mapping[str, Expected]) -> tuple[dict[str, list[str]], Expected]:
    """Put the feeds together: some say different things of the same entity."""
    whole = Expected()
    for one in wanted.values():
        whole.types |= one.types
        for key, instances in one.instances.items():
            known = whole.instances.setdefault(key, [])
            known += [each for each in instances if each not in known]
    return whole.types, whole


async def _compare_history(database: Database, wanted: Mapping[str, Expected]) -> None:
    conn = await asyncpg.connect(database.dsn("admin"))
    try:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
        rows = await conn.fetch(
            f"SELECT split_part(event, '/', 1) AS feed, entity, attr, observed_at, body FROM {schema}.history"  # noqa: S608
        )
    finally:
        await conn.close()
    _, whole = _merged(wanted)
    stored = {(row["entity"], row["attr"], row["observed_at"]): json.loads(row["body"]) for row in rows}
    assert len(stored) == len(rows)
    assert stored.keys() ^ whole.instances.keys() == set()
    for key, body in stored.items():
        assert body in whole.instances[key], key
    assert all(row["entity"] in wanted[row["feed"]].types for row in rows)


async def _compare_state(api: Api, wanted: Mapping[str, Expected]) -> None:
    types, whole = _merged(wanted)
    latest = whole.latest()
    found: dict[str, Any] = {}
    for kind in sorted({one for each in types.values() for one in each}):
        after = 0
        while True:
            answer = await api.call("GET", f"/entities?type={_quoted(kind)}&limit=1000&offset={after}")
            assert answer.status == 200, answer.body
            found |= {one["id"]: one for one in answer.json}
            after += 1000
            if len(answer.json) < 1000:
                break
    assert found.keys() == types.keys()
    for name, entity in found.items():
        assert {entity["type"]} == set(types[name])
        assert entity.keys() - {"id", "type"} == {_CORE.get(attr, attr) for attr in latest[name]}
        for attr, candidates in latest[name].items():
            assert entity[_CORE.get(attr, attr)] in candidates, (name, attr)


async def _compare_one(
    api: Api, database: Database, wanted: Mapping[str, Expected], written: Mapping[str, Any]
) -> None:
    """The entity that is written down of each feed, by retrieve; of a series, at its instant."""
    _, whole = _merged(wanted)
    latest, seen = whole.latest(), 0
    for name in sorted(wanted):
        one = written.get(name, {}).get("one") or written.get(name, {}).get("first")
        if one is None:
            continue
        answer = await api.call("GET", f"/entities/{quote(one['id'], safe='')}")
        assert answer.status == 200, (name, answer.body)
        seen += 1
        for attr, instance in one.items():
            if attr in {"id", "type"}:
                continue
            at = datetime.fromisoformat(instance["observedAt"])
            assert instance in whole.instances[one["id"], attr, at], (name, attr)
            if latest[one["id"]][attr] == [instance]:
                assert answer.json[_CORE.get(attr, attr)] == instance, (name, attr)
    assert seen == sum(1 for name in wanted if (written.get(name, {}).get("one") or written.get(name, {}).get("first")))


async def _nothing_of_the_refused(api: Api, wanted: Mapping[str, Expected]) -> None:
    for file, (name, refused, absent) in NEGATIVE.items():
        assert refused.items() <= wanted[name].rejected.items(), file
        for entity in absent:
            assert (await api.call("GET", f"/entities/{quote(entity, safe='')}")).status == 404


def _quoted(iri: str) -> str:
    return iri.replace("#", "%23")
