"""A whole ingest pipeline of a test's own: records in Kafka, mappers, ingest workers, and a digest of what came out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from broker.core import topics
from docker.local.stack import ROOT

__all__ = ["FEED", "TYPE", "Digest", "Record", "digest", "disturbed", "ends", "in_order", "produce", "write_feed"]

FEED = "prove-vehicles"
TYPE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
PARTITIONS = 4
_ENTITIES = 5_000
_START = datetime(2026, 11, 20, tzinfo=UTC)
_CHUNK = 20_000
_DECLARED = f"""
feed: {FEED}
title: Vehicles
domain: mobility
source: {{kind: file, path: "/nowhere/*.none"}}
decoder: {{kind: json}}
key: id
minimise: {{keep: [id, at, speed, lon, lat, heading]}}
mapping:
  - type: Vehicle
    id: urn('Vehicle', 'prove', id)
    observedAt: time(at)
    attributes:
      location: {{type: GeoProperty, value: "point(lon, lat)"}}
      speed: {{value: speed, unitCode: KMH}}
      bearing: heading
"""

Record = tuple[int, dict[str, Any]]
"""The time it was received at (ms), and what it says."""


def write_feed(city: Path) -> None:
    """Write the city folder with the one feed."""
    (city / "feeds").mkdir(parents=True)
    (city / "context.jsonld").write_bytes((ROOT / "city" / "context.jsonld").read_bytes())
    (city / "feeds" / f"{FEED}.yaml").write_text(_DECLARED)


def in_order(count: int, *, seed: int = 7) -> Iterator[Record]:
    """Yield records in the order of their making; no vehicle says two things about one instant."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible stream
    for n in range(count):
        at = _START + timedelta(seconds=n // _ENTITIES * 10)
        record = {
            "id": str(n % _ENTITIES),
            "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "speed": chance.randrange(1200) / 10,
            "lon": chance.randrange(-1800, 1800) / 10,
            "lat": chance.randrange(800) / 10,
        }
        if chance.random() < 0.3:
            record["heading"] = chance.randrange(360)
        yield int(at.timestamp() * 1000) + n % 1000, record


def disturbed(count: int, *, seed: int = 8) -> Iterator[Record]:
    """Yield the same records, a tenth of them twice, out of order within a window of many thousands."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible stream
    window: list[Record] = []
    for record in in_order(count):
        window.append(record)
        if chance.random() < 0.1:
            window.append(record)
        while len(window) > 20_000:
            yield window.pop(chance.randrange(len(window)))
    chance.shuffle(window)
    yield from window


async def produce(bootstrap: str, prefix: str, records: Iterator[Record]) -> None:
    """Produce records; what Kafka did not acknowledge is produced again, whether it arrived or not."""
    topic = topics.prefixed(topics.records(FEED), prefix)
    while chunk := list(islice(records, _CHUNK)):
        while not await _produced(bootstrap, topic, chunk):  # noqa: ASYNC110 - tries again
            await asyncio.sleep(1)


async def _produced(bootstrap: str, topic: str, chunk: Sequence[Record]) -> bool:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", linger_ms=20, request_timeout_ms=15_000, max_batch_size=262_144
    )
    try:
        await producer.start()
        waiting = [
            await producer.send(topic, orjson.dumps(record), record["id"].encode(), timestamp_ms=at)
            for at, record in chunk
        ]
        found = await asyncio.gather(*waiting, return_exceptions=True)
    except (KafkaError, OSError):
        return False
    finally:
        await producer.stop()
    return not any(isinstance(one, BaseException) for one in found)


async def ends(bootstrap: str, topic: str) -> int:
    """Count the records that a topic has ever had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await consumer.start()
        found: dict[Any, int] = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
    finally:
        await consumer.stop()
    return sum(found.values())


@dataclass(frozen=True, slots=True)
class Digest:
    """State, and of history the number of rows, of entities and two hash sums; nothing of it depends on order.

    Left out: createdAt, modifiedAt, instanceId, and the event ids, which name places in Kafka.
    """

    state: dict[str, Any]
    rows: int
    entities: int
    sums: tuple[int, int]


async def digest(dsn: str, tenant: str = "default") -> Digest:
    """Read a tenant (`dsn`: a superuser)."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            "SELECT set_config('search_path', schema || ', public', false) FROM broker.tenants WHERE tenant = $1",
            tenant,
        )
        rows = await conn.fetch(
            "SELECT id, types, names, segs, vals, ST_AsText(location) AS location FROM entities ORDER BY id"
        )
        state = {
            row["id"]: (
                sorted(row["types"]),
                {name: orjson.loads(seg) for name, seg in zip(row["names"], row["segs"], strict=True)},
                orjson.loads(row["vals"]),
                row["location"],
            )
            for row in rows
        }
        found = await conn.fetchrow(
            "SELECT count(*), count(DISTINCT entity), sum(hashtextextended(line, 1)), sum(hashtextextended(line, 2)) "
            "FROM (SELECT entity, concat_ws('|', entity, attr, dataset_id, observed_at, received_at, kind, body) "
            "AS line FROM history) AS lines"
        )
    finally:
        await conn.close()
    assert found is not None
    return Digest(state, found[0], found[1], (int(found[2]), int(found[3])))
