"""Periodic notifications: what matches, at each interval, to whom, and when no more (CIM 009 V1.9.1, 5.2.12, 5.8.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.core import times
from broker.core.access import ALL, Access, AttrSet, Grant
from broker.core.query import Compare, Number, Path
from broker.ops import subscriptions
from broker.store.ledger import Balance
from broker.workers.delivery import Limits
from tests.broker.workers.world import LEVEL, NS, PLATE, TYPE, World, notifying, vehicle
from tests.fixtures.sink import Received, Sink

_EVERY = {"timeInterval": 1}


def _ids(one: Received) -> list[str]:
    return [entity["id"].rpartition(":")[2] for entity in one.body["data"]]


async def _patch(world: World, id: str, **members: Any) -> None:
    now = datetime.now(UTC)

    def merge(doc: dict[str, Any]) -> dict[str, Any]:
        return subscriptions.fragment(doc, members, str, times.of(now))

    async with world.pool.tx(world.schema) as conn:
        await subscriptions.update(conn, id, "urn:party:test", merge, now)


async def _beats(world: World) -> list[tuple[str, float, datetime]]:
    async with world.pool.lend(None) as conn:
        rows = await conn.fetch("SELECT subscription, step_s, next_at FROM broker.beats ORDER BY subscription")
    return [tuple(row) for row in rows]


async def _make_due(world: World, *ids: str, ago_s: float = 0.0) -> datetime:
    """Let the subscriptions' next instant be some seconds ago, and return it."""
    async with world.pool.lend(None) as conn:
        found: datetime = await conn.fetchval("SELECT clock_timestamp() - make_interval(secs => $1)", ago_s)
        await conn.execute("UPDATE broker.beats SET next_at = $1 WHERE subscription = ANY($2::text[])", found, ids)
    return found


async def _entered(world: World, id: str, most: int = 0) -> list[tuple[str, str | None]]:
    async with world.pool.lend(None) as conn:
        rows = await conn.fetch("SELECT status, error FROM broker.ledger WHERE subscription = $1 ORDER BY id", id)
    return [tuple(row) for row in rows]


async def test_each_interval_tells_all_that_matches_and_only_that(world: World, sink: Sink) -> None:
    id = await world.subscribe(sink.url + "/a", **_EVERY, q=f"<{LEVEL}>>1", notification={"attributes": [LEVEL]})
    await world.write("create", vehicle(1, 1), vehicle(2, 2, plate="AB"), vehicle(3, 3))
    await world.write("create", {"id": "urn:ngsi-ld:Bus:4", "type": [NS + "Bus"]})
    async with notifying(world):
        await sink.until(1)
        await world.write("upsert_update", vehicle(1, 9))
        await world.write("delete", vehicle(3, None))
        for _ in range(2):
            count = len(sink.received)
            await sink.until(count + 1)
    first, last = sink.received[0], sink.received[-1]
    assert sorted(first.body) == ["data", "id", "notifiedAt", "subscriptionId", "type"]
    assert (first.body["type"], first.body["subscriptionId"]) == ("Notification", id)
    assert first.body["data"] == [
        {"id": f"urn:ngsi-ld:Vehicle:{n}", "type": TYPE, LEVEL: {"type": "Property", "value": n}} for n in (2, 3)
    ]
    assert [(one["id"][-1], one[LEVEL]["value"]) for one in last.body["data"]] == [("1", 9), ("2", 2)]
    assert len({one.body["id"] for one in sink.received}) == len(sink.received)


async def test_the_first_is_due_when_the_interval_has_passed_and_the_beat_is_kept(world: World, sink: Sink) -> None:
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    ((_, step_s, due),) = await _beats(world)
    async with world.pool.lend(None) as conn:
        left = (due - await conn.fetchval("SELECT clock_timestamp()")).total_seconds()
    assert step_s == 3600
    assert 3500 < left < 3600
    await world.write("create", vehicle(1, 1))
    due = await _make_due(world, id, ago_s=3 * 3600 + 5)  # three instants passed while nothing ran
    async with notifying(world):
        assert await world.settled(1) == Balance(1, 1, 0, 0)
        ((_, _, next_at),) = await _beats(world)
        assert next_at == due + timedelta(hours=4)
    assert [_ids(one) for one in sink.received] == [["1"]]


