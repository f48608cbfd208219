"""Indexes made from observed paths: made without a lock, bounded, used by the planner of its own accord, removable.

In a tenant of 40,000 entities; with DATAPOLIS_PROVE=1 of 1,000,000, and then through the broker's door as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from broker.core.entity import LOCATION
from broker.core.parse_scope import parse_scope
from broker.core.query import And, Compare, GeoRel, Linked, Node, Not, Number, Order, Path, Query, Text, TypeIs
from broker.store import observed
from broker.store.compile import ALIVE, compile_where
from broker.store.compile_order import compile_order
from broker.store.indexes import Limits, drop_named, listed, run
from broker.store.pool import Pool
from tests.broker.store.table import Table
from tests.fixtures.broker import broker_process
from tests.fixtures.postgres import Database
from tests.strategies.queries import NS

SPEED, NAME, RARE = NS + "speed", NS + "name", NS + 'it\'s "odd"'
REACH = NS + "reach"
CAR = TypeIs(NS + "Car")
LIMITS = Limits(seen=2, rows=1000, most=4)
PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
ROWS = 1_000_000 if PROVE else 40_000
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)

_FILL = f"""
INSERT INTO entities (id, types, scopes, names, segs, vals, location, meta, created_at, modified_at, version)
SELECT 'urn:x:' || lpad(n::text, 7, '0'), ARRAY[CASE WHEN n % 4 = 0 THEN '{NS}Bus' ELSE '{NS}Car' END],
       CASE WHEN n % 50 = 0 THEN ARRAY['/city/district' || n % 2000 || '/block'] END,
       ARRAY['{SPEED}', '{NAME}', '{LOCATION}', $1::text],
       ARRAY[format('{{"type":"Property","value":%s}}', n % 1000), format('{{"type":"Property","value":"name %s"}}', n),
             '{{"type":"GeoProperty","value":{{"type":"Point","coordinates":[0,0]}}}}',
             '{{"type":"Property","value":1}}'],
       jsonb_build_object('{SPEED}', n % 1000, '{NAME}', 'name ' || n, '{LOCATION}', '[]'::jsonb, $1::text, 1),
       ST_SetSRID(ST_MakePoint(n % 3600 / 10.0 - 180, n / 3600 / 10.0), 4326), '{{}}', now(), now(), 1
