"""PERFORMANCE row 14: 100,000 instances of one attribute aggregated by hour, day and month, against plain SQL.

Ours is the operation behind `GET /temporal/entities/{id}?format=aggregatedValues`: decided, narrowed, read, rendered as
aggregates. Plain SQL is one statement over the same rows that parses each instance once and groups by the same periods.
Order shuffled in every round. A row is met by its ratio and by the bound that each answer has: 300 ms at the 95th
percentile of the rounds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import asyncpg
import orjson

from broker.core.access import ALL, EVERYTHING
from broker.core.periods import parse_period
from broker.core.query import TRUE
from broker.core.temporal import Method, Presentation, Range
from broker.ops.temporal import Asked, Sight, retrieve_evolution
from broker.store.pool import Pool
from tests.bench.environment import admitted, database, measured
from tests.fixtures.governed import DEFAULT_SCHEMA
from tests.fixtures.postgres import Database

__all__ = ["BOUND_S", "ENTITY", "PERIODS", "fill", "ours", "percentile", "plain", "run"]

ENTITY: Final = "urn:x:1"
BOUND_S: Final = 0.3
METHODS: Final[tuple[Method, ...]] = ("avg", "min", "max", "totalCount")
PERIODS: Final = {
    "PT1H": "date_bin('1 hour', observed_at, '2025-01-01')",
    "P1D": "date_bin('1 day', observed_at, '2025-01-01')",
    "P1M": "date_trunc('month', observed_at, 'UTC')",
}
_FILL: Final = """
INSERT INTO history (entity, attr, observed_at, received_at, event, kind, body)
SELECT $1, 'https://x/a', at, at + interval '1 s', '', 'value', format(
    '{"type":"Property","value":%s,"unitCode":"CEL","observedAt":"%s"}', round(n % 977 * 0.1 + 0.05, 2),
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM (SELECT n, '2025-01-01'::timestamptz + n * interval '5 minutes' AS at FROM generate_series(0, 99999) AS n) AS t
"""
_PLAIN: Final = """
SELECT {start} AS start, avg(v), min(v), max(v), count(*)
FROM (SELECT observed_at, (body::jsonb ->> 'value')::float8 AS v FROM history
      WHERE entity = $1 AND attr = 'https://x/a' AND kind = 'value' AND observed_at >= '2025-01-01' OFFSET 0) AS x
GROUP BY 1 ORDER BY 1
"""


async def fill(found: Database, pool: Pool) -> None:
    """Store an entity with 100,000 instances of one attribute, five minutes apart."""
    async with pool.tx(DEFAULT_SCHEMA) as conn:
        months = [datetime(2025, month, 1, tzinfo=UTC).date() for month in range(1, 13)]
        await conn.execute("SELECT broker.ensure_history($1::date[])", months)
        await conn.execute(_FILL, ENTITY)
        await conn.execute(
            "INSERT INTO entities (id, types, names, segs, vals, meta, created_at, modified_at, version) "
            "VALUES ($1, '{T}', '{}', '{}', '{}', '{}', now(), now(), 1)",
            ENTITY,
        )
    admin = await asyncpg.connect(found.dsn("admin"))
    await admin.execute("VACUUM ANALYZE")
    await admin.close()


async def ours(pool: Pool, period: str) -> int:
    """Aggregate as a request does; give the number of periods."""
    since = Range("observedAt", "after", "2025-01-01T00:00:00.000000Z")
    show = Presentation("aggregatedValues", methods=METHODS, period=parse_period(period))
    page = await retrieve_evolution(
        pool, DEFAULT_SCHEMA, Sight(EVERYTHING), ENTITY, Asked(TRUE, TRUE, since, ALL, show)
    )
    return len(page.evolutions[0].aggregates["https://x/a"])


async def plain(pool: Pool, period: str) -> int:
    """Aggregate by plain SQL; give the number of periods."""
    async with pool.lend(DEFAULT_SCHEMA) as conn:
        return len(await conn.fetch(_PLAIN.format(start=PERIODS[period]), ENTITY))


async def timed(work: Callable[[], Awaitable[int]]) -> tuple[float, int]:
    """Give the seconds that work takes and what it gives."""
    began = time.perf_counter()
    found = await work()
    return time.perf_counter() - began, found


def percentile(times: list[float]) -> float:
    """Give the 95th percentile of times."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


async def _measure(found: Database, rounds: int) -> list[dict[str, Any]]:
    chance = random.Random(20_261_122)  # noqa: S311 - an order, no secret
    pool = Pool(found.dsn("broker"), size=2)
    await pool.open()
    results = []
    try:
        await fill(found, pool)
        for period in PERIODS:
            ways = {"ours": partial(ours, pool, period), "plain": partial(plain, pool, period)}
            times: dict[str, list[float]] = {"ours": [], "plain": []}
            for number in range(-2, rounds):
                given = {}
                for way in admitted(chance, tuple(ways)):
                    taken, given[way] = await timed(ways[way])
                    if number >= 0:
                        times[way].append(taken)
                if given["ours"] != given["plain"]:
                    raise RuntimeError(f"{period}: {given['ours']} periods of ours, {given['plain']} of plain SQL")
            ratios = [two / one for one, two in zip(times["ours"], times["plain"], strict=True)]
            worst = percentile(times["ours"])
            note = f"p95 {worst * 1000:.0f} ms, plain SQL {statistics.median(times['plain']) * 1000:.0f} ms"
            what = f"100,000 instances aggregated by {period} to plain SQL; p95 under {BOUND_S * 1000:.0f} ms"
            row = measured("14", what, ratios, 0.5, 0.9, "-", note).result()
            results.append({**row, "met": row["met"] and worst < BOUND_S})
    finally:
        await pool.close()
    return results


def run(rounds: int = 11) -> list[dict[str, Any]]:
    """Measure row 14 for each period, all in one database."""
    with database() as found:
        return asyncio.run(_measure(found, rounds))


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(run(), option=orjson.OPT_INDENT_2).decode() + "\n")
