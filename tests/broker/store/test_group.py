"""Group commit: shared transactions, order of arrival, and errors that stay with their own caller."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from broker.store.group import WriteGroup
from broker.store.pool import Pool
from broker.store.write import Change, Outcome
from policies.audit import AuditRecord, Prepared, prepare
from tests.fixtures.postgres import Database

SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
VALUE = "https://example.org/value"


def doc(entity_id: str, value: Any) -> dict[str, Any]:
    return {"id": entity_id, "type": ["https://example.org/T"], VALUE: {"type": "Property", "value": value}}


def seal(outcome: Outcome) -> Prepared:
    return prepare(
        AuditRecord(
            action="publish",
            caller="urn:party:a",
            door="test",
            outcome="allowed" if outcome.error is None else "error",
            purpose="https://w3id.org/dpv#Purpose",
            request=f"POST {outcome.entity}",
            tenant="default",
        )
    )


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    pool = Pool(pg.dsn("broker"), size=4)
    await pool.open()
    yield pool
    await pool.close()


async def transactions(pg: Database) -> int:
    conn = await asyncpg.connect(pg.dsn("admin"))
    try:
        found: int = await conn.fetchval("SELECT count(DISTINCT xmin::text) FROM policies.audit_pending")
        return found
    finally:
        await conn.close()


async def test_writes_that_arrive_together_share_transactions(pool: Pool, pg: Database) -> None:
    group = WriteGroup(pool)
    results = await asyncio.gather(
        *[
            group.write("default", SCHEMA, Change("create", f"urn:x:{n}", doc(f"urn:x:{n}", n)), None, seal)
            for n in range(100)
        ]
    )
    assert {outcome.result for outcome, _ in results} == {"created"}
    assert len({prepared.id for _, prepared in results}) == 100
    assert await transactions(pg) == 2
    async with pool.lend(SCHEMA) as conn:
        assert await conn.fetchval("SELECT count(*) FROM entities") == 100
    few = [Change("create", f"urn:y:{n}", doc(f"urn:y:{n}", n)) for n in range(15)]
    await asyncio.gather(*[group.write("default", SCHEMA, change, None, seal) for change in few])
    assert await transactions(pg) == 3


async def _until_one_waits(pg: Database) -> None:
    """Wait until a session of this database waits for a lock; the server tells nobody when."""
    conn = await asyncpg.connect(pg.dsn("admin"))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not await conn.fetchval(waiting):  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    await conn.close()


async def test_a_second_group_writes_other_entities_while_the_first_waits(pool: Pool, pg: Database) -> None:
    """A row is locked from outside: its writes wait in their order, and those of other entities do not."""
    group = WriteGroup(pool)

    def write(entity_id: str, value: int) -> asyncio.Task[tuple[Outcome, Prepared]]:
        change = Change("upsert_replace", entity_id, doc(entity_id, value))
        return asyncio.create_task(group.write("default", SCHEMA, change, None, seal))

    await write("urn:x:held", 0)
    async with pool.tx(SCHEMA) as conn:
        await conn.execute("SELECT FROM entities WHERE id = 'urn:x:held' FOR UPDATE")
        held = [write("urn:x:held", 1)]
        await _until_one_waits(pg)
        held += [write("urn:x:held", value) for value in (2, 3)]
        free = await asyncio.gather(*[write(f"urn:x:{n}", n) for n in range(40)])
        assert {outcome.result for outcome, _ in free} == {"created"}
        held.append(write("urn:x:held", 4))
        await asyncio.sleep(0)
        assert not any(one.done() for one in held)
    assert [outcome.version for outcome, _ in await asyncio.gather(*held)] == [2, 3, 4, 5]
    async with pool.lend(SCHEMA) as conn:
        assert await conn.fetchval("SELECT vals->$1 FROM entities WHERE id = 'urn:x:held'", VALUE) == "4"


async def test_entities_keep_their_order_while_two_groups_run(pool: Pool) -> None:
    """Many writers of few entities, so that most of what waits is for an entity that the other group writes."""
    group = WriteGroup(pool, most=20)
    writes = [(f"urn:x:{(n * 7 + n // 5) % 9}", n) for n in range(300)]
    changes = [Change("upsert_replace", one, doc(one, n)) for one, n in writes]
    results = await asyncio.gather(*[group.write("default", SCHEMA, change, None, seal) for change in changes])
    told: dict[str, list[int | None]] = {}
    for outcome, _ in results:
        told.setdefault(outcome.entity, []).append(outcome.version)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in told.values())
    last = dict(writes)
    async with pool.lend(SCHEMA) as conn:
        stored = {row[0]: row[1] for row in await conn.fetch("SELECT id, (vals->>$1)::int FROM entities", VALUE)}
    assert stored == last
    await group.close()
    assert not any(queue.tasks or queue.items or queue.busy for queue in group._queues.values())


async def test_a_group_is_bounded(pool: Pool, pg: Database) -> None:
    group = WriteGroup(pool, most=10)
    changes = [Change("create", f"urn:x:{n}", doc(f"urn:x:{n}", n)) for n in range(35)]
    await asyncio.gather(*[group.write("default", SCHEMA, change, None, seal) for change in changes])
    assert await transactions(pg) == 4


async def test_writes_to_one_entity_apply_in_order_of_arrival(pool: Pool) -> None:
    group = WriteGroup(pool, most=7)
    writes = [Change("upsert_replace", "urn:x:1", doc("urn:x:1", n)) for n in range(50)]
    results = await asyncio.gather(*[group.write("default", SCHEMA, change, None, seal) for change in writes])
    assert [outcome.version for outcome, _ in results] == list(range(1, 51))
    async with pool.lend(SCHEMA) as conn:
        assert await conn.fetchval("SELECT vals->$1 FROM entities", VALUE) == "49"


async def test_a_conflict_stays_with_its_caller(pool: Pool) -> None:
    group = WriteGroup(pool)
    changes = [Change("create", "urn:x:1", doc("urn:x:1", n)) for n in range(3)]
    results = await asyncio.gather(*[group.write("default", SCHEMA, change, None, seal) for change in changes])
    assert [outcome.result for outcome, _ in results] == ["created", "conflict", "conflict"]


async def test_a_failing_member_is_isolated_by_replay(pool: Pool, pg: Database) -> None:
    """U+0000 is no text to PostgreSQL: the statement fails, the group is rolled back and replayed one by one."""
    group = WriteGroup(pool)
    changes = [Change("create", f"urn:x:{n}", doc(f"urn:x:{n}", n)) for n in range(4)]
    changes[2] = Change("create", "urn:x:2\0", doc("urn:x:2\0", 2))
    results = await asyncio.gather(
        *[group.write("default", SCHEMA, change, None, seal) for change in changes], return_exceptions=True
    )
    kinds = [one[0].result if isinstance(one, tuple) else type(one).__name__ for one in results]
    assert kinds == ["created", "created", "CharacterNotInRepertoireError", "created"]
    assert await transactions(pg) == 3
    async with pool.lend(SCHEMA) as conn:
        assert [row[0] for row in await conn.fetch("SELECT id FROM entities ORDER BY id")] == [
            "urn:x:0",
            "urn:x:1",
            "urn:x:3",
        ]


async def test_a_caller_that_goes_away_does_not_stop_the_others(pool: Pool) -> None:
    group = WriteGroup(pool)
    tasks = [
        asyncio.create_task(
            group.write("default", SCHEMA, Change("create", f"urn:x:{n}", doc(f"urn:x:{n}", n)), None, seal)
        )
        for n in range(5)
    ]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in results] == [False, True, False, False, False]
    await group.close()
    async with pool.lend(SCHEMA) as conn:
        assert await conn.fetchval("SELECT count(*) FROM entities") == 5