FROM generate_series(1, $2::int) n;
"""  # noqa: S608 - our own names


@pytest.fixture(scope="module")
def large(pg_module: Database) -> Iterator[Table]:
    """A tenant of 40,000 entities, which is enough for the planner to choose as it does at a million (PROVE)."""
    table = Table(pg_module)
    table.run(table.conn.execute("DELETE FROM entities"))
    table.run(table.conn.execute(_FILL, RARE, ROWS))
    table.run(table.conn.execute("INSERT INTO entity_type SELECT types[1], id FROM entities"))
    table.run(table.conn.execute("INSERT INTO entity_geo SELECT id, $1, location FROM entities", REACH))
    for name in ("entities", "entity_type", "entity_geo"):
        table.run(table.conn.execute(f"ANALYZE {name}"))
    yield table
    table.close()


def schema_of(table: Table) -> str:
    found: str = table.run(table.conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'queries'"))
    return found


async def asked(database: Database, schema: str, *queries: Query) -> None:
    pool = Pool(database.dsn("broker"), size=1)
    for query in queries:
        observed.note(schema, query)
    await observed.flush(pool)
    await pool.close()


def explain(table: Table, query: Query, limit: int = 100) -> str:
    """Explain a page as the broker asks for it."""
    where = compile_where(query.where)
    order = compile_order(query.order, len(where.params) + 1)
    sql = (
        f"EXPLAIN SELECT e.id, e.segs FROM entities AS e{order.joins} WHERE {ALIVE.format('e')} AND {where.sql} "  # noqa: S608
        f"ORDER BY {order.terms} LIMIT {limit + 1}"
    )
    rows = table.run(table.conn.fetch(sql, *where.params, *order.params))
    return "\n".join(row[0] for row in rows)


NUMBER = Query(And((CAR, Compare(Path(SPEED), ">", Number(997)))))
STRING = Query(And((CAR, Compare(Path(NAME), "==", Text("name 77")))))
UP, DOWN = Query(CAR, order=(Order(Path(SPEED)),)), Query(CAR, order=(Order(Path(NAME), descending=True),))
ODD = Query(Compare(Path(RARE), "==", Number(2)))
NEAR = GeoRel(LOCATION, "near", json.dumps({"type": "Point", "coordinates": [5, 0.5]}), 20_000.0)


def names(*of: tuple[str, str]) -> set[str]:
    return {f"observed_{kind}_{hashlib.sha256(attr.encode()).hexdigest()[:16]}" for attr, kind in of}


def test_indexes_are_made_used_bounded_and_dropped(large: Table, pg_module: Database) -> None:
    owner, schema = pg_module.dsn("owner"), schema_of(large)
    asyncio.run(asked(pg_module, schema, NUMBER, STRING, UP, DOWN, ODD))
    assert asyncio.run(run(owner, LIMITS)) == ([], [])  # once is not often
    asyncio.run(asked(pg_module, schema, NUMBER, NUMBER, STRING, UP, UP, DOWN))
    created, dropped = asyncio.run(run(owner, LIMITS))
    assert set(created) == names((SPEED, "value"), (NAME, "value"), (SPEED, "asc"), (NAME, "desc"))
    assert dropped == []
    found = asyncio.run(listed(owner))
    assert {(one.tenant, one.attr, one.kind, one.valid) for one in found} == {
        ("queries", SPEED, "value", True),
        ("queries", NAME, "value", True),
        ("queries", SPEED, "asc", True),
        ("queries", NAME, "desc", True),
    }
    assert all(one.size > 0 for one in found)

    for query, attr, kind in (
        (NUMBER, SPEED, "value"),
        (STRING, NAME, "value"),
        (UP, SPEED, "asc"),
        (DOWN, NAME, "desc"),
    ):
        plan = explain(large, query)
        assert f"observed_{kind}" in plan, (attr, plan)
        assert "Seq Scan on entities" not in plan
    # Two in a thousand: of the usual statistics the planner takes them for five, and a short page for one to walk for.
    scan = next(line for line in explain(large, NUMBER).splitlines() if "observed_value" in line)
    assert 0.0005 * ROWS <= int(scan.partition("rows=")[2].split()[0]) <= 0.004 * ROWS, scan
    assert "observed_value" in explain(large, NUMBER, limit=20)
    for query in (UP, DOWN):
        assert "Sort" not in explain(large, query).replace("Incremental Sort", "")

    asyncio.run(asked(pg_module, schema, ODD, ODD, ODD))
    assert asyncio.run(run(owner, LIMITS)) == ([], [])  # four there are already
    name = next(iter(names((SPEED, "asc"))))
    assert asyncio.run(drop_named(owner, name)) == 1
    assert asyncio.run(drop_named(owner, name)) == 0
    created, _ = asyncio.run(run(owner, LIMITS))
    assert set(created) == names((RARE, "value"))
    assert "observed_value" in explain(large, ODD)


def test_what_nobody_asks_for_any_more_is_dropped(large: Table, pg_module: Database) -> None:
    schema = schema_of(large)
    large.run(large.conn.execute("UPDATE broker.observed_paths SET last_seen = now() - interval '31 days'"))
    _, dropped = asyncio.run(run(pg_module.dsn("owner"), LIMITS))
    assert len(dropped) == 4
    assert asyncio.run(listed(pg_module.dsn("owner"))) == []
    assert schema == schema_of(large)


def test_a_small_tenant_gets_none(large: Table, pg_module: Database) -> None:
    asyncio.run(asked(pg_module, schema_of(large), *([NUMBER] * 30)))
    assert asyncio.run(run(pg_module.dsn("owner"), Limits(seen=2, rows=ROWS * 10, most=4))) == ([], [])


def test_one_process_at_a_time(large: Table, pg_module: Database) -> None:
    async def second() -> tuple[list[str], list[str]]:
        return await run(pg_module.dsn("owner"), LIMITS)

    large.run(large.conn.execute("SELECT pg_advisory_lock(7233150)"))
    assert asyncio.run(second()) == ([], [])
    large.run(large.conn.execute("SELECT pg_advisory_unlock(7233150)"))


@pytest.mark.parametrize(
    ("node", "index", "least", "most"),
    [
        (And((CAR, NEAR)), "entities_location", 5, 20),
        (And((CAR, replace(NEAR, attr=REACH))), "entity_geo_geom", 5, 20),
        (And((CAR, parse_scope("/city/district50/block"))), "entities_scopes", ROWS // 2000, ROWS // 2000),
        (And((CAR, parse_scope("/city/district50/#"))), "entities_scopes", ROWS // 2000, ROWS // 2000),
    ],
    ids=["near", "near another GeoProperty", "scope", "scopes below"],
)
def test_standing_indexes_serve_places_and_scopes(large: Table, node: Node, index: str, least: int, most: int) -> None:
    plan = explain(large, Query(node))
    assert index in plan
    assert "Seq Scan on entities" not in plan
    assert least <= len(large.find(node)) <= most


_DOOR = {
    "number": (f"type={quote(NS + 'Car')}&q={quote(f'<{SPEED}>>997')}", ("observed_value", SPEED)),
    "string": (f"type={quote(NS + 'Car')}&q={quote(f'<{NAME}>==')}%22name%2077%22", ("observed_value", NAME)),
    "near": (
        f"type={quote(NS + 'Car')}&georel=near;maxDistance==20000&geometry=Point&coordinates=[5,0.5]",
        ("entities_location", ""),
    ),
    "near another GeoProperty": (
        f"type={quote(NS + 'Car')}&georel=near;maxDistance==20000&geometry=Point&coordinates=[5,0.5]"
        f"&geoproperty={quote(REACH)}",
        ("entity_geo_geom", ""),
    ),
    "scope": (f"type={quote(NS + 'Car')}&scopeQ=/city/district50/%23", ("entities_scopes", "")),
    "orderBy": (f"type={quote(NS + 'Car')}&local=true&orderBy={quote(f'<{SPEED}>')}", ("observed_asc", SPEED)),
    "orderBy desc": (f"type={quote(NS + 'Car')}&local=true&orderBy={quote(f'<{NAME}>')};desc", ("observed_desc", NAME)),
}


@pytest.mark.skipif(not PROVE, reason="a million entities: make prove")
def test_queries_at_the_door_use_the_indexes(large: Table, pg_module: Database) -> None:
    """Of the broker's own statements: the index's count of scans moves, that of scans of the whole table does not."""
    schema = schema_of(large)
    asyncio.run(asked(pg_module, schema, NUMBER, NUMBER, STRING, STRING, UP, UP, DOWN, DOWN))
    asyncio.run(run(pg_module.dsn("owner"), LIMITS))

    def scans(index: str) -> int:
        found: int | None = large.run(
            large.conn.fetchval(
                "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE schemaname = $1 AND indexrelname LIKE $2 || '%'",
                schema,
                index,
            )
        )
        return found or 0

    def whole() -> int:
        sql = "SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'entities'"
        found: int = large.run(large.conn.fetchval(sql, schema))
        return found

    with broker_process(pg_module, {"DATAPOLIS_ACCESS": "open"}) as running:
        before_all = whole()
        for name, (query, (kind, attr)) in _DOOR.items():
            index = next(iter(names((attr, kind.removeprefix("observed_"))))) if attr else kind
            before, taken = scans(index), []
            deadline = time.monotonic() + 60
            while scans(index) == before:
                assert time.monotonic() < deadline, f"{name}: {index} was not scanned"
                began = time.perf_counter()
                url = f"{running.url}/ngsi-ld/v1/entities?{query}&limit=100"
                with urlopen(Request(url, headers={"NGSILD-Tenant": "queries"}), timeout=60) as answer:  # noqa: S310
                    found = json.loads(answer.read())
                taken.append(time.perf_counter() - began)
                assert found
            print(f"{name}: {len(found)} entities, {1000 * min(taken):.1f} ms at best of {len(taken)}")  # noqa: T201
        assert whole() == before_all


def test_only_what_an_index_could_serve_is_counted() -> None:
    observed._counted.clear()
    a, b = Path("urn:a"), Path("urn:b")
    where = And(
        (
            Not(Compare(a, "==", Number(1))),
            Compare(b, "!=", Number(1)),
            Linked("urn:r", (), Compare(a, "==", Number(1))),
        )
    )
    observed.note("t", Query(where, order=(Order("id"), Order(a))))
    observed.note("t", Query(TypeIs("urn:t"), order=(Order(Path("urn:a", ("urn:s",))),)))
    observed.note("t", Query(order=(Order(a),), collation="de"))
    assert not observed._counted
    observed.note("t", Query(Compare(b, ">", Number(1)), order=(Order(a, descending=True), Order(b))))
    assert dict(observed._counted) == {("t", "urn:b", "value"): 1, ("t", "urn:a", "desc"): 1}
    observed._counted.clear()


def test_paths_are_bounded_per_tenant(pg_module: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "MOST_PATHS", 3)
    for number in range(3):
        asyncio.run(
            asked(
                pg_module, "t_bounded", *(Query(Compare(Path(f"urn:{number}:{n}"), ">", Number(1))) for n in range(2))
            )
        )
    table = Table(pg_module)
    count = table.run(table.conn.fetchval("SELECT count(*) FROM broker.observed_paths WHERE schema = 't_bounded'"))
    table.close()
    assert 3 <= count <= 4
