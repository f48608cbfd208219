"""Notifications: what is told, to whom, in which order, and what is never told (CIM 009 V1.9.1, 5.8.6, 6.3.8)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from broker.core.access import ALL, Access, AttrSet, Grant
from broker.core.ids import NULL
from broker.core.query import Compare, Number, Path
from broker.ops import subscriptions
from broker.store.ledger import Balance
from broker.workers.delivery import Limits
from tests.broker.workers.world import LEVEL, NS, PLATE, TYPE, World, notifying, vehicle
from tests.fixtures.sink import Received, Sink

_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"


def _told(received: list[Received]) -> list[tuple[str, Any]]:
    return [(one.body["data"][0]["id"][-1], one.body["data"][0].get(LEVEL, {}).get("value")) for one in received]


async def test_a_notification_has_the_standard_s_form(world: World, sink: Sink) -> None:
    id = await world.subscribe(
        sink.url + "/a", endpoint={"receiverInfo": [{"key": "Authorization", "value": "Bearer x"}]}
    )
    async with notifying(world):
        await world.write("create", vehicle(1, 7))
        (found,) = await sink.until(1)
    assert sorted(found.body) == ["data", "id", "notifiedAt", "subscriptionId", "type"]
    assert found.body["type"] == "Notification"
    assert found.body["id"].startswith("urn:ngsi-ld:Notification:")
    assert found.body["subscriptionId"] == id
    assert found.body["notifiedAt"].endswith("Z")
    assert found.body["data"] == [
        {"id": "urn:ngsi-ld:Vehicle:1", "type": TYPE, LEVEL: {"type": "Property", "value": 7}}
    ]
    assert found.headers["content-type"] == "application/json"
    assert found.headers["authorization"] == "Bearer x"
    assert found.headers["link"] == (
        f'<{_CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    )


async def test_formats_and_attributes(world: World, sink: Sink) -> None:
    await world.subscribe(sink.url + "/concise", notification={"format": "concise"})
    await world.subscribe(sink.url + "/simple", notification={"format": "keyValues", "attributes": [LEVEL]})
    await world.subscribe(sink.url + "/ld", endpoint={"accept": "application/ld+json"})
    async with notifying(world):
        await world.write("create", vehicle(1, 7, plate="AB"))
        await sink.until(3)
    assert sink.of("/concise")[0].body["data"] == [{"id": "urn:ngsi-ld:Vehicle:1", "type": TYPE, LEVEL: 7, PLATE: "AB"}]
    assert sink.of("/simple")[0].body["data"] == [{"id": "urn:ngsi-ld:Vehicle:1", "type": TYPE, LEVEL: 7}]
    (ld,) = sink.of("/ld")
    assert ld.body["data"][0]["@context"] == _CORE
    assert ld.headers["content-type"] == "application/ld+json"
    assert "link" not in ld.headers


def _spoken(**tags: str) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": tags}


async def test_projections_datasets_and_languages(world: World, sink: Sink) -> None:
    several = [{"type": "Property", "value": n} | ({"datasetId": f"urn:d:{n}"} if n else {}) for n in (0, 1, 2)]
    doc = {**vehicle(1, 7, plate="AB"), NS + "name": _spoken(fr="gare", en="station"), NS + "count": several}
    count = NS + "count"
    await world.subscribe(sink.url + "/pick", notification={"pick": ["id", LEVEL], "format": "simplified"})
    await world.subscribe(sink.url + "/omit", notification={"omit": ["type", PLATE, count, NS + "name"]})
    await world.subscribe(sink.url + "/data", datasetId=["urn:d:2", "@none"], notification={"pick": ["type", count]})
    await world.subscribe(sink.url + "/lang", lang="en", notification={"pick": [NS + "name"]})
    await world.subscribe(sink.url + "/none", notification={"pick": [NS + "absent"]})
    async with notifying(world):
        await world.write("create", doc)
        assert await world.settled(5) == Balance(5, 4, 1, 0)
    told = {one.path: one.body["data"] for one in sink.received}
    level = {"type": "Property", "value": 7}
    assert told == {
        "/pick": [{"id": "urn:ngsi-ld:Vehicle:1", LEVEL: 7}],
        "/omit": [{"id": "urn:ngsi-ld:Vehicle:1", LEVEL: level}],
        "/data": [{"type": TYPE, count: [several[0], several[2]]}],
        "/lang": [{NS + "name": {"type": "Property", "value": "station", "lang": "en"}}],
    }


async def test_notifications_in_geojson(world: World, sink: Sink) -> None:
    location = "https://uri.etsi.org/ngsi-ld/location"
    point = {"type": "Point", "coordinates": [1, 2]}
    accept = {"accept": "application/geo+json"}
    linked = {"receiverInfo": [{"key": "Prefer", "value": "body=json"}]}
    await world.subscribe(sink.url + "/geo", endpoint=accept, notification={"format": "simplified", "omit": [location]})
    await world.subscribe(sink.url + "/linked", endpoint=accept | linked, notification={"format": "simplified"})
    async with notifying(world):
        await world.write("create", {**vehicle(1, 7), location: {"type": "GeoProperty", "value": point}})
        await world.settled(2)
        world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), AttrSet(frozenset({LEVEL}))),))
        await world.write("upsert_update", vehicle(1, 8))
        await world.settled(4)
    first, hidden = sink.of("/geo")
    feature = {"id": "urn:ngsi-ld:Vehicle:1", "type": "Feature", "geometry": point}
    features = [{**feature, "properties": {"type": TYPE, LEVEL: 7}}]
    assert first.body["data"] == {"type": "FeatureCollection", "features": features, "@context": _CORE}
    assert first.headers["content-type"] == "application/geo+json"
    assert "link" not in first.headers
    assert hidden.body["data"]["features"] == [{**feature, "geometry": None, "properties": {"type": TYPE, LEVEL: 8}}]
    other = sink.of("/linked")[0]
    features[0]["properties"] = {"type": TYPE, LEVEL: 7, "location": point}
    assert other.body["data"] == {"type": "FeatureCollection", "features": features}
    assert other.headers["link"].startswith(f"<{_CORE}>; ")


async def test_deletions_and_previous_values_are_told_to_those_who_ask(world: World, sink: Sink) -> None:
    for path, trigger in (("/attr", "attributeDeleted"), ("/entity", "entityDeleted"), ("/updated", "entityUpdated")):
        await world.subscribe(sink.url + path, notificationTrigger=[trigger], watchedAttributes=[LEVEL])
    await world.subscribe(sink.url + "/shown", notification={"showChanges": True, "attributes": [LEVEL]})
    await world.subscribe(sink.url + "/q", notificationTrigger=["entityDeleted"], q=f"<{LEVEL}>>5")
    await world.subscribe(sink.url + "/default")
    async with notifying(world):
        await world.write("create", vehicle(1, 1, plate="AB"))
        await world.write("upsert_update", vehicle(1, 2))
        await world.write("upsert_replace", vehicle(1, None, plate="CD"))
        await world.write("upsert_update", vehicle(1, 3))
        await world.write("delete", vehicle(1, None))
        assert await world.settled(14) == Balance(14, 14, 0, 0)
    level: dict[str, list[Any]] = {}
    for one in sink.received:
        (entity,) = one.body["data"]
        level.setdefault(one.path, []).append((entity.get(LEVEL), "deletedAt" in entity, PLATE in entity))
    null, ones = {"type": "Property", "value": NULL}, {n: {"type": "Property", "value": n} for n in (1, 2, 3)}
    assert level == {
        "/attr": [(null, False, True), (null, True, False)],
        "/entity": [(None, True, False)],
        "/updated": [(ones[2], False, True), (null, False, True), (ones[3], False, True)],
        "/shown": [
            (ones[1], False, False),
            (ones[2] | {"previousValue": 1}, False, False),
            (null | {"previousValue": 2}, False, False),
            (ones[3], False, False),
        ],
        "/default": [
            (ones[1], False, True),
            (ones[2], False, True),
            (None, False, True),
            (ones[3], False, True),
        ],
    }
    (gone,) = sink.of("/entity")
    assert sorted(gone.body["data"][0]) == ["deletedAt", "id", "type"]


async def test_what_is_hidden_is_not_told_as_deleted_nor_as_what_was(world: World, sink: Sink) -> None:
    """The plate is shown of vehicles of level 10 and more; that it is hidden from then on is no deletion."""
    plates = Grant("urn:b", 1, frozenset({TYPE}), ALL, Compare(Path(LEVEL), ">=", Number(10)))
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), AttrSet(frozenset({LEVEL}))), plates))
    triggers = ["attributeUpdated", "attributeDeleted", "entityDeleted"]
    await world.subscribe(sink.url + "/a", notificationTrigger=triggers, notification={"showChanges": True})
    async with notifying(world):
        await world.write("create", vehicle(1, 10, plate="AB"))
        await world.write("upsert_update", vehicle(1, 1))
        await world.write("upsert_update", vehicle(1, 11, plate="CD"))
        await world.write("upsert_update", vehicle(1, 1))
        await world.write("upsert_replace", vehicle(1, 2))
        await world.write("delete", vehicle(1, None))
        assert await world.settled(5) == Balance(5, 5, 0, 0)
    told = [{name: one.body["data"][0].get(name) for name in (LEVEL, PLATE)} for one in sink.received]
    assert [one[LEVEL]["previousValue"] for one in told] == [10, 1, 11, 1, 2]
    assert [one[PLATE] for one in told] == [None, {"type": "Property", "value": "CD"}, None, None, None]
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), ALL, Compare(Path(LEVEL), ">=", Number(10))),))
    async with notifying(world):
        await world.write("create", vehicle(2, 1))
        await world.write("delete", vehicle(2, None))
        await world.write("create", vehicle(3, 10))
        await world.write("delete", vehicle(3, None))
        assert await world.settled(6) == Balance(6, 6, 0, 0)
    assert sink.received[-1].body["data"][0]["id"][-1] == "3"


async def test_only_watched_attributes_of_matching_entities_fire(world: World, sink: Sink) -> None:
    await world.subscribe(sink.url + "/watched", watchedAttributes=[PLATE])
    await world.subscribe(sink.url + "/q", q=f"{LEVEL}>5".replace(LEVEL, f"<{LEVEL}>"))
    await world.subscribe(sink.url + "/id", entities=[{"type": TYPE, "id": "urn:ngsi-ld:Vehicle:2"}])
    await world.subscribe(sink.url + "/pattern", entities=[{"type": TYPE, "idPattern": ".*:1$"}])
    await world.subscribe(sink.url + "/other", entities=[{"type": NS + "Bus"}])
    await world.subscribe(sink.url + "/paused", isActive=False)
    async with notifying(world):
        await world.write("create", vehicle(1, 1), vehicle(2, 9))
        await world.write("upsert_update", vehicle(1, 2))
        await world.write("upsert_update", vehicle(1, None, plate="AB"))
        assert await world.settled(6) == Balance(6, 6, 0, 0)
    assert _told(sink.of("/watched")) == [("1", 2)]
    assert _told(sink.of("/q")) == [("2", 9)]
    assert _told(sink.of("/id")) == [("2", 9)]
    assert _told(sink.of("/pattern")) == [("1", 1), ("1", 2), ("1", 2)]
    assert sink.of("/other") == []
    assert sink.of("/paused") == []


async def test_each_change_is_told_as_it_was_though_the_entity_has_moved_on(world: World, sink: Sink) -> None:
    await world.subscribe(sink.url + "/a")
    await world.write("create", vehicle(1, 1, plate="AB"))
    await world.write("upsert_update", vehicle(1, 2))
    await world.write("upsert_replace", vehicle(1, 3))
    await world.write("upsert_update", vehicle(1, None, plate="CD"))
    await world.write("delete", vehicle(1, None))
    await world.write("create", vehicle(1, 5))
    async with notifying(world):
        assert await world.settled(5) == Balance(5, 5, 0, 0)
    states = [
        {name: one["value"] for name, one in r.body["data"][0].items() if name in (LEVEL, PLATE)} for r in sink.received
    ]
    assert states == [
        {LEVEL: 1, PLATE: "AB"},
        {LEVEL: 2, PLATE: "AB"},
        {LEVEL: 3},
        {LEVEL: 3, PLATE: "CD"},
        {LEVEL: 5},
    ]


async def test_what_is_hidden_before_or_after_is_not_told(world: World, sink: Sink) -> None:
    """The grant shows vehicles of level 10 and more: a vehicle that enters or leaves that range tells nothing."""
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), ALL, Compare(Path(LEVEL), ">=", Number(10))),))
    await world.subscribe(sink.url + "/a")
    async with notifying(world):
        for level in (1, 11, 12, 2, 3, 13, 14):
            await world.write("upsert_update", vehicle(1, level))
        await world.settled(2)
        await asyncio.sleep(0.3)
        assert await world.balance() == Balance(2, 2, 0, 0)
    assert _told(sink.received) == [("1", 12), ("1", 14)]


async def test_masked_attributes_neither_show_nor_fire_nor_decide(world: World, sink: Sink) -> None:
    world.access = Access((Grant("urn:a", 1, frozenset({TYPE}), AttrSet(frozenset({LEVEL}))),))
    await world.subscribe(sink.url + "/any")
    await world.subscribe(sink.url + "/plate", watchedAttributes=[PLATE])
    await world.subscribe(sink.url + "/q", q=f'<{PLATE}>=="AB"')
    async with notifying(world):
        await world.write("create", vehicle(1, 1, plate="AB"))
        await world.write("upsert_update", vehicle(1, None, plate="CD"))
        await world.write("upsert_update", vehicle(1, 2, plate="EF"))
        assert await world.settled(2) == Balance(2, 2, 0, 0)
    assert [one.body["data"][0] for one in sink.received] == [
        {"id": "urn:ngsi-ld:Vehicle:1", "type": TYPE, LEVEL: {"type": "Property", "value": level}} for level in (1, 2)
    ]


async def test_an_agreement_that_ends_ends_what_still_waits(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.2, longest_s=0.2)
    sink.always = {"/a": 503}
    await world.subscribe(sink.url + "/a")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        await world.owed(1)
        world.access = None  # a try that is under way was decided before: the receiver goes on refusing
        assert await world.settled(1) == Balance(1, 0, 1, 0)
        sink.always = {}
        await world.write("upsert_update", vehicle(1, 2))
        await asyncio.sleep(0.5)
        assert await world.balance() == Balance(1, 0, 1, 0)
    assert sink.received == []


async def test_a_deleted_subscription_is_told_nothing_more(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.2, longest_s=0.2)
    sink.always = {"/a": 503}
    id = await world.subscribe(sink.url + "/a")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        await world.owed(1)
        async with world.pool.tx(world.schema) as conn:
            await subscriptions.delete(conn, id, "urn:party:test")
        await asyncio.sleep(0.5)
        sink.always = {}
        assert await world.settled(1) == Balance(1, 0, 1, 0)
    assert sink.received == []


async def test_a_slow_receiver_slows_nobody_else(world: World, sink: Sink) -> None:
    world.limits = Limits(calls_per_line=2, tries=3, first_s=0.02, longest_s=0.05)
    sink.delay_s = {"/slow": 1.0}
    await world.subscribe(sink.url + "/slow")
    await world.subscribe(sink.url + "/quick")
    async with notifying(world):
        await world.write("create", *(vehicle(n, 1) for n in range(8)))
        started = time.monotonic()
        await sink.until(8, "/quick", within_s=5)
        assert len(sink.of("/slow")) <= 2
        assert time.monotonic() - started < 3
        await sink.until(8, "/slow", within_s=15)
    assert sink.most_under_way["/slow"] == 2


async def test_failures_are_tried_again_in_order_and_then_given_up(world: World, sink: Sink) -> None:
    sink.answers = {"/flaky": [500, 404]}
    sink.always = {"/never": 500}
    await world.subscribe(sink.url + "/flaky")
    await world.subscribe(sink.url + "/never")
    async with notifying(world):
        for level in (1, 2, 3):
            await world.write("upsert_update", vehicle(1, level))
        assert await world.settled(6) == Balance(6, 3, 3, 0)
    assert _told(sink.of("/flaky")) == [("1", 1), ("1", 2), ("1", 3)]
    assert sink.of("/never") == []


async def test_a_receiver_that_failed_is_left_alone_for_its_cooldown(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.01, longest_s=0.01)
    sink.answers = {"/a": [404]}
    await world.subscribe(sink.url + "/a", endpoint={"cooldown": 3_600_000})
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        async with asyncio.timeout(15), world.pool.lend(None) as conn:
            while not await conn.fetchval("SELECT failed FROM broker.ledger_totals"):  # noqa: ASYNC110 - it is watched
                await asyncio.sleep(0.01)
        await world.write("create", vehicle(2, 2))
        await world.owed(2)
    assert sink.received == []
    async with notifying(world):
        await asyncio.sleep(0.5)
        assert await world.balance() == Balance(2, 0, 0, 2)
    async with world.pool.lend(None) as conn:
        await conn.execute("UPDATE broker.ledger_totals SET last_failure = last_failure - interval '1 hour'")
    async with notifying(world):
        assert await world.settled(2) == Balance(2, 2, 0, 0)
    assert sorted(_told(sink.received)) == [("1", 1), ("2", 2)]


async def test_a_receiver_at_a_private_address_is_never_called(world: World, sink: Sink) -> None:
    await world.subscribe("http://10.0.0.1:9/x")
    async with notifying(world):
        await world.write("create", vehicle(1, 1))
        assert await world.settled(1) == Balance(1, 0, 1, 0)
    async with world.pool.lend(None) as conn:
        error = await conn.fetchval("SELECT error FROM broker.ledger")
    assert "10.0.0.1 is not a public address" in error


async def test_a_restart_takes_up_what_waits(world: World, sink: Sink) -> None:
    world.limits = Limits(tries=100, first_s=0.5, longest_s=0.5)
    sink.always = {"/a": 503}
    await world.subscribe(sink.url + "/a")
    async with notifying(world):
        await world.write("create", *(vehicle(n, n) for n in range(5)))
        await world.owed(5)
    assert (await world.balance()).waiting == 5
    sink.always = {}
    async with notifying(world):
        assert await world.settled(5) == Balance(5, 5, 0, 0)
    assert sorted(_told(sink.received)) == [(str(n), n) for n in range(5)]
