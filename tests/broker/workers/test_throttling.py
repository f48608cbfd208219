"""Throttled notifications: one per pause, of everything that has changed meanwhile (CIM 009 V1.9.1, 5.2.12, 5.8.6)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from broker.core import times
from broker.core.access import ALL, Access, AttrSet, Grant
from broker.core.query import Compare, Number, Path
from broker.ops import subscriptions
from broker.store.ledger import Balance
from broker.workers.delivery import Limits
from tests.broker.workers.world import LEVEL, PLATE, TYPE, World, notifying, vehicle
from tests.fixtures.sink import Received, Sink


def _told(one: Received) -> list[tuple[str, Any]]:
    return [(entity["id"][-1], entity.get(LEVEL, {}).get("value")) for entity in one.body["data"]]


async def _pending(world: World) -> list[str]:
    async with world.pool.lend(None) as conn:
        rows = await conn.fetch("SELECT entity FROM broker.pending WHERE version = 0 ORDER BY entity")
    return [row["entity"][-1] for row in rows]


async def _waiting(world: World, *entities: str) -> None:
    """Wait until changes of just these entities are kept back."""
    async with asyncio.timeout(15):
        while await _pending(world) != list(entities):  # noqa: ASYNC110 - a database is watched
            await asyncio.sleep(0.02)


async def _patch(world: World, id: str, **members: Any) -> None:
    now = datetime.now(UTC)

    def merge(doc: dict[str, Any]) -> dict[str, Any]:
        return subscriptions.fragment(doc, members, str, times.of(now))

    async with world.pool.tx(world.schema) as conn:
        await subscriptions.update(conn, id, "urn:party:test", merge, now)


async def _let_pass(world: World) -> None:
    """Let the pauses be over."""
    async with world.pool.lend(None) as conn:
        await conn.execute("UPDATE broker.ledger_totals SET last_notification = last_notification - interval '1 day'")
        await conn.execute("UPDATE broker.beats SET open_at = now(), next_at = now() WHERE next_at < 'infinity'")


async def test_what_changes_in_the_pause_goes_in_one_as_it_is_then(world: World, sink: Sink) -> None:
    world.page = 2
    await world.subscribe(sink.url + "/a", throttling=3600, watchedAttributes=[LEVEL], q=f"<{LEVEL}><100")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        assert await world.settled(1) == Balance(1, 1, 0, 0)
        await world.write("create", vehicle(2, 1), vehicle(3, 3), vehicle(4, 4), vehicle(5, 5))
        await world.write("upsert_update", vehicle(2, 2))
        await world.write("upsert_update", vehicle(1, None, plate="AB"))  # not watched
        await world.write("upsert_update", vehicle(4, 400))  # does not match any more
        await _waiting(world, "2", "3", "4", "5")
        assert await world.balance() == Balance(1, 1, 0, 0)
        await _let_pass(world)
        assert await world.settled(3) == Balance(3, 3, 0, 0)
        assert await _pending(world) == []
    assert [_told(one) for one in sink.received] == [[("1", 1)], [("2", 2), ("3", 3)], [("5", 5)]]
    assert len({one.body["id"] for one in sink.received}) == 3
    async with world.pool.lend(None) as conn:
        assert await conn.fetchval("SELECT count(*) FROM broker.pending") == 0


async def test_the_pause_lies_between_any_two(world: World, sink: Sink) -> None:
    await world.subscribe(sink.url + "/a", throttling=0.5)
    async with notifying(world):
        for level in range(1, 4):
            await world.write("upsert_update", vehicle(1, level))
            await sink.until(level)
    assert [_told(one) for one in sink.received] == [[("1", 1)], [("1", 2)], [("1", 3)]]
    gaps = [later.at - one.at for one, later in zip(sink.received, sink.received[1:], strict=False)]
    assert min(gaps) >= 0.5


async def test_what_waits_is_kept_over_a_restart_and_while_the_receiver_is_away(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.05, longest_s=0.05)
    await world.subscribe(sink.url + "/a", throttling=3600)
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        await world.settled(1)
        await world.write("upsert_update", vehicle(1, 2))
        await _waiting(world, "1")
    sink.answers = {"/a": [503]}
    await _let_pass(world)
    async with notifying(world):
        assert await world.settled(2) == Balance(2, 2, 0, 0)
    assert [_told(one) for one in sink.received] == [[("1", 1)], [("1", 2)]]


async def test_filter_and_masks_hold_for_what_waits_too(world: World, sink: Sink) -> None:
    """The grant shows levels of vehicles of level 10 and more; what is hidden when it is sent is not told."""
    at_least = Compare(Path(LEVEL), ">=", Number(10))
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), AttrSet(frozenset({LEVEL})), at_least),))
    await world.subscribe(sink.url + "/a", throttling=3600)
    async with notifying(world):
        await world.write("create", vehicle(1, 10, plate="AB"))
        await world.settled(1)
        await world.write("create", vehicle(2, 10), vehicle(3, 1))
        await world.write("upsert_update", vehicle(1, 11), vehicle(2, 11), vehicle(3, 2))
        await world.write("upsert_update", vehicle(2, 1))
        await world.write("upsert_update", vehicle(3, 12))  # was hidden before
        await world.write("upsert_update", vehicle(1, None, plate="CD"))  # hidden
        await world.write("upsert_update", vehicle(1, 12))
        await _waiting(world, "1", "2")
        await _let_pass(world)
        await world.settled(2)
    assert [_told(one) for one in sink.received] == [[("1", 10)], [("1", 12)]]
    assert all(PLATE not in entity for one in sink.received for entity in one.body["data"])
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), ALL),))
    async with notifying(world):
        await world.write("upsert_update", vehicle(1, 13))
        await _waiting(world, "1")
        world.access = None
        await _let_pass(world)
        assert await world.settled(3) == Balance(3, 2, 1, 0)
    assert len(sink.received) == 2


async def test_pausing_forgets_what_waits_and_other_subscriptions_are_not_held_back(world: World, sink: Sink) -> None:
    id = await world.subscribe(sink.url + "/throttled", throttling=3600)
    await world.subscribe(sink.url + "/free")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        await world.settled(2)
        await world.write("upsert_update", vehicle(1, 2))
        await _waiting(world, "1")
        for active in (False, True):
            await _patch(world, id, isActive=active)
        assert await _pending(world) == []
        await _let_pass(world)
        await world.write("upsert_update", vehicle(2, 3))
        assert await world.settled(5) == Balance(5, 5, 0, 0)
    assert [_told(one) for one in sink.of("/throttled")] == [[("1", 1)], [("2", 3)]]
    assert [_told(one) for one in sink.of("/free")] == [[("1", 1)], [("1", 2)], [("2", 3)]]
