"""A large city on the whole stack: every page within its limit, and no entity looked at to judge readiness.

`make test` holds a hundredth of the size; DATAPOLIS_PROVE=1 the whole: 10,000 datasets and 1,000,000 entities.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import asyncpg
import pytest

from tests.catalog.conftest import City, assessing, started
from tests.catalog.harvesting import DATASETS, ask, pages
from tests.catalog.large import DEFAULT, fill, large_city
from tests.fixtures.postgres import Database

WHOLE = os.environ.get("DATAPOLIS_PROVE") == "1"
DOMAINS, TYPES, EACH = (100, 100, 100) if WHOLE else (10, 10, 20)
_READ = """
SELECT coalesce(sum(t.seq_tup_read + coalesce(t.idx_tup_fetch, 0)), 0)
     + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.schemaname = $1), 0)
FROM pg_stat_user_tables t WHERE t.schemaname = $1
"""


@pytest.fixture(scope="module")
def large(pg_module: Database, opa: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("large")
    with started(pg_module, opa, folder, large_city(folder, DOMAINS, TYPES)) as found:
        yield found


def _rows_read(city: City) -> int:
    """How many rows and index entries of the city's own tenant were read since the database began."""

    async def ask() -> int:
        conn: asyncpg.Connection[Any] = await asyncpg.connect(city.database.dsn("admin"))
        try:
            await asyncio.sleep(1.2)  # sessions tell their figures at most once a second
            return int(await conn.fetchval(_READ, DEFAULT))
        finally:
            await conn.close(timeout=5)

    return asyncio.run(ask())


@pytest.mark.timeout(3600 if WHOLE else 120)
def test_a_large_city(large: City, capsys: pytest.CaptureFixture[str]) -> None:
    """Judged in time from reports alone; harvested once in every form; pages and searches within their limits."""
    assert asyncio.run(fill(large.database, DOMAINS, TYPES, EACH)) == DOMAINS * TYPES * EACH
    before, began = _rows_read(large), time.monotonic()
    with assessing(large, DATAPOLIS_COUNT_SHARE="0"):
        delays = [1.0]
        while (found := large.get("/readiness"))["governed"] < DOMAINS:
            delays.append(_delay())
            limit_s = 60 * max(1.0, sum(delays) / len(delays)) * (1 if WHOLE else 2)
            assert time.monotonic() - began < limit_s, found["domains"][0]["reason"]
            time.sleep(0.5)
        judged = time.monotonic() - began
    assert len(found["domains"]) == DOMAINS
    assert {d["entities"] for d in found["domains"]} == {0}  # nobody has counted
    assert _rows_read(large) - before == 0
    said = [f"{DOMAINS} domains judged in {judged:.1f} s, 0 of {DOMAINS * TYPES * EACH:,} entities read"]
    with assessing(large):  # pages are shown while the assessor works and counts
        for media in DATASETS:
            took, ids = _harvest(large, media)
            assert len(ids) == len(set(ids)) == DOMAINS * TYPES
            said.append(_within(f"{media} page", took, 0.2))
        shown = [f"/?start={n}" for n in range(0, DOMAINS, 24)]
        shown += [f"/domains/domain-{n:04}" for n in range(0, DOMAINS, 3)]
        shown += [f"/search?q={word}&offset={n}" for word in ("bus", "water") for n in (0, 20)]
        said.append(_within("HTML page", [_timed(large, path, "text/html") for path in shown * 2], 0.2))
        words = ("bus", "water school", "par", "noise lig", "D0001Bus000", "tree services")
        said.append(_within("search", [_timed(large, f"/search?q={w}", "application/json") for w in words * 5], 0.3))
    with capsys.disabled():
        print("\n" + "\n".join(said))  # noqa: T201 - figures for whoever asks


def _timed(city: City, path: str, accept: str) -> tuple[float, float]:
    began = time.perf_counter()
    answer = ask(city.catalog + path.replace(" ", "+"), accept)
    assert (answer.status, bool(answer.body)) == (200, True)
    return time.perf_counter() - began, _delay()


def _delay() -> float:
    """How many times longer than alone a plain loop takes now: 1 on free cores, more on a busy machine."""
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.01:
        pass
    return (time.perf_counter() - wall) / 0.01


def _within(what: str, took: list[tuple[float, float]], limit_s: float) -> str:
    """The limits are those of free cores; on a busy machine they stretch as a plain loop beside them is delayed."""
    seconds = [s for s, _ in took]
    delay, p95 = max(1.0, sum(d for _, d in took) / len(took)), quantiles(seconds, n=20)[-1]
    said = f"{what}: p50 {sorted(seconds)[len(seconds) // 2] * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {len(seconds)}"
    said += f", beside a loop that took {delay:.1f} times as long as alone"
    assert p95 < limit_s * delay * (1 if WHOLE else 3), said
    return said


def _harvest(city: City, media: str) -> tuple[list[tuple[float, float]], list[str]]:
    """Walk the whole catalog in one form; how long each page took, and every dataset that was met."""
    took, ids, began = [], [], time.perf_counter()
    for answer in pages(f"{city.catalog}/catalog", media):
        took.append((time.perf_counter() - began, _delay()))
        ids += DATASETS[media](answer.body)
        began = time.perf_counter()
    return took, ids
