"""Aggregates of 100,000 instances against the same in plain SQL over their texts, and reading the last few of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import asyncpg
import pytest

from broker.core.access import ALL, EVERYTHING
from broker.core.periods import parse_period
from broker.core.query import TRUE
from broker.core.temporal import Method, Presentation, Range
from broker.ops.temporal import Asked, Sight, retrieve_evolution
from broker.store.pool import Pool
from tests.fixtures.governed import DEFAULT_SCHEMA
from tests.fixtures.postgres import Database

ONE = "urn:x:1"
METHODS: tuple[Method, ...] = ("avg", "min", "max", "totalCount")
FILL = """
INSERT INTO history (entity, attr, observed_at, received_at, event, kind, body)
SELECT b.* FROM (
    SELECT $1, 'https://x/a', at, at + interval '1 s', '', 'value',
        format('{"type":"Property","value":%s,"observedAt":"%s"}', n % 977, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    FROM (SELECT n, '2025-01-01'::timestamptz + n * interval '5 minutes' AS at
          FROM generate_series(0, 99999) AS n) AS t) AS b (entity, attr, observed, received, event, kind, body)
"""
PLAIN = """
SELECT date_bin(interval '1 day', observed_at, '2025-01-01') AS start, avg((body::jsonb ->> 'value')::float8),
    min((body::jsonb ->> 'value')::float8), max((body::jsonb ->> 'value')::float8), count(*)
FROM history WHERE entity = $1 AND attr = 'https://x/a' GROUP BY 1 ORDER BY 1
"""


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    found = Pool(pg.dsn("broker"), size=2)
    await found.open()
    async with found.tx(DEFAULT_SCHEMA) as conn:
        await conn.execute(
            "SELECT broker.ensure_history(ARRAY(SELECT m::date FROM "
            "generate_series('2025-01-01'::timestamptz, '2025-12-01', '1 month') AS m))"
        )
        await conn.execute(FILL, ONE)
        await conn.execute(
            "INSERT INTO entities (id, types, names, segs, vals, meta, created_at, modified_at, version) "
            "VALUES ($1, '{T}', '{}', '{}', '{}', '{}', now(), now(), 1)",
            ONE,
        )
    admin = await asyncpg.connect(pg.dsn("admin"))
    await admin.execute("VACUUM ANALYZE")
    await admin.close()
    yield found
    await found.close()


async def best(run: Callable[[], Awaitable[object]], times: int = 5) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        await run()
        found.append(time.perf_counter() - start)
    return min(found)


async def test_aggregates_and_the_last_instances_are_quick(pool: Pool) -> None:
    since = Range("observedAt", "after", "2025-01-01T00:00:00.000000Z")

    async def plain() -> object:
        async with pool.lend(DEFAULT_SCHEMA) as conn:
            return await conn.fetch(PLAIN, ONE)

    plain_s = await best(plain)
    for period in ("PT1H", "P1D", "P1M"):
        show = Presentation("aggregatedValues", methods=METHODS, period=parse_period(period))
        run = partial(
            retrieve_evolution, pool, DEFAULT_SCHEMA, Sight(EVERYTHING), ONE, Asked(TRUE, TRUE, since, ALL, show)
        )
        taken_s = await best(run)
        assert taken_s < 2 * plain_s, period
    last = Asked(TRUE, TRUE, Range(last_n=10), ALL, Presentation())
    taken_s = await best(lambda: retrieve_evolution(pool, DEFAULT_SCHEMA, Sight(EVERYTHING), ONE, last))
    assert taken_s < plain_s / 5
    (found,) = (await retrieve_evolution(pool, DEFAULT_SCHEMA, Sight(EVERYTHING), ONE, last)).evolutions
    assert [past.body["value"] for past in found.instances["https://x/a"] if past.body] == [
        n % 977 for n in range(99_990, 100_000)
    ]
