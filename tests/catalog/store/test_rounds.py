"""What is stored of each round: one row per run of equal findings, verdicts by version, and who may touch them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from catalog.dataset import FeedStatus, Harvest
from catalog.readiness import assess, status_at
from catalog.store import rounds
from catalog.store.connect import Conn, assessor_lock, open_pool
from tests.catalog.samples import NOW, SOURCES, domain, harvest
from tests.fixtures.postgres import Database


@pytest.fixture
async def conn(pg: Database) -> AsyncIterator[Conn]:
    """A connection as datapolis_catalog."""
    pool = await open_pool(pg.dsn("catalog"))
    async with pool.acquire() as found:
        yield found
    await pool.close()


async def _round(conn: Conn, seconds: float, *, stopped: bool = False) -> list[str]:
    """Assess and store at NOW + seconds; with the feed heard just now, or a long time ago."""
    now = NOW + timedelta(seconds=seconds)
    heard = now - timedelta(seconds=500 if stopped else 2)
    quality = tuple(replace(m, at=now) for m in harvest().quality)
    feeds = (FeedStatus("buses", "stopped" if stopped else "running", 9, 8, 1, heard, heard),)
    found = harvest(at=now, feeds=feeds, quality=tuple(m for m in quality if m.feed == "buses"))
    return await rounds.save(conn, [found], [assess(found, now, SOURCES, 900.0)], now)


async def test_a_round_reads_back_as_it_was(conn: Conn) -> None:
    """Harvest and evidence survive the database unchanged."""
    verdict = assess(harvest(), NOW, SOURCES, 900.0)
    assert await rounds.save(conn, [harvest()], [verdict], NOW) == ["mobility"]
    (record,) = await rounds.load(conn)
    assert record.harvest == harvest()
    assert record.verdict == verdict
    assert (record.issued, record.since) == (NOW, NOW)


async def test_history_keeps_one_version_per_change(conn: Conn) -> None:
    """Equal rounds renew a row; a change of verdict begins a version; the verdict recovers by itself."""
    changed = [
        await _round(conn, 0),
        await _round(conn, 5),
        await _round(conn, 10, stopped=True),
        await _round(conn, 15, stopped=True),
        await _round(conn, 20),
    ]
    assert changed == [["mobility"], [], ["mobility"], [], ["mobility"]]
    (record,) = await rounds.load(conn)
    assert [(c.version, c.status, c.failing) for c in record.history] == [
        (1, "governed", ()),
        (2, "not yet", ("freshness",)),
        (3, "governed", ()),
    ]
    assert [(c.since, c.last_at) for c in record.history] == [
        (NOW, NOW + timedelta(seconds=5)),
        (NOW + timedelta(seconds=10), NOW + timedelta(seconds=15)),
        (NOW + timedelta(seconds=20), NOW + timedelta(seconds=20)),
    ]
    assert record.history[1].reason == (
        "Nothing has arrived for 8 minutes; the objective is 60 seconds. Feed buses is stopped."
    )
    runs = await conn.fetch("SELECT gate, count(*) AS n FROM catalog.evidence GROUP BY gate ORDER BY gate")
    assert {row["gate"]: row["n"] for row in runs} == {
        "assessment": 1,
        "completeness": 1,
        "freshness": 3,
        "licence": 1,
        "owner": 1,
        "policy": 1,
        "provenance": 1,
        "purposes": 1,
        "retention": 1,
        "steward": 1,
        "validity": 1,
    }


async def test_a_stored_verdict_lapses_without_an_assessor(conn: Conn) -> None:
    """Read an hour later, with no round in between, nothing is governed any more."""
    await _round(conn, 0)
    (record,) = await rounds.load(conn)
    assert status_at(record.verdict, NOW + timedelta(seconds=1)).status == "governed"
    assert status_at(record.verdict, NOW + timedelta(hours=1)).status == "not yet"


async def test_domains_keep_the_city_order_and_leave_with_it(conn: Conn) -> None:
    """A domain that the city no longer declares is not shown; its verdicts stay in the history."""
    both = [replace(harvest(), domain=domain(name=name)) for name in ("water", "air")]
    await rounds.save(conn, both, [assess(h, NOW, SOURCES, 900.0) for h in both], NOW)
    assert [r.harvest.domain.name for r in await rounds.load(conn)] == ["water", "air"]
    await rounds.save(conn, both[1:], [assess(both[1], NOW, SOURCES, 900.0)], NOW)
    assert [r.harvest.domain.name for r in await rounds.load(conn)] == ["air"]
    assert await conn.fetchval("SELECT count(*) FROM catalog.verdicts WHERE domain = 'water'") == 1


async def test_missing_values_are_stored_as_nothing(conn: Conn) -> None:
    """A domain with nothing declared and nothing measured still reads back equal."""
    bare = Harvest(replace(domain(types=()), owner=None, licence=None, targets=(), freshness_s=None), NOW)
    verdict = assess(bare, NOW, SOURCES, 900.0)
    await rounds.save(conn, [bare], [verdict], NOW)
    (record,) = await rounds.load(conn)
    assert record.verdict == verdict
    assert record.verdict.failing == ("owner", "licence", "policy", "completeness", "freshness", "provenance")


async def test_one_assessor_at_a_time(pg: Database, conn: Conn) -> None:
    """A second assessor waits until the first lets go."""
    other = await asyncpg.connect(pg.dsn("catalog"), timeout=10)
    try:
        async with assessor_lock(conn) as first, assessor_lock(other) as second:
            assert (first, second) == (True, False)
        async with assessor_lock(other) as later:
            assert later
    finally:
        await asyncio.wait_for(other.close(), 10)


async def test_other_logins_have_no_business_here(pg: Database) -> None:
    """Nobody but the catalog reads its tables, and the catalog itself rewrites no history away."""
    for role in ("broker", "policies"):
        found = await asyncpg.connect(pg.dsn(role), timeout=10)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await found.fetch("SELECT * FROM catalog.evidence")
        await found.close()
    own = await asyncpg.connect(pg.dsn("catalog"), timeout=10)
    for table in ("evidence", "verdicts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await own.execute(f"DELETE FROM catalog.{table}")  # noqa: S608 - two names of this test
    await own.close()
