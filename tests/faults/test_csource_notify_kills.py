"""The notifier of registrations under kills: every change is told once, in order, under one id (5.11.7)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.store import ledger
from broker.store.csource_subscriptions import ledger_name
from broker.store.pool import Pool
from tests.broker.workers.sources import Sources, told
from tests.faults.processes import Worker, until, workers
from tests.faults.streams import declare
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

_CHANGES = 24
_KILL_AFTER = (1, 12)


@pytest.mark.timeout(180)
async def test_kills_lose_and_double_nothing(
    pg: Database, kafka: str, topic_prefix: str, sink: Sink, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix, partitions=1)
    pool = Pool(pg.dsn("broker"), size=4)
    async with pool.lend(None) as conn:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
    sources = Sources(pool, schema)
    environment = {
        **pg.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_ACCESS": "open",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
        "DATAPOLIS_NOTIFY_FIRST_S": "0.05",
    }
    worker = Worker("w", ["notify"], environment, tmp_path / "w.log")
    await sources.register("first")
    id = await sources.subscribe(sink.url + "/a")
    async with workers(worker):
        worker.start()
        await sink.until(1, within_s=60)
        for number in range(_CHANGES):
            await sources.register(f"n{number:02}")
            if number in _KILL_AFTER:
                # killed anywhere between the change's commit and its settlement
                await asyncio.sleep(0.07 * _KILL_AFTER.index(number))
                worker.kill()
                worker.start()

        async def settled() -> bool:
            sums = await sources.totals(id)
            return sums is not None and sums.due == _CHANGES + 1 and not sums.waiting

        await until(settled, within_s=90, what="settlement of all notifications", worker=worker)
        assert worker.stop() == 0
    names: dict[str, tuple[str, list[str]]] = {}
    for one in sink.received:
        assert names.setdefault(one.body["id"], told(one.body)) == told(one.body)
    expected = [("newlyMatching", ["first"]), *(("newlyMatching", [f"n{number:02}"]) for number in range(_CHANGES))]
    assert list(names.values()) == expected
    async with pool.lend(None) as conn:
        sums = (await ledger.totals(conn, "default", [ledger_name(id)]))[ledger_name(id)]
        assert await conn.fetchval("SELECT count(*) FROM broker.registration_changes") == 0
        assert await conn.fetchval("SELECT count(*) FROM broker.ledger_state") == 0
    assert (sums.due, sums.delivered, sums.dead) == (_CHANGES + 1, _CHANGES + 1, 0)
    await pool.close()
