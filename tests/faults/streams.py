"""Streams of envelopes with everything that feeds do wrong: late, repeated, out of order. And what became of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from broker.core import topics
from broker.core.envelope import Envelope, event_id, serialise
from broker.core.ids import TenantId

__all__ = ["FEED", "TYPE", "Contents", "contents", "declare", "disturbed", "permit", "produce", "stream"]

FEED = "test-feed"
DOMAIN = "mobility"
TENANT = "default"
TYPE = "https://datapolis.example/ns#Vehicle"
_SPEED = "https://datapolis.example/ns#speed"
_HEADING = "https://datapolis.example/ns#heading"
_LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_START = datetime(2026, 11, 20, tzinfo=UTC)


async def declare(bootstrap: str, prefix: str, *, partitions: int = 4) -> None:
    """Declare the topics of a small city."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = topics.specs([FEED], [DOMAIN], partitions=partitions, prefix=prefix)
        await admin.create_topics([NewTopic(one.name, one.partitions, 1) for one in wanted])
    finally:
        await admin.close()


async def permit(dsn: str, *, types: Sequence[str] = (TYPE,), feed: str = FEED) -> None:
    """Put the publish agreement of the feed in force (`dsn`: datapolis_policies)."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            "INSERT INTO policies.domains (tenant, name, types, body, digest) VALUES ($1, $2, $3, '{}', '') "
            "ON CONFLICT DO NOTHING",
            TENANT,
            DOMAIN,
            list(types),
        )
        body = {
            "permission": [
                {"action": ["publish"], "target": {"feeds": [feed], "types": list(types)}, "constraint": [], "duty": []}
            ],
            "prohibition": [],
        }
        await conn.execute(
            "INSERT INTO policies.agreements (uid, version, status, tenant, domain, assigner, assignee, valid_from, "
            "valid_until, body, source, digest) VALUES ($1, 1, 'active', $2, $3, 'urn:party:city', "
            "'urn:party:connectors', now() - interval '1 day', now() + interval '1 day', $4, '{}', '')",
            f"urn:test:{feed}",
            TENANT,
            DOMAIN,
            orjson.dumps(body).decode(),
        )
    finally:
        await conn.close()


def stream(count: int, *, entities: int = 200, seed: int = 1) -> list[Envelope]:
    """Make envelopes in the order of their making; observations repeat instants and arrive late among them."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible stream
    found: list[Envelope] = []
    for n in range(count):
        entity = chance.randrange(entities)
        observed = _START + timedelta(seconds=n // entities * 10 - chance.choice((0, 0, 0, 20, 40)))
        found.append(
            Envelope(
                event_id(FEED, n % 4, n // 4, 0),
                FEED,
                "sha256:test",
                TenantId(TENANT),
                DOMAIN,
                "merge",
                _text(_START + timedelta(seconds=n // 7)),
                _vehicle(entity, _text(observed), chance),
            )
        )
    return found


def disturbed(envelopes: Sequence[Envelope], *, seed: int = 2) -> list[Envelope]:
    """Repeat a tenth of the envelopes, and shuffle all of them within a wide window."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible stream
    placed = [(n + chance.uniform(0, 500), one) for n, one in enumerate(envelopes)]
    placed += [(n + chance.uniform(0, 3000), one) for n, one in enumerate(envelopes) if chance.random() < 0.1]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]


async def produce(bootstrap: str, prefix: str, envelopes: Sequence[Envelope]) -> int:
    """Produce the envelopes to their domain's topic and return how many."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        topic = topics.prefixed(topics.entities(DOMAIN), prefix)
        for one in envelopes:
            await producer.send(topic, serialise(one), topics.key(one.tenant, one.entity["id"]))
        await producer.flush()
    finally:
        await producer.stop()
    return len(envelopes)


@dataclass(frozen=True, slots=True)
class Contents:
    """State and history of a tenant, without createdAt, modifiedAt and instanceId."""

    entities: dict[str, Any]
    history: list[tuple[Any, ...]]


async def contents(dsn: str, tenant: str = TENANT) -> Contents:
    """Read everything that a tenant holds (`dsn`: a superuser)."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            "SELECT set_config('search_path', schema || ', public', false) FROM broker.tenants WHERE tenant = $1",
            tenant,
        )
        rows = await conn.fetch(
            "SELECT id, types, scopes, names, segs, vals, ST_AsText(location) AS location, meta FROM entities"
        )
        entities = {
            row["id"]: {
                "types": sorted(row["types"]),
                "scopes": row["scopes"],
                "attrs": {name: orjson.loads(seg) for name, seg in zip(row["names"], row["segs"], strict=True)},
                "vals": orjson.loads(row["vals"]),
                "location": row["location"],
                "keys": _keys(orjson.loads(row["meta"])),
            }
            for row in rows
        }
        history = await conn.fetch(
            "SELECT entity, attr, dataset_id, observed_at, received_at, event, kind, body "
            "FROM history ORDER BY 1, 2, 3, 4, 5, 6"
        )
        return Contents(entities, [tuple(row) for row in history])
    finally:
        await conn.close()


def _keys(meta: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """Keep the order keys (observed, received, event) of `meta`; drop createdAt and modifiedAt."""
    return {
        name: {dataset: [key[0], *key[3:]] for dataset, key in by_dataset.items()}
        for name, by_dataset in meta.items()
        if isinstance(by_dataset, dict)
    }


def _vehicle(number: int, observed: str, chance: random.Random) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Vehicle:{number}",
        "type": [TYPE],
        _SPEED: {"type": "Property", "value": chance.randrange(1200) / 10, "unitCode": "KMH", "observedAt": observed},
        _LOCATION: {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [chance.randrange(-1800, 1800) / 10, chance.randrange(800) / 10]},
            "observedAt": observed,
        },
    }
    if chance.random() < 0.3:
        entity[_HEADING] = {"type": "Property", "value": chance.randrange(360), "observedAt": observed}
    return entity


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