async def test_a_change_of_the_subscription_keeps_the_beat_unless_it_is_of_the_interval(
    world: World, sink: Sink
) -> None:
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    before = await _beats(world)
    await _patch(world, id, description="d")
    assert await _beats(world) == before
    await _patch(world, id, timeInterval=7200)
    ((_, step_s, due),) = await _beats(world)
    assert step_s == 7200
    assert due - before[0][2] > timedelta(hours=1)
    await _patch(world, id, isActive=False)
    assert await _beats(world) == []
    await _patch(world, id, isActive=True)
    assert len(await _beats(world)) == 1
    await _patch(world, id, timeInterval=None)
    assert await _beats(world) == []


async def test_changes_do_not_fire_a_periodic_subscription(world: World, sink: Sink) -> None:
    await world.subscribe(sink.url + "/periodic", timeInterval=3600)
    await world.subscribe(sink.url + "/changes")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        assert await world.settled(1) == Balance(1, 1, 0, 0)
    assert [one.path for one in sink.received] == ["/changes"]


async def test_where_nothing_matches_nothing_is_sent(world: World, sink: Sink) -> None:
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    await _make_due(world, id)
    async with notifying(world):
        assert await world.settled(1) == Balance(1, 0, 1, 0)
    assert await _entered(world, id) == [("dead", "no entity matches")]
    assert sink.received == []


async def test_many_entities_go_in_several_notifications(world: World, sink: Sink) -> None:
    world.page = 3
    sink.answers = {"/a": [200, 500, 200]}  # the second page is tried again
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    await world.write("create", *(vehicle(n, n) for n in range(1, 8)))
    await _make_due(world, id)
    async with notifying(world):
        assert await world.settled(3) == Balance(3, 3, 0, 0)
    assert [_ids(one) for one in sink.received] == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
    assert len({one.body["id"] for one in sink.received}) == 3


async def test_filter_and_masks_are_those_of_the_subscriber(world: World, sink: Sink) -> None:
    at_least = Compare(Path(LEVEL), ">=", Number(10))
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), AttrSet(frozenset({LEVEL})), at_least),))
    everything = await world.subscribe(sink.url + "/a", timeInterval=3600)
    hidden = await world.subscribe(sink.url + "/q", timeInterval=3600, q=f"<{PLATE}>")
    await world.write("create", vehicle(1, 1, plate="AB"), vehicle(2, 10, plate="CD"), vehicle(3, 11))
    await _make_due(world, everything, hidden)
    async with notifying(world):
        assert await world.settled(2) == Balance(2, 1, 1, 0)
    (found,) = sink.received
    assert found.path == "/a"
    assert found.body["data"] == [
        {"id": f"urn:ngsi-ld:Vehicle:{n}", "type": TYPE, LEVEL: {"type": "Property", "value": level}}
        for n, level in ((2, 10), (3, 11))
    ]


async def test_what_waits_to_be_tried_again_is_decided_again(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.1, longest_s=0.1)
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), ALL),))
    sink.always = {"/a": 503}
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    await world.write("create", vehicle(1, 1))
    await _make_due(world, id)
    async with notifying(world):
        async with asyncio.timeout(15):
            while not sink.most_under_way.get("/a"):  # noqa: ASYNC110 - a receiver is watched
                await asyncio.sleep(0.01)
        world.access = None
        assert await world.settled(1) == Balance(1, 0, 1, 0)
        sink.always = {}
        await _make_due(world, id)
        assert await world.settled(2) == Balance(2, 0, 2, 0)
    assert {error for _, error in await _entered(world, id)} == {"the subscriber may not see anything any more"}
    assert sink.received == []


