"""The pool: tenants on connections, waiting, broken connections, and what comes back clean."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from broker.store.pool import Pool
from tests.fixtures.postgres import Database

DEFAULT = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
PLATFORM = "t_" + hashlib.sha256(b"platform").hexdigest()[:16]
WHO = "SELECT current_user || ' ' || current_schema()"


@pytest.fixture
async def pool(pg_module: Database) -> AsyncIterator[Pool]:
    pool = Pool(pg_module.dsn("broker"), size=2)
    await pool.open()
    yield pool
    await pool.close()


async def test_a_connection_acts_as_the_tenant_it_is_lent_to(pool: Pool) -> None:
    for schema, who in (
        (DEFAULT, f"{DEFAULT} {DEFAULT}"),
        (None, "datapolis_broker broker"),
        (PLATFORM, f"{PLATFORM} {PLATFORM}"),
        (DEFAULT, f"{DEFAULT} {DEFAULT}"),
    ):
        async with pool.lend(schema) as conn:
            assert await conn.fetchval(WHO) == who


async def test_a_prepared_statement_follows_the_tenant(pool: Pool) -> None:
    for schema in (DEFAULT, PLATFORM, DEFAULT):
        async with pool.lend(schema) as conn:
            assert await conn.fetchval("SELECT 'entities'::regclass::oid = ($1 || '.entities')::regclass::oid", schema)
            assert await conn.fetch("SELECT id FROM entities WHERE id = $1", "urn:x:1") == []


async def test_the_same_tenant_gets_its_connection_back(pool: Pool) -> None:
    async with pool.lend(DEFAULT) as one, pool.lend(PLATFORM) as two:
        first, second = one, two
    async with pool.lend(DEFAULT) as conn:
        assert conn is first
    async with pool.lend(PLATFORM) as conn:
        assert conn is second


async def test_those_who_wait_are_served_in_turn(pool: Pool) -> None:
    order: list[int] = []

    async def use(n: int) -> None:
        async with pool.lend(DEFAULT) as conn:
            order.append(n)
            await conn.fetchval("SELECT pg_sleep(0.01)")

    async with pool.lend(DEFAULT), pool.lend(DEFAULT):
        pass  # both connections are open now: opening takes them unequal times
    await asyncio.gather(*[use(n) for n in range(10)])
    assert order == list(range(10))


async def test_who_waits_too_long_is_told(pg: Database) -> None:
    pool = Pool(pg.dsn("broker"), size=1, command_timeout_s=0.05)
    async with pool.lend(None):
        with pytest.raises(TimeoutError, match="no database connection became free in time"):
            await pool.take(None)
    async with asyncio.timeout(30), pool.lend(None) as conn:  # the one who gave up is passed over
        assert not conn.is_closed()
    await pool.close()


async def test_a_transaction_ends_with_its_block(pool: Pool) -> None:
    async def broken() -> None:
        async with pool.tx(DEFAULT) as conn:
            await conn.execute("INSERT INTO entity_type VALUES ('https://example.org/T', 'urn:x:1')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await broken()
    async with pool.lend(DEFAULT) as conn:
        assert await conn.fetchval("SELECT count(*) FROM entity_type") == 0


async def test_a_killed_connection_is_replaced(pool: Pool, pg_module: Database) -> None:
    async with pool.lend(DEFAULT) as conn:
        pid = conn.get_server_pid()
    admin = await asyncpg.connect(pg_module.dsn("admin"))
    await admin.execute("SELECT pg_terminate_backend($1)", pid)
    await admin.close()
    await asyncio.sleep(0.1)
    for _ in range(3):
        async with pool.lend(DEFAULT) as conn:
            assert await conn.fetchval("SELECT 1") == 1
            assert conn.get_server_pid() != pid


async def test_a_cancelled_waiter_loses_nothing(pool: Pool) -> None:
    async with pool.lend(DEFAULT), pool.lend(DEFAULT):
        waiter = asyncio.create_task(pool.take(DEFAULT))
        await asyncio.sleep(0.01)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
    async with pool.lend(DEFAULT) as one, pool.lend(DEFAULT) as two:
        assert await one.fetchval("SELECT 1") == await two.fetchval("SELECT 1")


async def test_a_schema_that_is_none_is_refused(pool: Pool) -> None:
    with pytest.raises(ValueError, match="not a tenant schema"):
        await pool.take("public; DROP TABLE x")


async def test_a_closed_pool_lends_nothing(pg_module: Database) -> None:
    pool = Pool(pg_module.dsn("broker"), size=1)
    async with pool.lend(None) as conn:
        waiter = asyncio.create_task(pool.take(None))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(ConnectionError):
            await waiter
    assert conn.is_closed()
    with pytest.raises(ConnectionError):
        await pool.take(None)


async def test_lent_anew_a_connection_plans_for_the_values_at_hand(pool: Pool) -> None:
    async def mode(*, anew: bool) -> str:
        async with pool.lend(DEFAULT, anew=anew) as conn:
            found: str = await conn.fetchval("SELECT current_setting('plan_cache_mode')")
            return found

    assert [await mode(anew=anew) for anew in (True, False, True)] == ["force_custom_plan", "auto", "force_custom_plan"]
