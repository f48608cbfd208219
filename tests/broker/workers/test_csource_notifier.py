"""Notifications of registrations: what is told, why, in which order, what never is (CIM 009 V1.9.1, 5.3.3, 5.11.7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker.core.access import ALL, Access, Grant
from broker.store import csource_subscriptions as rows
from broker.store.pool import Pool
from broker.workers.delivery import Limits
from tests.broker.workers.sources import NS, PARTY, Sources, info, notifying, told
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink

_SEES_VEHICLES = Access((Grant("urn:agreement:1", 1, frozenset({f"{NS}Vehicle"}), ALL),))


@pytest.fixture
async def sources(pg: Database) -> AsyncIterator[Sources]:
    """A fresh database of this test alone."""
    pool = Pool(pg.dsn("broker"), size=6)
    async with pool.lend(None) as conn:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
    yield Sources(pool, schema)
    await pool.close()


async def test_each_change_is_told_with_its_reason(sources: Sources, sink: Sink) -> None:
    await sources.register("old")
    await sources.register("other", info("Bus"))
    id = await sources.subscribe(sink.url + "/a")
    async with notifying(sources):
        await sink.until(1)
        await sources.register("new")
        await sources.register("old", info("Vehicle"), description="moved")
        await sources.register("other", info("Vehicle"))
        await sources.register("new", info("Bus"))
        await sources.register("new", info("Tram"))
        await sources.remove("old")
        await sources.remove("new")
        await sources.quiet()
    assert [told(one.body) for one in sink.received] == [
        ("newlyMatching", ["old"]),
        ("newlyMatching", ["new"]),
        ("updated", ["old"]),
        ("newlyMatching", ["other"]),
        ("noLongerMatching", ["new"]),
        ("noLongerMatching", ["old"]),
    ]
    first = sink.received[0].body
    assert sorted(first) == ["data", "id", "notifiedAt", "subscriptionId", "triggerReason", "type"]
    assert (first["type"], first["subscriptionId"]) == ("ContextSourceNotification", id)
    assert len({one.body["id"] for one in sink.received}) == 6
    sums = await sources.totals(id)
    assert sums is not None
    assert (sums.due, sums.delivered, sums.sent, sums.failed, sums.waiting) == (6, 6, 6, 0, 0)


async def test_the_first_notification_has_all_that_match_and_a_change_of_the_subscription_repeats_it(
    sources: Sources, sink: Sink
) -> None:
    for name in ("a", "b"):
        await sources.register(name)
    await sources.register("c", info("Bus"))
    await sources.register("gone", expires_s=-1)
    await sources.register("temporal", observationInterval={"startAt": "2026-01-01T00:00:00.000000Z"})
    id = await sources.subscribe(sink.url + "/a")
    await sources.subscribe(sink.url + "/nothing", "none", entities=[{"type": f"{NS}Boat"}])
    async with notifying(sources):
        await sink.until(1)
        await sources.change(id, entities=[{"type": f"{NS}Bus"}, {"type": f"{NS}Vehicle"}])
        await sink.until(2)
        await sources.change(id, isActive=False)
        await sources.quiet()
        await sources.register("d")
        await sources.quiet()
        await sources.change(id, isActive=True)
        await sink.until(3)
        await sources.quiet()
    assert [told(one.body) for one in sink.received] == [
        ("newlyMatching", ["a", "b"]),
        ("newlyMatching", ["a", "b", "c"]),
        ("newlyMatching", ["a", "b", "c", "d"]),
    ]
    assert sink.of("/nothing") == []


async def test_what_selects(sources: Sources, sink: Sink) -> None:
    point = {"type": "Point", "coordinates": [2.0, 41.0]}
    since = {"startAt": "2026-01-01T00:00:00.000000Z", "endAt": "2026-02-01T00:00:00.000000Z"}
    quality = {f"{NS}quality": {"type": "Property", "value": "good"}}
    await sources.register("place", location=point)
    await sources.register("observed", observationInterval=since)
    await sources.register("managed", managementInterval=since)
    await sources.register("good", properties=quality)
    await sources.register("scoped", scope=["/city/north"])
    await sources.register("data", datasetId=["urn:d:1"])
    await sources.register("speed", info("Vehicle", propertyNames=[f"{NS}speed"]))
    latest = ["data", "good", "place", "scoped", "speed"]
    near = {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [2.0, 41.0]}
    after = {"timerel": "after", "timeAt": "2026-01-15T00:00:00Z"}
    wanted: dict[str, tuple[dict[str, Any], list[str]]] = {
        "/all": ({}, latest),
        "/geo": ({"geoQ": near}, ["place"]),
        "/observed": ({"temporalQ": after}, ["observed"]),
        "/managed": ({"temporalQ": {**after, "timeproperty": "modifiedAt"}}, ["managed"]),
        "/csf": ({"csf": f'<{NS}quality>=="good"'}, ["good"]),
        "/scope": ({"scopeQ": "/city/#"}, ["scoped"]),
        "/dataset": ({"datasetId": ["urn:d:2"]}, [one for one in latest if one != "data"]),
        "/watched": ({"watchedAttributes": [f"{NS}level"]}, latest),
        "/both": (
            {"watchedAttributes": [f"{NS}level"], "notification": {"attributes": [f"{NS}level"]}},
            [one for one in latest if one != "speed"],
        ),
    }
    for path, (members, _) in wanted.items():
        await sources.subscribe(sink.url + path, path[1:], **members)
    async with notifying(sources):
        await sink.until(len(wanted))
        await sources.quiet()
    found = {one.path: told(one.body) for one in sink.received}
    assert found == {path: ("newlyMatching", names) for path, (_, names) in wanted.items()}


async def test_only_what_matches_is_shown(sources: Sources, sink: Sink) -> None:
    await sources.subscribe(sink.url + "/a")
    async with notifying(sources):
        await sources.register("a", info("Bus"), info("Vehicle"), info("Tram", "Vehicle"))
        (found,) = await sink.until(1)
    (one,) = found.body["data"]
    assert [[entity["type"] for entity in each["entities"]] for each in one["information"]] == [
        [[f"{NS}Vehicle"]],
        [[f"{NS}Tram"], [f"{NS}Vehicle"]],
    ]


async def test_hidden_registrations_and_hidden_changes_are_not_told(sources: Sources, sink: Sink) -> None:
    sources.access = _SEES_VEHICLES
    hidden = info("Secret")
    await sources.register("mixed", info("Vehicle"), hidden)
    await sources.register("hidden", hidden)
    await sources.register("own", hidden, party=PARTY)
    await sources.subscribe(sink.url + "/a", entities=[{"type": "*"}])
    async with notifying(sources):
        await sink.until(1)
        await sources.register("mixed", info("Vehicle"), info("Secret", "Secret2"))
        await sources.register("mixed", info("Vehicle"), hidden, contextSourceInfo=[{"key": "k", "value": "SECRET"}])
        await sources.register("hidden", hidden, description="changed")
        await sources.remove("hidden")
        await sources.quiet()
        await sources.register("mixed", info("Vehicle"), hidden, description="seen")
        await sink.until(2)
        await sources.register("mixed", hidden, description="seen")
        await sink.until(3)
        await sources.quiet()
    assert [told(one.body) for one in sink.received] == [
        ("newlyMatching", ["mixed", "own"]),
        ("updated", ["mixed"]),
        ("noLongerMatching", ["mixed"]),
    ]
    texts = [str(one.body["data"][0]) for one in sink.received]
    assert not any("Secret" in text or "SECRET" in text for text in texts)


async def test_access_that_ends_withholds_what_waits_and_what_comes(sources: Sources, sink: Sink) -> None:
    id = await sources.subscribe(sink.url + "/a")
    sink.answers["/a"] = [503] * 2
    sources.limits = Limits(tries=50, first_s=0.05, longest_s=0.05)
    async with notifying(sources):
        await sources.quiet()
        await sources.register("a")
        async with asyncio.timeout(15):
            while sink.answers["/a"]:
                await asyncio.sleep(0.005)
                if len(sink.answers["/a"]) == 1:
                    sources.access = None
                    break
        await sources.quiet()
        await sources.register("b")
        await sources.quiet()
    assert sink.received == []
    sums = await sources.totals(id)
    assert sums is not None
    assert (sums.due, sums.dead, sums.delivered) == (1, 1, 0)


async def test_deleted_and_paused_subscriptions_stop_at_once(sources: Sources, sink: Sink) -> None:
    deleted = await sources.subscribe(sink.url + "/deleted", "deleted")
    paused = await sources.subscribe(sink.url + "/paused", "paused")
    await sources.subscribe(sink.url + "/kept", "kept")
    async with notifying(sources):
        await sources.quiet()
        await sources.unsubscribe(deleted)
        await sources.change(paused, isActive=False)
        await sources.register("a")
        await sink.until(1, "/kept")
        await sources.quiet()
        again = await sources.subscribe(sink.url + "/again", "deleted")
        assert again == deleted
        await sink.until(1, "/again")
        await sources.quiet()
    assert sink.of("/deleted") == []
    assert sink.of("/paused") == []
    assert [told(one.body) for one in sink.of("/again")] == [("newlyMatching", ["a"])]


async def test_a_failing_receiver_is_tried_again_under_the_same_id_and_in_order(sources: Sources, sink: Sink) -> None:
    id = await sources.subscribe(sink.url + "/a")
    sink.answers["/a"] = [500, 500]
    async with notifying(sources):
        await sources.quiet()
        await sources.register("a")
        await sources.register("b")
        await sources.remove("a")
        await sink.until(3)
        await sources.quiet()
    assert [told(one.body) for one in sink.received] == [
        ("newlyMatching", ["a"]),
        ("newlyMatching", ["b"]),
        ("noLongerMatching", ["a"]),
    ]
    sums = await sources.totals(id)
    assert sums is not None
    assert (sums.delivered, sums.sent, sums.failed) == (3, 5, 2)


async def test_periodic_ones_have_all_that_match_and_tell_no_changes(sources: Sources, sink: Sink) -> None:
    await sources.register("a")
    id = await sources.subscribe(sink.url + "/a", timeInterval=1)
    async with notifying(sources):
        await sink.until(1)
        await sources.register("b")
        await sources.register("b", description="changed")
        found = await sink.until(3)
        await sources.change(id, isActive=False)
        await sources.quiet()
        last = len(sink.received)
        await asyncio.sleep(1.5)
        assert len(sink.received) == last
    assert told(found[0].body) == ("newlyMatching", ["a"])
    assert {told(one.body)[0] for one in found[1:]} == {"updated"}
    assert told(sink.received[-1].body)[1] == ["a", "b"]
    # the pause itself is a change of the subscription, of which nobody is told
    assert [one.body["data"][0]["id"] for one in found] == ["urn:source:a"] * len(found)


async def test_one_leads_and_another_follows_it(sources: Sources, sink: Sink) -> None:
    await sources.subscribe(sink.url + "/a")
    async with notifying(sources) as second:
        async with notifying(sources) as first:
            await asyncio.gather(first.ready.wait(), second.ready.wait(), sources.quiet())
            for name in "abc":
                await sources.register(name)
            await sink.until(3)
        for name in "def":
            await sources.register(name)
        await sink.until(6)
        await sources.quiet()
    assert [told(one.body)[1] for one in sink.received] == [[name] for name in "abcdef"]


async def test_a_leader_whose_connection_breaks_gives_way_and_comes_back(sources: Sources, sink: Sink) -> None:
    await sources.subscribe(sink.url + "/a")
    async with notifying(sources):
        await sources.quiet()
        await sources.register("a")
        await sink.until(1)
        await sources.quiet()
        async with sources.pool.lend(None) as conn:
            await conn.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        await sources.register("b")
        await sink.until(2)
        await sources.quiet()
        async with sources.pool.lend(None) as conn:
            assert not await rows.lead(conn)
    assert [told(one.body)[1] for one in sink.received] == [["a"], ["b"]]


async def test_many_changes_at_once_are_told_once_each(sources: Sources, sink: Sink) -> None:
    await sources.subscribe(sink.url + "/early", "early")
    async with notifying(sources):
        await sources.quiet()
    for number in range(12):
        await sources.register(f"n{number:02}")
    await sources.subscribe(sink.url + "/late", "late")
    async with notifying(sources, limit=5):
        await sink.until(13)
        await sources.quiet()
    names = [f"n{number:02}" for number in range(12)]
    assert [told(one.body) for one in sink.of("/early")] == [("newlyMatching", [name]) for name in names]
    assert [told(one.body) for one in sink.of("/late")] == [("newlyMatching", names)]