async def test_paused_expired_and_deleted_ones_are_told_nothing(world: World, sink: Sink) -> None:
    paused, expired, deleted, other = [
        await world.subscribe(sink.url + path, timeInterval=3600)
        for path in ("/paused", "/expired", "/deleted", "/other")
    ]
    await world.write("create", vehicle(1, 1))
    await _make_due(world, paused, expired, deleted, other)
    await _patch(world, paused, isActive=False)
    async with world.pool.tx(world.schema) as conn:
        await subscriptions.delete(conn, deleted, "urn:party:test")
        await conn.execute("UPDATE subscriptions SET expires_at = now() - interval '1 s' WHERE id = $1", expired)
    async with notifying(world):
        assert await world.settled(1) == Balance(1, 1, 0, 0)
        assert [one[0] for one in await _beats(world)] == [other]
    assert [one.path for one in sink.received] == ["/other"]


async def test_a_receiver_that_fails_gets_no_second_try_after_the_interval(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=5.0, longest_s=5.0)
    sink.answers = {"/a": [410]}
    id = await world.subscribe(sink.url + "/a", **_EVERY)
    await world.write("create", vehicle(1, 1))
    async with notifying(world):
        await sink.until(1)
        found = (await _entered(world, id))[0]
    assert found == ("dead", "HTTP 410")


async def test_an_interval_is_left_out_while_the_one_before_waits(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=600.0, longest_s=600.0)
    sink.answers = {"/a": [503]}
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    await world.write("create", vehicle(1, 1))
    await _make_due(world, id)
    async with notifying(world):
        await world.owed(1)
        due = await _make_due(world, id)
        async with asyncio.timeout(15):
            while (await _beats(world))[0][2] == due:  # noqa: ASYNC110 - a database is watched
                await asyncio.sleep(0.01)
        assert (await _beats(world))[0][2] == due + timedelta(hours=1)
        assert await world.balance() == Balance(1, 0, 0, 1)
    assert sink.received == []


async def test_two_notifiers_share_the_work_and_double_nothing(world: World, sink: Sink) -> None:
    ids = [await world.subscribe(f"{sink.url}/{n}", timeInterval=3600) for n in range(20)]
    await world.write("create", vehicle(1, 1))
    async with notifying(world), notifying(world):
        async with world.pool.lend(None) as conn, asyncio.timeout(30):
            while await conn.fetchval("SELECT count(DISTINCT owner) FROM broker.ingest_offsets") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for round_ in (1, 2, 3):
            await _make_due(world, *ids)
            assert await world.settled(20 * round_) == Balance(20 * round_, 20 * round_, 0, 0)
    assert sorted(one.path for one in sink.received) == sorted(f"/{n}" for n in range(20) for _ in range(3))
    assert len({one.body["id"] for one in sink.received}) == 60


async def test_a_restart_sends_what_was_entered_once_and_under_its_name(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.5, longest_s=0.5)
    sink.always = {"/a": 503}
    id = await world.subscribe(sink.url + "/a", timeInterval=3600)
    await world.write("create", vehicle(1, 1))
    await _make_due(world, id)
    async with notifying(world):
        await world.owed(1)
    due = await _beats(world)
    sink.always = {}
    async with notifying(world):
        assert await world.settled(1) == Balance(1, 1, 0, 0)
    assert await _beats(world) == due
    async with world.pool.lend(None) as conn:
        name = await conn.fetchval("SELECT name::text FROM broker.ledger")
    assert [one.body["id"] for one in sink.received] == [f"urn:ngsi-ld:Notification:{name}"]


async def test_the_entities_of_another_tenant_are_not_told(world: World, sink: Sink) -> None:
    async with world.pool.lend(None) as conn:
        other: str = await conn.fetchval("SELECT broker.create_tenant('other')")
    mine = await world.subscribe(sink.url + "/mine", timeInterval=3600)
    theirs = await World(world.pool, other, world.kafka, world.prefix).subscribe(
        sink.url + "/theirs", timeInterval=3600
    )
    await world.write("create", vehicle(1, 1))
    await World(world.pool, other, world.kafka, world.prefix).write("create", vehicle(2, 2))
    await _make_due(world, mine, theirs)
    async with notifying(world):
        assert await world.settled(2) == Balance(2, 2, 0, 0)
    told: Sequence[tuple[str, list[str], str | None]] = sorted(
        (one.path, _ids(one), one.headers.get("ngsild-tenant")) for one in sink.received
    )
    assert told == [("/mine", ["1"], None), ("/theirs", ["2"], "other")]
