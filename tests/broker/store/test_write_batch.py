"""Large batches: stored in parts behind the computing, with the same outcome as one change at a time."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest

from broker.core.errors import BadRequestData, NgsiLdError
from broker.core.patch import Row
from broker.ld.active import Active
from broker.ld.internal import accept
from broker.store import write
from broker.store.pool import Pool
from broker.store.write import Change, apply
from tests.fixtures.postgres import Database
from tests.strategies.entities import CONTEXT, Maker

SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
NOW = datetime(2026, 11, 22, 7, 0, 0, 123456, UTC)
TYPE = "https://example.org/T"
TEMPERATURE = "https://example.org/temperature"


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    pool = Pool(pg.dsn("broker"), size=8)
    await pool.open()
    yield pool
    await pool.close()


def doc(entity_id: str, value: Any = 1) -> dict[str, Any]:
    one = {"type": "Property", "value": value, "observedAt": "2026-11-22T05:00:00Z"}
    return {"id": entity_id, "type": [TYPE], TEMPERATURE: one}


async def rows(pool: Pool, sql: str, schema: str | None = SCHEMA) -> list[tuple[Any, ...]]:
    async with pool.lend(schema) as conn:
        return [tuple(row) for row in await conn.fetch(sql)]


def mixed(seed: int, count: int = 1500) -> list[Change]:
    """Changes of all kinds; entities come several times."""
    maker, active = Maker(seed), Active([CONTEXT])
    chance = maker.random
    found: list[Change] = []
    for n in range(count):
        entity = accept(maker.entity(wild=False), active)
        entity["id"] = f"urn:x:{chance.randrange(700):03}"
        if chance.random() < 0.05:
            entity["scope"] = ['/a,{b}"c\\d', "/NULL", "/x\x1fy", "/ü"]
        kind: Any = chance.choice(["upsert_replace", "upsert_update", "create", "delete", *["ingest_merge"] * 4])
        received, event = None, ""
        if kind == "ingest_merge" or (kind == "delete" and chance.random() < 0.5):
            received, event = f"2026-11-22T06:{chance.randrange(60):02}:00.000000Z", f"feed/0/{n}/0"
        found.append(Change(kind, entity["id"], None if kind == "delete" else entity, received, event, "test"))
    return found


async def contents(pool: Pool) -> tuple[list[tuple[Any, ...]], ...]:
    state = await rows(pool, "SELECT *, ST_AsEWKT(location) FROM entities ORDER BY id")
    history = await rows(
        pool,
        "SELECT entity, attr, dataset_id, observed_at, received_at, event, kind, body FROM history ORDER BY 1, 2, 3, 4",
    )
    types = await rows(pool, "SELECT * FROM entity_type ORDER BY 1, 2")
    shapes = await rows(pool, "SELECT id, attr, ST_AsEWKT(geom) FROM entity_geo ORDER BY 1, 2")
    graves = await rows(pool, "SELECT id, floor, version FROM tombstones ORDER BY 1")
    events = await rows(pool, "SELECT entity, payload FROM broker.outbox ORDER BY entity, id", None)
    return (
        state,
        history,
        types,
        shapes,
        graves,
        [(entity, *sorted(orjson.loads(text).items(), key=str)) for entity, text in events],
    )


async def test_a_batch_comes_to_what_its_changes_come_to_one_by_one(pool: Pool) -> None:
    changes = mixed(1)
    async with pool.tx(SCHEMA) as conn:
        together = await apply(conn, "default", changes, NOW)
    whole = await contents(pool)
    async with pool.tx(None) as conn:
        for table in ("entities", "history", "entity_type", "entity_geo", "tombstones"):
            await conn.execute(f"SET ROLE {SCHEMA}; DELETE FROM {SCHEMA}.{table}; RESET ROLE")  # noqa: S608
        await conn.execute("DELETE FROM broker.outbox")
    async with pool.tx(SCHEMA) as conn:
        alone = [(await apply(conn, "default", [one], NOW))[0] for one in changes]
    assert [(one.entity, one.result, one.version) for one in together] == [
        (one.entity, one.result, one.version) for one in alone
    ]
    single = await contents(pool)
    for together_rows, single_rows in zip(whole, single, strict=True):
        assert together_rows == single_rows
    assert len(whole[0]) > write._PART
    assert any("/x\x1fy" in (row[2] or ()) for row in whole[0])


class _Guard:
    """Concludes as a function of how often it was asked says."""

    def __init__(self, says: Callable[[int], NgsiLdError | None]) -> None:
        self.says, self.seen = says, 0

    def admit(self, before: Row | None) -> None:
        """See everything."""

    def conclude(self, after: Row | None) -> NgsiLdError | None:
        self.seen += 1
        return self.says(self.seen)


def _fault() -> None:
    raise RuntimeError("a fault of ours")


async def test_a_fault_in_a_later_part_leaves_nothing_and_frees_the_connection(pool: Pool) -> None:
    changes = [Change("create", f"urn:x:{n:04}", doc(f"urn:x:{n:04}")) for n in range(3 * write._PART)]
    guard = _Guard(lambda seen: _fault() if seen > 2 * write._PART else None)
    async with pool.lend(SCHEMA) as conn:
        with pytest.raises(RuntimeError, match="a fault of ours"):
            async with conn.transaction():
                await apply(conn, "default", changes, NOW, [guard] * len(changes))
        assert not conn.is_in_transaction()
        assert await conn.fetchval("SELECT count(*) FROM entities") == 0


async def test_the_databases_refusal_of_an_early_part_is_raised(pool: Pool) -> None:
    changes = [Change("create", f"urn:x:{n:04}", doc(f"urn:x:{n:04}")) for n in range(3 * write._PART)]
    changes[0] = Change("create", "urn:x:0000", doc("urn:x:0000", "a\0b"))
    async with pool.lend(SCHEMA) as conn:
        with pytest.raises(asyncpg.UntranslatableCharacterError):
            async with conn.transaction():
                await apply(conn, "default", changes, NOW)
        assert await conn.fetchval("SELECT count(*) FROM entities") == 0


async def test_refusals_in_any_part_are_the_items_own(pool: Pool) -> None:
    refused = BadRequestData("not this one")
    ids = [f"urn:x:{n:04}" for n in range(2 * write._PART + 7)]
    bad = set(random.Random(1).sample(ids, 30))  # noqa: S311 - a choice, no secret
    changes = [Change("create", one, doc(one)) for one in reversed(ids)]
    guards = [_Guard(lambda _: refused) if one.id in bad else None for one in changes]
    async with pool.tx(SCHEMA) as conn:
        outcomes = await apply(conn, "default", changes, NOW, guards)
    assert [(one.entity, one.result, one.error) for one in outcomes] == [
        (one, "refused", refused) if one in bad else (one, "created", None) for one in reversed(ids)
    ]
    assert {row[0] for row in await rows(pool, "SELECT id FROM entities")} == set(ids) - bad
    assert {row[0] for row in await rows(pool, "SELECT entity FROM broker.outbox", None)} == set(ids) - bad
    assert {row[0] for row in await rows(pool, "SELECT entity FROM history")} == set(ids) - bad


async def test_two_large_batches_of_the_same_new_entities_both_end(pool: Pool) -> None:
    ids = [f"urn:x:{n:04}" for n in range(3 * write._PART)]

    async def one(value: int) -> list[str]:
        async with pool.tx(SCHEMA) as conn:
            outcomes = await apply(conn, "default", [Change("create", each, doc(each, value)) for each in ids], NOW)
        return [outcome.result for outcome in outcomes]

    first, second = await asyncio.gather(one(1), one(2))
    assert sorted(zip(first, second, strict=True)) in (
        [("conflict", "created")] * len(ids),
        [("created", "conflict")] * len(ids),
    )
    values = {row[0] for row in await rows(pool, "SELECT vals::text FROM entities")}
    assert values == {f'{{"{TEMPERATURE}": {1 if first[0] == "created" else 2}}}'}
    assert len(await rows(pool, "SELECT 1 FROM history")) == len(ids)
    assert len(await rows(pool, "SELECT 1 FROM broker.outbox", None)) == len(ids)
