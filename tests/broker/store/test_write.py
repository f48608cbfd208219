"""The write engine on a real database: state, side tables, history, outbox, tombstones, races."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import orjson
import pytest

from broker.core.change import parse
from broker.core.errors import AlreadyExists, BadRequestData, ResourceNotFound
from broker.core.patch import Row
from broker.store import history
from broker.store.pool import Conn, Pool
from broker.store.write import Change, Outcome, apply
from tests.fixtures.postgres import Database

SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
NOW = datetime(2026, 11, 22, 7, 0, 0, 123456, UTC)
TEMPERATURE = "https://example.org/temperature"
PLACE = "https://example.org/place"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
TYPE = "https://example.org/T"


def doc(entity_id: str, value: Any = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": entity_id,
        "type": [TYPE],
        TEMPERATURE: {"type": "Property", "value": value, "observedAt": "2026-11-22T05:00:00Z"},
        LOCATION: {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.9, 52.4]}},
        **more,
    }


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    pool = Pool(pg.dsn("broker"), size=8)
    await pool.open()
    yield pool
    await pool.close()


async def write(pool: Pool, *changes: Change, now: datetime = NOW) -> list[Outcome]:
    async with pool.tx(SCHEMA) as conn:
        return await apply(conn, "default", changes, now)


async def rows(pool: Pool, sql: str, *args: Any, schema: str | None = SCHEMA) -> list[tuple[Any, ...]]:
    async with pool.lend(schema) as conn:
        return [tuple(row) for row in await conn.fetch(sql, *args)]


async def test_create_writes_state_side_tables_history_and_outbox(pool: Pool) -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [3, 4]}}
    change = Change("create", "urn:x:1", doc("urn:x:1", **{PLACE: place}), cause="http:1")
    assert await write(pool, change) == [Outcome("urn:x:1", "created", 1)]
    state = await rows(
        pool,
        "SELECT id, types, scopes, names, segs, vals::text, ST_AsText(location), created_at, modified_at, expires_at, "
        "version FROM entities",
    )
    assert state == [
        (
            "urn:x:1",
            [TYPE],
            None,
            [TEMPERATURE, LOCATION, PLACE],
            [
                '{"type":"Property","value":1,"observedAt":"2026-11-22T05:00:00Z"}',
                '{"type":"GeoProperty","value":{"type":"Point","coordinates":[4.9,52.4]}}',
                '{"type":"GeoProperty","value":{"type":"Point","coordinates":[3,4]}}',
            ],
            '{"https://example.org/place": [], "https://example.org/temperature": 1, '
            '"https://uri.etsi.org/ngsi-ld/location": []}',
            "POINT(4.9 52.4)",
            NOW,
            NOW,
            None,
            1,
        )
    ]
    assert await rows(pool, "SELECT * FROM entity_type") == [(TYPE, "urn:x:1")]
    assert await rows(pool, "SELECT id, attr, ST_AsText(geom) FROM entity_geo") == [("urn:x:1", PLACE, "POINT(3 4)")]
    history = await rows(pool, 'SELECT attr, observed_at, received_at, kind FROM history ORDER BY attr COLLATE "C"')
    assert history == [
        (PLACE, NOW, NOW, "value"),
        (TEMPERATURE, datetime(2026, 11, 22, 5, 0, tzinfo=UTC), NOW, "value"),
        (LOCATION, NOW, NOW, "value"),
    ]
    outbox = await rows(pool, "SELECT tenant, entity, payload FROM broker.outbox", schema=None)
    assert [(tenant, entity) for tenant, entity, _ in outbox] == [("default", "urn:x:1")]
    event = orjson.loads(outbox[0][2])
    assert (event["id"], event["op"], event["cause"]) == ("default/urn:x:1/1", "created", "http:1")
    assert [(attr["name"], attr["was"]) for attr in event["attrs"]] == [
        (TEMPERATURE, None),
        (LOCATION, None),
        (PLACE, None),
    ]


async def test_outcomes_are_rows_and_stand_in_order(pool: Pool) -> None:
    outcomes = await write(
        pool,
        Change("create", "urn:x:2", doc("urn:x:2")),
        Change("create", "urn:x:1", doc("urn:x:1")),
        Change("create", "urn:x:2", doc("urn:x:2")),
        Change("delete", "urn:x:3"),
    )
    assert [(one.entity, one.result) for one in outcomes] == [
        ("urn:x:2", "created"),
        ("urn:x:1", "created"),
        ("urn:x:2", "conflict"),
        ("urn:x:3", "missing"),
    ]
    assert isinstance(outcomes[2].error, AlreadyExists)
    assert isinstance(outcomes[3].error, ResourceNotFound)
    assert len(await rows(pool, "SELECT 1 FROM broker.outbox", schema=None)) == 2


async def test_versions_never_repeat_over_delete_and_create(pool: Pool) -> None:
    await write(pool, Change("create", "urn:x:1", doc("urn:x:1")))
    await write(pool, Change("delete", "urn:x:1"), now=NOW + timedelta(seconds=1))
    assert await rows(pool, "SELECT id, version FROM tombstones") == [("urn:x:1", 2)]
    assert await rows(pool, "SELECT * FROM entity_type") == []
    outcomes = await write(pool, Change("create", "urn:x:1", doc("urn:x:1", 5)), now=NOW + timedelta(seconds=2))
    assert outcomes == [Outcome("urn:x:1", "created", 3)]
    assert await rows(pool, "SELECT id FROM tombstones") == []
    both = [Change("delete", "urn:x:1"), Change("create", "urn:x:1", doc("urn:x:1", 6))]
    outcomes = await write(pool, *both, now=NOW + timedelta(seconds=3))
    assert [(one.result, one.version) for one in outcomes] == [("deleted", None), ("created", 5)]
    versions = await rows(pool, "SELECT payload::jsonb->>'id' FROM broker.outbox ORDER BY id", schema=None)
    assert versions == [(f"default/urn:x:1/{n}",) for n in (1, 2, 3, 4, 5)]


async def test_late_feed_data_reaches_history_but_not_a_deleted_entity(pool: Pool) -> None:
    await write(pool, Change("create", "urn:x:1", doc("urn:x:1")))
    await write(pool, Change("delete", "urn:x:1"), now=NOW + timedelta(seconds=10))
    late = Change("ingest_merge", "urn:x:1", doc("urn:x:1", 9), received_at="2026-11-22T06:00:00Z", event="f/0/1/0")
    assert [one.result for one in await write(pool, late, now=NOW + timedelta(seconds=20))] == ["noop"]
    assert await rows(pool, "SELECT id FROM entities") == []


async def test_replayed_feed_events_change_nothing(pool: Pool) -> None:
    change = Change("ingest_merge", "urn:x:1", doc("urn:x:1", 9), received_at="2026-11-22T06:00:00Z", event="f/0/1/0")
    assert [one.result for one in await write(pool, change)] == ["created"]
    before = await rows(pool, 'SELECT * FROM history ORDER BY attr COLLATE "C"')
    assert [one.result for one in await write(pool, change, now=NOW + timedelta(hours=1))] == ["noop"]
    assert await rows(pool, 'SELECT * FROM history ORDER BY attr COLLATE "C"') == before
    assert await rows(pool, "SELECT version, modified_at FROM entities") == [(1, NOW)]


async def test_the_higher_receipt_wins_in_history_whatever_the_order(pool: Pool) -> None:
    one = Change("ingest_merge", "urn:x:1", doc("urn:x:1", 1), received_at="2026-11-22T06:00:01Z", event="f/0/1/0")
    two = Change("ingest_merge", "urn:x:1", doc("urn:x:1", 2), received_at="2026-11-22T06:00:02Z", event="f/0/2/0")
    await write(pool, two)
    await write(pool, one)
    found = await rows(pool, "SELECT body::jsonb->'value' FROM history WHERE attr = $1", TEMPERATURE)
    assert found == [("2",)]
    assert await rows(pool, "SELECT vals->$1 FROM entities", TEMPERATURE) == [("2",)]


async def test_moves_geometry_only_when_it_changes(pool: Pool) -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [3, 4]}}
    await write(pool, Change("create", "urn:x:1", doc("urn:x:1", **{PLACE: place})))
    fragment = {"id": "urn:x:1", "type": [TYPE], TEMPERATURE: {"type": "Property", "value": 3}}
    await write(pool, Change("upsert_update", "urn:x:1", fragment), now=NOW + timedelta(seconds=1))
    assert await rows(pool, "SELECT ST_AsText(location) FROM entities") == [("POINT(4.9 52.4)",)]
    whole = {"id": "urn:x:1", "type": ["https://example.org/U"], TEMPERATURE: {"type": "Property", "value": 4}}
    await write(pool, Change("upsert_replace", "urn:x:1", whole), now=NOW + timedelta(seconds=2))
    assert await rows(pool, "SELECT location, names FROM entities") == [(None, [TEMPERATURE])]
    assert await rows(pool, "SELECT id FROM entity_geo") == []
    assert await rows(pool, "SELECT type FROM entity_type") == [("https://example.org/U",)]


async def test_expired_counts_as_absent(pool: Pool) -> None:
    await write(pool, Change("create", "urn:x:1", doc("urn:x:1", expiresAt="2026-11-22T07:00:05Z")))
    again = Change("create", "urn:x:1", doc("urn:x:1", 2))
    assert [one.result for one in await write(pool, again, now=NOW + timedelta(seconds=1))] == ["conflict"]
    outcomes = await write(pool, again, now=NOW + timedelta(seconds=6))
    assert outcomes == [Outcome("urn:x:1", "created", 2)]
    assert await rows(pool, "SELECT expires_at FROM entities") == [(None,)]


async def test_a_guard_sees_before_and_after_and_refuses_one_change_only(pool: Pool) -> None:
    seen: list[tuple[str, bool]] = []

    class Twos:
        def admit(self, before: Row | None) -> None:
            seen.append(("before", before is not None))

        def conclude(self, after: Row | None) -> BadRequestData | None:
            seen.append(("after", after is not None))
            return BadRequestData("no") if after is not None and after.vals[TEMPERATURE] == 2 else None

    guard = Twos()
    changes = [Change("upsert_replace", "urn:x:1", doc("urn:x:1", value)) for value in (1, 2, 3)]
    async with pool.tx(SCHEMA) as conn:
        outcomes = await apply(conn, "default", changes, NOW, [guard, guard, guard])
    assert [one.result for one in outcomes] == ["created", "refused", "updated"]
    assert seen == [
        ("before", False),
        ("after", True),
        ("before", True),
        ("after", True),
        ("before", True),
        ("after", True),
    ]
    assert await rows(pool, "SELECT vals->$1, version FROM entities", TEMPERATURE) == [("3", 2)]
    assert len(await rows(pool, "SELECT 1 FROM broker.outbox", schema=None)) == 2


async def test_two_creators_of_the_same_ids_never_both_win(pool: Pool) -> None:
    async def creator(value: int) -> list[str]:
        changes = [Change("create", f"urn:x:{n}", doc(f"urn:x:{n}", value)) for n in range(40)]
        return [one.result for one in await write(pool, *changes)]

    results = await asyncio.gather(*[creator(value) for value in range(6)])
    for n in range(40):
        assert sorted(result[n] for result in results) == ["conflict"] * 5 + ["created"]
    assert await rows(pool, "SELECT count(*), min(version), max(version) FROM entities") == [(40, 1, 1)]
    assert await rows(pool, "SELECT count(*) FROM broker.outbox", schema=None) == [(40,)]


async def test_an_insert_that_meets_a_foreign_tombstone_runs_again(pool: Pool) -> None:
    """The entity is made and deleted by another between our look and our insert: the version goes on from there."""
    async with pool.lend(SCHEMA) as conn:
        transaction = conn.transaction()
        await transaction.start()
        pausing, change = _Pausing(conn), Change("create", "urn:x:1", doc("urn:x:1"))
        task = asyncio.create_task(apply(cast("Conn", pausing), "default", [change], NOW))
        await pausing.before_insert.wait()
        await write(pool, Change("create", "urn:x:1", doc("urn:x:1")))
        await write(pool, Change("delete", "urn:x:1"), now=NOW + timedelta(milliseconds=1))
        pausing.go.set()
        assert await task == [Outcome("urn:x:1", "created", 3)]
        await transaction.commit()
    assert await rows(pool, "SELECT id FROM tombstones") == []
    assert await rows(pool, "SELECT count(*) FROM entity_type") == [(1,)]
    told = await rows(pool, "SELECT payload FROM broker.outbox ORDER BY id", schema=None)
    assert [parse(payload).version for (payload,) in told] == [1, 2, 3]


class _Pausing:
    """A connection that waits before its first INSERT INTO entities."""

    def __init__(self, conn: Conn) -> None:
        self._conn = conn
        self.before_insert = asyncio.Event()
        self.go = asyncio.Event()

    async def fetch(self, sql: str, *args: Any) -> Any:
        if sql.startswith("INSERT INTO entities"):
            self.before_insert.set()
            await self.go.wait()
        return await self._conn.fetch(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)


async def test_a_tenant_role_reaches_nothing_but_its_own(pool: Pool) -> None:
    async with pool.tx(None) as conn:
        other = await conn.fetchval("SELECT broker.create_tenant('other')")
    async with pool.lend(other) as conn:
        for sql in (
            f"SELECT * FROM {SCHEMA}.entities",  # noqa: S608 - our own constant
            "SELECT * FROM broker.outbox",
            "SELECT * FROM broker.tenants",
            "SELECT broker.create_tenant('third')",
            "DELETE FROM broker.outbox",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(sql)
    async with pool.lend(None) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(f"SELECT * FROM {SCHEMA}.entities")  # noqa: S608 - our own constant


def at(entity_id: str, observed: str) -> Change:
    """Create an entity with one temperature of this time."""
    one = {"type": "Property", "value": 1, "observedAt": observed}
    return Change("create", entity_id, {"id": entity_id, "type": [TYPE], TEMPERATURE: one})


async def test_history_goes_into_monthly_partitions_and_far_times_into_the_default(pool: Pool) -> None:
    await write(pool, at("urn:x:1", "2025-03-31T23:59:59Z"), at("urn:x:2", "2025-04-01T00:00:00Z"))
    await write(pool, at("urn:x:3", "1890-01-01T00:00:00Z"), at("urn:x:4", "2999-01-01T00:00:00Z"))
    found = await rows(pool, "SELECT entity, tableoid::regclass::text FROM history ORDER BY entity")
    assert found == [
        ("urn:x:1", "history_202503"),
        ("urn:x:2", "history_202504"),
        ("urn:x:3", "history_default"),
        ("urn:x:4", "history_default"),
    ]


async def test_a_month_that_another_transaction_would_have_to_wait_for_goes_to_the_default_until_it_is_moved(
    pool: Pool,
) -> None:
    where = "SELECT entity, tableoid::regclass::text FROM history ORDER BY entity"
    async with pool.tx(SCHEMA) as first:
        await apply(first, "default", [at("urn:x:1", "1890-01-01T00:00:00Z")], NOW)  # holds the default partition
        async with asyncio.timeout(10):  # neither waits for the other, nor do both for each other
            await write(pool, at("urn:x:2", "2024-05-01T00:00:00Z"))
            assert await rows(pool, where) == [("urn:x:2", "history_default")]
            await apply(first, "default", [at("urn:x:3", "2024-05-02T00:00:00Z")], NOW)
    assert await rows(pool, where) == [
        ("urn:x:1", "history_default"),
        ("urn:x:2", "history_202405"),
        ("urn:x:3", "history_202405"),
    ]


async def test_months_are_made_ahead_and_waiting_rows_are_moved(pool: Pool) -> None:
    async with pool.tx(SCHEMA) as other:
        await other.execute("LOCK TABLE history_default IN ROW EXCLUSIVE MODE")
        await write(pool, at("urn:x:1", "2024-05-01T00:00:00Z"), at("urn:x:2", "1890-01-01T00:00:00Z"))
        with pytest.raises(asyncpg.LockNotAvailableError):
            await history.keep_months(pool, SCHEMA, datetime(2026, 12, 15, tzinfo=UTC), wait_s=0.1)
    await history.keep_months(pool, SCHEMA, datetime(2026, 12, 15, tzinfo=UTC))
    assert await rows(pool, "SELECT entity, tableoid::regclass::text FROM history ORDER BY entity") == [
        ("urn:x:1", "history_202405"),
        ("urn:x:2", "history_default"),
    ]
    found = await rows(
        pool, "SELECT relid::regclass::text FROM pg_partition_tree('history') WHERE level = 1 ORDER BY relid::text"
    )
    assert {name for (name,) in found} >= {"history_202612", "history_202701", "history_202405", "history_default"}


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, "a;b", "ü"])
async def test_refuses_tenant_names_that_are_none(pool: Pool, name: str) -> None:
    async with pool.lend(None) as conn:
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await conn.fetchval("SELECT broker.create_tenant($1)", name)
