"""PERFORMANCE rows 12 and 15: a page of a query among 1,000,000 entities to the same among 10,000; memory after it.

Two tenants of one broker, open access, slices of one second in turns. A thousand buses are written as any entity is;
the others are copies of their rows under ids of their own, made inside the database, which takes about a minute.
DATAPOLIS_BENCH_MILLION sets another number of entities than 1,000,000. The indexes are those that `broker indexes run`
makes from the queries themselves. Row 15: the worker's resident memory once it has served 1,000,000 entities.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any
from urllib.parse import quote

import asyncpg

from broker.core.patch import Change
from broker.store.indexes import Limits
from broker.store.indexes import run as make_indexes
from broker.store.pool import Pool
from broker.store.write import apply
from tests.bench.buses import vehicle
from tests.bench.environment import database, measured
from tests.bench.wrk import load, needed
from tests.fixtures.broker import broker_process
from tests.fixtures.postgres import Database

__all__ = ["fill", "run"]

SMALL = 10_000
LARGE = int(os.environ.get("DATAPOLIS_BENCH_MILLION", "1000000"))
_WRITTEN = 1000
_SERVED = 1_000_000
_TYPE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
_ODOMETER = "https://smartdatamodels.org/dataModel.Transportation/odometer"
_COPY = """
INSERT INTO entities
SELECT 'urn:ngsi-ld:Vehicle:copy' || lpad(n::text, 4, '0') || right(e.id, 5), types, scopes, names, segs, vals,
       location, meta, created_at, modified_at, expires_at, version
FROM generate_series($1::int, $2::int) n, entities e WHERE e.id NOT LIKE '%copy%'
"""


async def fill(found: Database, tenant: str, count: int) -> str:
    """Make a tenant of so many buses; return its schema."""
    schema = "t_" + hashlib.sha256(tenant.encode()).hexdigest()[:16]
    pool = Pool(found.dsn("broker"), size=1)
    async with pool.lend(None) as conn:
        await conn.execute("SELECT broker.create_tenant($1)", tenant)
    chance, now = random.Random(12), datetime.now(UTC)  # noqa: S311 - no secret
    buses = [vehicle(number, chance) for number in range(_WRITTEN)]
    async with pool.tx(schema) as tx:
        await apply(tx, tenant, [Change("create", one["id"], one) for one in buses], now)
    await pool.close()
    admin: asyncpg.Connection[Any] = await asyncpg.connect(found.dsn("admin"), command_timeout=3600)
    await admin.execute(f"SET search_path = {schema}, public; SET synchronous_commit = off")
    for start in range(1, count // _WRITTEN, 50):
        await admin.execute(_COPY, start, min(start + 49, count // _WRITTEN - 1))
    await admin.execute("INSERT INTO entity_type SELECT types[1], id FROM entities WHERE id LIKE '%copy%'")
    for table in ("entities", "entity_type"):
        await admin.execute(f"VACUUM ANALYZE {table}")
    await admin.close()
    return schema


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure rows 12 and 15."""
    needed()
    with database() as found:
        began = time.monotonic()
        for tenant, count in (("small", SMALL), ("large", LARGE)):
            asyncio.run(fill(found, tenant, count))
        filled_s = time.monotonic() - began
        with broker_process(found, {"DATAPOLIS_ACCESS": "open"}) as running:
            path = f"/ngsi-ld/v1/entities?type={quote(_TYPE, safe='')}&limit=100&q="
            url = running.url + path + quote(f"<{_ODOMETER}>>900", safe="")
            for tenant in ("small", "large"):
                load(url, {"NGSILD-Tenant": tenant}, None)
            time.sleep(6)  # what was asked for is written down every five seconds
            asyncio.run(make_indexes(found.dsn("owner"), Limits(seen=1, rows=SMALL // 2)))
            rates: dict[str, list[float]] = {"small": [], "large": []}
            for number in range(-1, rounds):
                for tenant, taken in rates.items():
                    rate = load(url, {"NGSILD-Tenant": tenant}, None)[0]
                    if number >= 0:
                        taken.append(rate)
            served = 100 * sum(map(sum, rates.values()))
            while served < _SERVED:
                served += 100 * load(url, {"NGSILD-Tenant": "large"}, None)[0]
            memory = max(_resident_mb(one) for one in _workers(running.process.pid))
    ratios = [large / small for large, small in zip(rates["large"], rates["small"], strict=True)]
    note = f"{median(rates['large']):,.0f}/s to {median(rates['small']):,.0f}/s; all made in {filled_s:.0f} s"
    what = f"type + q + page of 100 among {LARGE:,} entities to the same among {SMALL:,}"
    return [
        measured("12", what, ratios, 1 / 3, 1 / 1.5, "-", note).result(),
        measured(
            "15", "200 MB to a worker's memory after 1,000,000 entities served", [200 / memory], 1.0, 200 / 120, "-",
            f"{memory:.0f} MB resident",
        ).result(),
    ]  # fmt: skip


def _workers(pid: int) -> list[int]:
    """Give the processes that serve: the children of the one that was started."""
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)  # noqa: S607
    return [int(one) for one in done.stdout.split()] or [pid]


def _resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
