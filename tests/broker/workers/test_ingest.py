"""What the ingest worker lets in, what it turns away and why, and who may write (CONTRACTS: Kafka topics)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.bus.consume import Batch, Consumer, Message, Source
from broker.core import topics
from broker.store import offsets
from broker.store.offsets import Advance, Fenced, Position
from broker.workers.ingest import Ingest
from broker.workers.optouts import OptOuts
from broker.workers.relay import Relay
from tests.broker.workers.world import LEVEL, NS, World
from tests.faults.streams import FEED, TYPE, permit
from tests.fixtures.postgres import Database

_OBSERVED = "2026-11-20T00:00:00.000000Z"


def _envelope(number: int, **members: Any) -> dict[str, Any]:
    entity = {
        "id": f"urn:ngsi-ld:Vehicle:{number}",
        "type": [TYPE],
        LEVEL: {"type": "Property", "value": number, "observedAt": _OBSERVED},
    }
    return {
        "v": 1,
        "event": f"{FEED}/0/{number}/0",
        "feed": FEED,
        "mapping": "sha256:test",
        "tenant": "default",
        "domain": "mobility",
        "op": "merge",
        "received_at": _OBSERVED,
        "subjects": [],
        "entity": entity,
    } | members


def _message(offset: int, value: bytes | dict[str, Any], *, prefix: str, key: bytes | None = None) -> Message:
    if isinstance(value, dict):
        found = topics.key(str(value.get("tenant")), value["entity"]["id"]) if key is None else key
        return Message(f"{prefix}entities.mobility", 0, offset, found, orjson.dumps(value))
    return Message(f"{prefix}entities.mobility", 0, offset, key or b"", value)


def _source(world: World, owner: str) -> Source:
    return Source(world.kafka, "ingest", f"{world.prefix}ingest", owner, f"^{world.prefix}entities\\..*$")


async def _claim(world: World, owner: str) -> Position:
    async with world.pool.tx(None) as conn:
        return await offsets.claim(conn, "ingest", owner, f"{world.prefix}entities.mobility", 0)


async def _take(world: World, values: list[Any], optouts: set[tuple[str, str]] | None = None) -> list[dict[str, Any]]:
    """Ingest records as one batch; return the dead letters."""
    at = await _claim(world, "me")
    ingest = Ingest(world.pool, _source(world, "me"), optouts or set(), prefix=world.prefix)
    place = (f"{world.prefix}entities.mobility", 0)
    messages = [
        value if isinstance(value, Message) else _message(n, value, prefix=world.prefix)
        for n, value in enumerate(values)
    ]
    moved: list[Advance] = []
    await ingest.take(Batch({place: messages}, {place: at}), moved.extend)
    async with world.pool.lend(None) as conn:
        assert await offsets.positions(conn, "ingest") == {place: len(values)}
        rows = await conn.fetch("SELECT topic, key, value FROM broker.owed ORDER BY id")
    assert moved[-1].next == len(values)
    return [{"topic": row["topic"], "key": row["key"], **orjson.loads(row["value"])} for row in rows]


async def _stored(world: World) -> list[str]:
    async with world.pool.lend(world.schema) as conn:
        return [row["id"][20:] for row in await conn.fetch("SELECT id FROM entities ORDER BY id")]


async def test_what_is_permitted_is_stored_with_its_provenance(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    assert await _take(world, [_envelope(1), _envelope(2)]) == []
    assert await _stored(world) == ["1", "2"]
    async with world.pool.lend(None) as conn:
        causes = [
            orjson.loads(row["payload"])["cause"] for row in await conn.fetch("SELECT payload FROM broker.outbox")
        ]
    assert causes == [f"ingest:{FEED}"] * 2


async def test_a_poison_record_stops_nothing(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    poison = [
        b"\xff\xfe not json",
        b"[]",
        b"",
        orjson.dumps(_envelope(9) | {"v": 2}),
        orjson.dumps(_envelope(9) | {"feed": "other-feed", "entity": {"id": "no uri", "type": [TYPE]}}),
    ]
    letters = await _take(world, [_envelope(1), *poison, _envelope(2)])
    assert await _stored(world) == ["1", "2"]
    assert [(one["topic"], one["stage"], one["rule"], one["field"]) for one in letters] == [
        ("dead.unknown", "envelope", "malformed", "envelope"),
        ("dead.unknown", "envelope", "malformed", "envelope"),
        ("dead.unknown", "envelope", "malformed", "envelope"),
        (f"dead.{FEED}", "envelope", "malformed", "v"),
        ("dead.other-feed", "envelope", "malformed", "entity.id"),
    ]
    assert [one["position"] for one in letters] == [f"entities.mobility/0/{n}" for n in range(1, 6)]
    assert [one["sha256"] for one in letters] == [hashlib.sha256(value).hexdigest() for value in poison]
    assert [one["length"] for one in letters] == [len(value) for value in poison]
    for one in letters:
        assert set(one) == {
            *("topic", "key", "v", "feed", "stage", "rule", "field", "suggestion"),
            *("position", "length", "sha256", "at"),
        }
        assert "no uri" not in orjson.dumps(one).decode()


async def test_a_value_that_the_database_refuses_becomes_a_dead_letter_alone(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    nul = _envelope(3)
    nul["entity"][LEVEL]["value"] = "a\x00b"
    letters = await _take(world, [_envelope(1), _envelope(2), nul, _envelope(4), _envelope(5)])
    assert await _stored(world) == ["1", "2", "4", "5"]
    assert [(one["stage"], one["position"]) for one in letters] in (
        [("apply", "entities.mobility/0/2")],
        [("envelope", "entities.mobility/0/2")],
    )


def _with_type(iri: str) -> Callable[[dict[str, Any]], None]:
    def change(envelope: dict[str, Any]) -> None:
        envelope["entity"]["type"] = [TYPE, iri]

    return change


@pytest.mark.parametrize(
    ("change", "rule", "field"),
    [
        (lambda e: e.update(feed="other"), "agreement", "feed"),
        (lambda e: e.update(tenant="nowhere"), "tenant", "tenant"),
        (lambda e: e.update(tenant="platform"), "agreement", "feed"),
        (lambda e: e.update(domain="environment"), "domain", "domain"),
        (lambda e: e.update(domain="No Such"), "domain", "domain"),
        (_with_type(NS + "Bus"), "type", "entity.type"),
        (lambda e: e.update(subjects=["x", "p1"]), "opted_out", "subjects"),
    ],
)
async def test_what_is_not_permitted_is_turned_away_with_its_reason(
    world: World, pg: Database, change: Callable[[dict[str, Any]], None], rule: str, field: str
) -> None:
    await permit(pg.dsn("policies"))
    refused = _envelope(1)
    change(refused)
    (letter,) = await _take(world, [refused], {("mobility", "p1"), ("other", "x")})
    assert (letter["stage"], letter["rule"], letter["field"]) == ("admit", rule, field)
    assert letter["feed"] == refused["feed"]
    assert await _stored(world) == []


async def test_a_record_under_another_s_key_is_turned_away(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    message = _message(0, _envelope(1), prefix=world.prefix, key=topics.key("default", "urn:ngsi-ld:Vehicle:2"))
    (letter,) = await _take(world, [message])
    assert (letter["rule"], letter["field"]) == ("key", "key")


async def test_an_agreement_that_ended_permits_nothing(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    async with world.pool.lend(None) as conn:
        assert await conn.fetchval("SELECT count(*) FROM policies.agreements") == 1
    owner = await asyncpg.connect(pg.dsn("policies"))
    await owner.execute("UPDATE policies.agreements SET status = 'suspended'")
    await owner.close()
    (letter,) = await _take(world, [_envelope(1)])
    assert letter["rule"] == "agreement"
    assert await _stored(world) == []


async def test_a_worker_that_lost_its_partition_keeps_nothing(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    place = (f"{world.prefix}entities.mobility", 0)
    at = await _claim(world, "old")
    await _claim(world, "new")
    ingest = Ingest(world.pool, _source(world, "old"), set(), prefix=world.prefix)
    batch = Batch({place: [_message(0, _envelope(1), prefix=world.prefix)]}, {place: at})
    with pytest.raises(Fenced):
        await ingest.take(batch, lambda _: None)
    assert await _stored(world) == []
    async with world.pool.lend(None) as conn:
        assert await offsets.positions(conn, "ingest") == {place: 0}
        assert await conn.fetchval("SELECT count(*) FROM broker.outbox") == 0


async def test_the_same_batch_twice_takes_effect_once(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    place = (f"{world.prefix}entities.mobility", 0)
    at = await _claim(world, "me")
    ingest = Ingest(world.pool, _source(world, "me"), set(), prefix=world.prefix)
    batch = Batch({place: [_message(0, _envelope(1), prefix=world.prefix)]}, {place: at})
    await ingest.take(batch, lambda _: None)
    with pytest.raises(Fenced):
        await ingest.take(batch, lambda _: None)
    async with world.pool.lend(None) as conn:
        assert await conn.fetchval("SELECT count(*) FROM broker.outbox") == 1


@asynccontextmanager
async def _producer(world: World) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _fetched(consumer: Consumer, wanted: int) -> Batch:
    """Fetch until so many records have come."""
    async with asyncio.timeout(60):
        await consumer.assigned.wait()
        batch = await consumer.fetch(wanted, 1.0)
        while (missing := wanted - len(batch.all())) > 0:
            batch = batch.extended(await consumer.fetch(missing, 1.0))
    return batch


async def test_a_turn_gives_the_next_batch_and_moves_what_is_stored_alone(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    topic = f"{world.prefix}entities.mobility"
    async with _producer(world) as producer:
        for number in range(1, 5):
            message = _message(number, _envelope(number), prefix=world.prefix)
            await producer.send_and_wait(topic, message.value, message.key, partition=0)
    source = _source(world, "me")
    consumer = Consumer(source, world.pool)
    ingest = Ingest(world.pool, source, set(), prefix=world.prefix, limit=2, wait_s=30.0)
    await consumer.start()
    try:
        following = await ingest.turn(consumer, await _fetched(consumer, 2))
        async with world.pool.lend(None) as conn:
            assert (await offsets.positions(conn, "ingest"))[topic, 0] == 2
        assert await _stored(world) == ["1", "2"]
        assert [step.expected for step in following.steps()] == [2]
        held = [TopicPartition(*place) for place in consumer.held]
        await consumer.on_partitions_assigned(held)  # as if the partitions had been lost and won back meanwhile
        assert consumer.renewed(following).all() == []
        again = await _fetched(consumer, 2)
        assert [message.offset for message in again.all()] == [2, 3]
        await consumer.on_partitions_revoked(held)
        assert consumer.renewed(again).all() == []
        assert await _stored(world) == ["1", "2"]
    finally:
        await consumer.close()


async def test_a_turn_that_fails_leaves_no_fetch_behind(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    source = _source(world, "me")
    consumer = Consumer(source, world.pool)
    ingest = Ingest(world.pool, source, set(), prefix=world.prefix, wait_s=30.0)
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            await consumer.assigned.wait()
        place = (f"{world.prefix}entities.mobility", 0)
        batch = Batch({place: [_message(0, _envelope(1), prefix=world.prefix)]}, {place: consumer.held[place]})
        await _claim(world, "another")
        with pytest.raises(Fenced):
            await ingest.turn(consumer, batch)
        assert not [task for task in asyncio.all_tasks() if "turn.<locals>.fetch" in repr(task)]
        assert await _stored(world) == []
    finally:
        await consumer.close()


async def test_opt_outs_are_read_whole_and_followed(world: World) -> None:
    topic = f"{world.prefix}control.optouts"
    stop = asyncio.Event()
    async with _producer(world) as producer:
        await producer.send_and_wait(topic, b"1", topics.key("mobility", "p1"))
        await producer.send_and_wait(topic, b"1", topics.key("mobility", "p2"))
        optouts = OptOuts(world.kafka, world.prefix)
        task = asyncio.create_task(optouts.run(stop))
        async with asyncio.timeout(15):
            await optouts.complete.wait()
            assert ("mobility", "p1") in optouts
            assert ("mobility", "p2") in optouts
            assert ("other", "p1") not in optouts
            await producer.send_and_wait(topic, None, topics.key("mobility", "p1"))
            while ("mobility", "p1") in optouts:  # noqa: ASYNC110 - a topic is watched
                await asyncio.sleep(0.02)
        stop.set()
        await task
    assert ("mobility", "p2") in optouts


async def test_letters_and_changes_reach_kafka_and_leave_the_database(world: World, pg: Database) -> None:
    await permit(pg.dsn("policies"))
    await _take(world, [_envelope(1), b"{", _envelope(2)])
    relay = Relay(world.pool, world.kafka, prefix=world.prefix)
    assert await relay.drain() == 2
    assert await relay.drain_owed() == 1
    assert await relay.drain() == 0
    await relay.close()
    consumer = AIOKafkaConsumer(
        f"{world.prefix}changes",
        f"{world.prefix}dead.unknown",
        bootstrap_servers=world.kafka,
        auto_offset_reset="earliest",
        group_id=str(uuid4()),
        enable_auto_commit=False,
    )
    await consumer.start()
    found: list[Any] = []
    async with asyncio.timeout(20):
        while len(found) < 3:
            found += [r for records in (await consumer.getmany(timeout_ms=200)).values() for r in records]
    await consumer.stop()
    changes = sorted(r.key for r in found if r.topic.endswith("changes"))
    assert changes == [topics.key("default", f"urn:ngsi-ld:Vehicle:{n}") for n in (1, 2)]
    (letter,) = [orjson.loads(r.value) for r in found if r.topic.endswith("dead.unknown")]
    assert letter["position"] == "entities.mobility/0/1"
