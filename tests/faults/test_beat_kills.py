"""Periodic notifications under kills: the beat is kept, an instant is owed once and told under one name (5.8.6)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from broker.core.patch import Change
from broker.core.subscription import Subscriber
from broker.ops import subscriptions
from broker.store import write
from broker.store.pool import Pool
from tests.faults.processes import Worker, until, workers
from tests.faults.streams import TYPE, declare
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

_KILLS = 8 if os.environ.get("DATAPOLIS_PROVE") == "1" else 1
_SUBSCRIPTIONS = 4


async def _prepare(pool: Pool, schema: str, url: str) -> None:
    now = datetime.now(UTC)
    async with pool.tx(schema) as conn:
        entity = {"id": "urn:ngsi-ld:Vehicle:1", "type": [TYPE]}
        await write.apply(conn, "default", [Change("create", entity["id"], entity)], now)  # type: ignore[arg-type]
        for number in range(_SUBSCRIPTIONS):
            given = {
                "id": f"urn:ngsi-ld:Subscription:{number}",
                "type": "Subscription",
                "timeInterval": 1,
                "entities": [{"type": TYPE}],
                # The receiver is in this process, which stands still while it kills and starts the workers.
                "notification": {"endpoint": {"uri": f"{url}/{number}", "timeout": 60_000}},
            }
            doc = subscriptions.read(given, str, "2026-01-01T00:00:00.000000Z")
            await subscriptions.create(conn, doc, Subscriber("urn:party:test", "", "vendor", (), ""), now)


@pytest.mark.timeout(120 + 20 * _KILLS)
async def test_kills_neither_double_an_instant_nor_shift_the_beat(
    pg: Database, kafka: str, topic_prefix: str, sink: Sink, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix, partitions=2)
    environment = {
        **pg.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_ACCESS": "open",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
        "DATAPOLIS_SESSION_MS": "6000",
        "DATAPOLIS_NOTIFY_TIMEOUT_S": "60",
    }
    both = [Worker(name, ["notify"], environment, tmp_path / f"{name}.log") for name in ("w1", "w2")]
    pool = Pool(pg.dsn("broker"), size=2)
    conn = await asyncpg.connect(pg.dsn("admin"))
    try:
        async with pool.lend(None) as one:
            schema = await one.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
        await _prepare(pool, schema, sink.url)
        beats = await conn.fetch("SELECT subscription, next_at FROM broker.beats")
        async with workers(*both):
            for worker in both:
                worker.start()
            for kill in range(_KILLS + 1):
                goal = len(sink.received) + _SUBSCRIPTIONS + 1

                async def taken(goal: int = goal) -> bool:
                    return len(sink.received) >= goal

                await until(taken, within_s=60, what=f"{goal} notifications", worker=both[kill % 2])
                if kill < _KILLS:
                    both[kill % 2].kill()
                    both[kill % 2].start()
            for worker in both:
                worker.stop()
        rows = await conn.fetch("SELECT subscription, name::text, version, status, error FROM broker.ledger")
    finally:
        await conn.close()
        await pool.close()
    first = {row["subscription"]: round(row["next_at"].timestamp() * 1_000_000) for row in beats}
    assert {(-row["version"] - first[row["subscription"]]) % 1_000_000 for row in rows} == {0}
    assert [row["error"] for row in rows if row["status"] == "dead"] == []
    names = {f"urn:ngsi-ld:Notification:{row['name']}": row for row in rows}
    received = [one.body["id"] for one in sink.received]
    assert {id for id, row in names.items() if row["status"] == "delivered"} <= set(received) <= names.keys()
    assert all(one.path == "/" + names[one.body["id"]]["subscription"][-1] for one in sink.received)
    assert len(received) - len(set(received)) <= _KILLS * _SUBSCRIPTIONS, "only what was under way at a kill goes again"
