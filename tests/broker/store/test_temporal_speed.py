"""Aggregates of 100,000 instances within their bound, and against plain SQL; the last few instances read alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from statistics import median

import pytest

from broker.core.access import ALL, EVERYTHING
from broker.core.query import TRUE
from broker.core.temporal import Presentation, Range
from broker.ops.temporal import Asked, Sight, retrieve_evolution
from broker.store.pool import Pool
from tests.bench.bench_temporal import BOUND_S, ENTITY, PERIODS, fill, ours, plain, timed
from tests.fixtures.governed import DEFAULT_SCHEMA
from tests.fixtures.postgres import Database

_ROUNDS = 7
_SLACK = 1.5
"""Beyond bound and floor, which `python -m tests.bench temporal` holds themselves, the bound at the 95th percentile."""
_PLAIN_S = 0.12
"""What plain SQL takes on two cores with nothing else to do: when it takes longer, the machine is busy by as much."""


@pytest.fixture
async def pool(pg: Database) -> AsyncIterator[Pool]:
    found = Pool(pg.dsn("broker"), size=2)
    await found.open()
    await fill(pg, found)
    yield found
    await found.close()


async def test_aggregates_and_the_last_instances_are_quick(pool: Pool) -> None:
    quickest = 0.0
    for period in PERIODS:
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(_ROUNDS):
            taken, found = await timed(partial(ours, pool, period))
            times["ours"].append(taken)
            taken, expected = await timed(partial(plain, pool, period))
            times["plain"].append(taken)
            assert found == expected
        quickest = min(times["plain"])
        busy = max(1.0, median(times["plain"]) / _PLAIN_S)
        assert median(times["ours"]) < _SLACK * BOUND_S * busy, period
        assert min(times["ours"]) < _SLACK * 2 * quickest, period
    last = Asked(TRUE, TRUE, Range(last_n=10), ALL, Presentation())

    async def read() -> int:
        page = await retrieve_evolution(pool, DEFAULT_SCHEMA, Sight(EVERYTHING), ENTITY, last)
        (found,) = page.evolutions
        bodies = [past.body for past in found.instances["https://x/a"]]
        assert [body["value"] for body in bodies if body] == [
            round(n % 977 * 0.1 + 0.05, 2) for n in range(99_990, 10**5)
        ]
        return len(bodies)

    assert min([(await timed(read))[0] for _ in range(5)]) < quickest / 5
