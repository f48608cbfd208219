"""Expiry: what is over is gone soon, with its change event and a mark in its history (CIM 009 V1.9.1, 4.22)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.core import change, times
from broker.core.change import ChangeEvent
from broker.workers.expiry import Expiry
from broker.workers.settings import WorkerSettings
from tests.broker.workers.world import LEVEL, TYPE, World, vehicle


@asynccontextmanager
async def expiring(world: World) -> AsyncIterator[None]:
    """Run the worker as the process does by default, until the block ends."""
    stop = asyncio.Event()
    task = asyncio.create_task(Expiry(world.pool, every_s=WorkerSettings().expire_every_s).run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


def until(moment: datetime, number: int) -> dict[str, Any]:
    return {**vehicle(number, number), "expiresAt": times.of(moment)}


async def ids(world: World) -> list[str]:
    async with world.pool.tx(world.schema) as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM entities ORDER BY id")]


async def events(world: World) -> list[ChangeEvent]:
    async with world.pool.lend(None) as conn:
        rows = await conn.fetch("SELECT payload FROM broker.outbox ORDER BY id")
    return [change.parse(row["payload"].encode()) for row in rows]


async def history(world: World, entity: str) -> list[tuple[str, str]]:
    async with world.pool.tx(world.schema) as conn:
        rows = await conn.fetch(
            "SELECT attr, kind FROM history WHERE entity = $1 ORDER BY observed_at, attr, kind", entity
        )
    return [(row["attr"], row["kind"]) for row in rows]


async def test_gone_within_two_seconds_with_event_and_mark(world: World) -> None:
    """What expires goes; what expires later, or never, stays, without an event."""
    over = datetime.now(UTC) + timedelta(seconds=1)
    await world.write("create", until(over, 1), until(over + timedelta(hours=1), 2), vehicle(3, 3))
    first, second, third = (f"urn:ngsi-ld:Vehicle:{n}" for n in (1, 2, 3))
    assert await ids(world) == [first, second, third]
    async with expiring(world):
        while first in await ids(world):
            assert datetime.now(UTC) < over + timedelta(seconds=2)
            await asyncio.sleep(0.02)
        assert datetime.now(UTC) >= over, "not before its time"
        assert await ids(world) == [second, third]
    [*made, gone] = await events(world)
    assert [(event.op, event.entity) for event in made] == [("created", first), ("created", second), ("created", third)]
    assert (gone.op, gone.entity, gone.types, gone.cause) == ("deleted", first, (TYPE,), "expiry")
    assert gone.version == made[0].version + 1
    assert [(attr.name, attr.now) for attr in gone.attrs] == [(LEVEL, None)]
    assert gone.attrs[0].was is not None
    assert gone.attrs[0].was["value"] == 1
    assert await history(world, first) == [(LEVEL, "value"), ("", "deleted"), (LEVEL, "deleted")]
    assert await history(world, second) == [(LEVEL, "value")]


async def test_a_sweep_takes_a_group_and_says_how_many(world: World) -> None:
    """No more than its limit at once; the rest with the next; then nothing; the moment itself counts as over."""
    over = datetime.now(UTC) + timedelta(seconds=30)
    await world.write("create", *(until(over, number) for number in range(5)))
    expiry = Expiry(world.pool, limit=3)
    assert await expiry.sweep(over - timedelta(microseconds=1)) == 0
    assert [await expiry.sweep(over) for _ in range(3)] == [3, 2, 0]
    assert await ids(world) == []
    assert [event.op for event in await events(world)] == ["created"] * 5 + ["deleted"] * 5


async def test_the_same_id_may_be_made_again(world: World) -> None:
    """Versions go on where they ended, so that no consumer takes the new one for an old state."""
    over = datetime.now(UTC) + timedelta(seconds=30)
    await world.write("create", until(over, 1))
    assert await Expiry(world.pool).sweep(over) == 1
    await world.write("create", vehicle(1, 7))
    assert [(event.op, event.version) for event in await events(world)] == [
        ("created", 1),
        ("deleted", 2),
        ("created", 3),
    ]


async def test_one_sweeper_per_tenant(world: World) -> None:
    """While another holds the tenant's lock nothing is taken twice, nor waited for."""
    over = datetime.now(UTC) + timedelta(seconds=30)
    await world.write("create", until(over, 1))
    async with world.pool.tx(None) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('datapolis.expire.default', 0))")
        async with asyncio.timeout(2):
            assert await Expiry(world.pool).sweep(over) == 0
    assert await Expiry(world.pool).sweep(over) == 1
