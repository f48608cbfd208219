"""Registrations as stored, and the changes of them that a worker claims."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.core import times
from broker.store import registrations
from broker.store.pool import Pool
from broker.store.registrations import Stored
from broker.workers.expiry import Expiry
from tests.fixtures.postgres import Database

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
TYPE = "https://example.org/Vehicle"


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    found = Pool(pg.dsn(), size=3)
    await found.open()
    yield found
    await found.close()


async def schema(pool: Pool) -> str:
    async with pool.lend(None) as conn:
        return str(await conn.fetchval("SELECT broker.create_tenant('default')"))


def registration(id: str, party: str = "urn:party:a", expires: datetime | None = None, **more: Any) -> Stored:
    doc = {"endpoint": "http://source.example", "information": [{"entities": [{"type": [TYPE]}]}], **more}
    if expires is not None:
        doc["expiresAt"] = times.of(expires)
    return Stored(id, doc, party, NOW, NOW, expires)


async def settle_and_fail(pool: Pool) -> None:
    async with pool.tx(None) as conn:
        await registrations.settle(conn, [one.seq for one in await registrations.claim(conn, 10)])
        raise RuntimeError


async def insert_and_fail(pool: Pool, where: str) -> None:
    async with pool.tx(where) as conn:
        await registrations.insert(conn, "default", registration("urn:r:1"))
        raise RuntimeError


async def test_every_change_is_told_once_and_moves_the_revision(pool: Pool) -> None:
    """Insert, replace and delete each give one change with both states; a claim that fails gives it again."""
    where = await schema(pool)
    first, again = registration("urn:r:1"), registration("urn:r:1", mode="redirect")
    async with pool.tx(where) as conn:
        assert await registrations.insert(conn, "default", first)
        assert not await registrations.insert(conn, "default", registration("urn:r:1", "urn:party:b"))
    async with pool.tx(where) as conn:
        locked = await registrations.lock(conn, "urn:r:1")
        assert locked == first
        await registrations.replace(conn, "default", locked, again)
    async with pool.tx(where) as conn:
        assert await registrations.every(conn, NOW) == [again]
        assert await registrations.delete(conn, "default", "urn:r:1", NOW)
        assert not await registrations.delete(conn, "default", "urn:r:1", NOW)
        assert await registrations.one(conn, "urn:r:1", NOW) is None
    async with pool.lend(None) as conn:
        assert await registrations.revision(conn, where) > 0
    with pytest.raises(RuntimeError):
        await settle_and_fail(pool)
    async with pool.tx(None) as conn:
        claimed = await registrations.claim(conn, 10)
        assert [(one.tenant, one.id, one.was, one.now) for one in claimed] == [
            ("default", "urn:r:1", None, first),
            ("default", "urn:r:1", first, again),
            ("default", "urn:r:1", again, None),
        ]
        async with pool.tx(None) as other:
            assert await registrations.claim(other, 10) == []
        await registrations.settle(conn, [one.seq for one in claimed])
    async with pool.tx(None) as conn:
        assert await registrations.claim(conn, 10) == []


async def test_a_change_that_is_rolled_back_is_not_told(pool: Pool) -> None:
    where = await schema(pool)
    with pytest.raises(RuntimeError):
        await insert_and_fail(pool, where)
    async with pool.tx(None) as conn:
        assert await registrations.claim(conn, 10) == []
        assert await registrations.revision(conn, where) == 0


async def test_what_has_expired_is_not_given_out_and_is_swept_with_its_change(pool: Pool) -> None:
    where = await schema(pool)
    over, later = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
    async with pool.tx(where) as conn:
        for one in (registration("urn:r:1", expires=over), registration("urn:r:2", expires=later)):
            await registrations.insert(conn, "default", one)
        assert [one.id for one in await registrations.every(conn, NOW)] == ["urn:r:1", "urn:r:2"]
        assert [one.id for one in await registrations.every(conn, over)] == ["urn:r:2"]
        assert await registrations.one(conn, "urn:r:1", over) is None
        assert [one.id for one in await registrations.page(conn, "urn:party:a", 5, 0, over)] == ["urn:r:2"]
        assert await registrations.count(conn, "urn:party:a") == 2
    assert await Expiry(pool).sweep(over) == 1
    async with pool.tx(where) as conn:
        assert await registrations.count(conn, "urn:party:a") == 1
    async with pool.tx(None) as conn:
        last = (await registrations.claim(conn, 10))[-1]
        assert last.was is not None
        assert (last.was.id, last.now, last.at) == ("urn:r:1", None, over)


async def test_changes_that_nobody_claims_are_dropped(pool: Pool) -> None:
    where = await schema(pool)
    async with pool.tx(where) as conn:
        await registrations.insert(conn, "default", registration("urn:r:1"))
    await Expiry(pool, keep_settled_d=7).sweep(NOW + timedelta(days=8))
    async with pool.tx(None) as conn:
        assert await registrations.claim(conn, 10) == []
