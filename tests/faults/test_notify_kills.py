"""Relay and notifier under kills: nothing owed is lost, the ledger adds up, order per entity is kept (5.8.6)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from broker.core.patch import Change
from broker.core.subscription import Subscriber
from broker.ops import subscriptions
from broker.store import ledger, write
from broker.store.pool import Pool
from tests.faults.processes import Worker, until, workers
from tests.faults.streams import TYPE, declare
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

_LEVEL = "https://datapolis.example/ns#level"
_PATHS = ("/ok", "/flaky", "/gone")
_ENTITIES = 20
_ROUNDS = 20
_KILLS = 5


def _subscription(path: str, url: str) -> dict[str, Any]:
    return {
        "type": "Subscription",
        "id": f"urn:ngsi-ld:Subscription:{path.strip('/')}",
        "entities": [{"type": TYPE}],
        "watchedAttributes": [_LEVEL],
        "notification": {"endpoint": {"uri": url + path}},
    }


async def _subscribe(pool: Pool, schema: str, url: str) -> None:
    now = datetime.now(UTC)
    async with pool.tx(schema) as conn:
        for path in _PATHS:
            doc = subscriptions.read(_subscription(path, url), str, "2026-01-01T00:00:00.000000Z")
            await subscriptions.create(conn, doc, Subscriber("urn:party:test", "", "vendor", (), ""), now)


async def _write(pool: Pool, schema: str) -> None:
    """Set each entity's level to 1, 2, 3, ... in transactions of its own."""
    for level in range(1, _ROUNDS + 1):
        changes = [
            Change(
                "upsert_update",
                f"urn:ngsi-ld:Vehicle:{n}",
                {"id": f"urn:ngsi-ld:Vehicle:{n}", "type": [TYPE], _LEVEL: {"type": "Property", "value": level}},
            )
            for n in range(_ENTITIES)
        ]
        async with pool.tx(schema) as conn:
            await write.apply(conn, "default", changes, datetime.now(UTC))


async def _adds_up(conn: asyncpg.Connection[asyncpg.Record]) -> ledger.Balance:
    found = await ledger.balance(conn)
    assert found.due == found.delivered + found.dead + found.waiting
    return found


def _levels(sink: Sink, path: str) -> dict[str, list[int]]:
    """Return, per entity, the levels told, each once, in the order of their first telling."""
    found: dict[str, list[int]] = {}
    for one in sink.of(path):
        entity = one.body["data"][0]
        told = found.setdefault(entity["id"], [])
        if entity[_LEVEL]["value"] not in told:
            told.append(entity[_LEVEL]["value"])
    return found


@pytest.mark.timeout(180)
async def test_kills_lose_nothing_and_the_ledger_adds_up(
    pg: Database, kafka: str, topic_prefix: str, sink: Sink, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix)
    total = _ENTITIES * _ROUNDS
    sink.always = {"/gone": 410}
    sink.answers = {"/flaky": [503, 429, 500]}
    sink.delay_s = {"/ok": 0.004}
    environment = {
        **pg.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_ACCESS": "open",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
        "DATAPOLIS_SESSION_MS": "6000",
        "DATAPOLIS_NOTIFY_TRIES": "4",
        "DATAPOLIS_NOTIFY_FIRST_S": "0.02",
        "DATAPOLIS_NOTIFY_LONGEST_S": "0.1",
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    pool = Pool(pg.dsn("broker"), size=2)
    conn = await asyncpg.connect(pg.dsn("admin"))
    try:
        async with pool.lend(None) as one:
            schema = await one.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
        await _subscribe(pool, schema, sink.url)
        await _write(pool, schema)
        async with workers(worker):
            worker.start()
            for kill in range(_KILLS):
                goal = total * (kill + 1) // (_KILLS + 1)

                async def taken(goal: int = goal) -> bool:
                    await _adds_up(conn)
                    return len(sink.of("/ok")) >= goal

                await until(taken, within_s=30, what=f"{goal} notifications", worker=worker)
                worker.kill()
                await _adds_up(conn)
                worker.start()

            async def settled() -> bool:
                found = await _adds_up(conn)
                return found.due == 3 * total and found.waiting == 0

            await until(settled, within_s=60, what="settled ledger", worker=worker)
            assert worker.stop() == 0
        found = await _adds_up(conn)
        lost = await conn.fetch(
            "SELECT subscription, tries, error FROM broker.ledger "
            "WHERE status = 'dead' AND subscription NOT LIKE '%gone'"
        )
        assert [tuple(row) for row in lost] == []
        assert await conn.fetchval("SELECT count(*) FROM broker.ledger_state") == 0
        assert await conn.fetchval("SELECT count(*) FROM broker.outbox") == 0
        totals = await ledger.totals(conn, "default", [f"urn:ngsi-ld:Subscription:{p.strip('/')}" for p in _PATHS])
    finally:
        await conn.close()
        await pool.close()
    assert found == ledger.Balance(3 * total, 2 * total, total, 0)
    every = list(range(1, _ROUNDS + 1))
    for path in ("/ok", "/flaky"):
        assert _levels(sink, path) == {f"urn:ngsi-ld:Vehicle:{n}": every for n in range(_ENTITIES)}
    assert sink.of("/gone") == []
    gone = totals["urn:ngsi-ld:Subscription:gone"]
    assert (gone.due, gone.delivered, gone.dead, gone.waiting) == (total, 0, total, 0)
    assert gone.sent >= 4 * total
    assert gone.last_success is None
