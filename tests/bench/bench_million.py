"""PERFORMANCE rows 12 and 15: pages of queries among 1,000,000 entities to the same among 10,000; a worker's memory.

Two tenants of one broker, open access, slices of one second in turns; each kind of query is a row: type + q on a
number, q on a text, georel near, scopeQ, and orderBy. A thousand entities are written as any entity is; the others are
copies of their rows under ids and in places of their own, made inside the database: a city a hundred times as large
has a hundred times the area. One in five is no Vehicle, one in ten meets a `q` or a scope, some 150 are near the point.
The indexes are those that `broker indexes run` makes from the queries themselves, and every plan must use one.
DATAPOLIS_BENCH_MILLION sets another number of entities than 1,000,000.

Row 15: the worker's resident memory once it has served 1,000,000 entities, in pages from anywhere and one by one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote, urlencode

import asyncpg

from broker.core.patch import Change
from broker.http import params, querying
from broker.ld.active import Active
from broker.settings import BrokerSettings
from broker.store.indexes import Limits
from broker.store.indexes import run as make_indexes
from broker.store.pages import statement
from broker.store.pool import Pool
from broker.store.write import apply
from tests.bench.buses import vehicle
from tests.bench.environment import database, measured
from tests.bench.wrk import answer_bytes, load, needed
from tests.fixtures.broker import broker_process
from tests.fixtures.postgres import Database

__all__ = ["QUERIES", "fill", "plan", "run"]

SMALL: Final = 10_000
LARGE: Final = int(os.environ.get("DATAPOLIS_BENCH_MILLION", "1000000"))
_WRITTEN: Final = 1000
_SERVED: Final = 1_000_000
_MOST_S: Final = 120
_NS: Final = "https://smartdatamodels.org/dataModel.Transportation/"
_LOCATION: Final = "https://uri.etsi.org/ngsi-ld/location"
_WIDE, _HIGH = 0.025, 0.02
_WEST, _SOUTH = -122.35, 47.61
_POINT: Final = f"[{_WEST + _WIDE / 2:.4f},{_SOUTH + _HIGH / 2:.4f}]"

QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "q on a number": {"q": f"<{_NS}odometer>>900"},
    "q on a text": {"q": f'<{_NS}operator>=="op3"'},
    "near": {"georel": "near;maxDistance==500", "geometry": "Point", "coordinates": _POINT},
    "scope": {"scopeQ": "/city/d3/#"},
    "orderBy": {"orderBy": f"<{_NS}odometer>"},
}
"""What each row asks for besides the type, all in the broker's own terms."""

_COPY = """
INSERT INTO entities
SELECT 'urn:ngsi-ld:Vehicle:copy' || lpad(n::text, 4, '0') || right(e.id, 5), types, scopes, names,
       segs[:p.at - 1] || format('{"type":"GeoProperty","value":{"type":"Point","coordinates":[%s,%s]},'
           '"observedAt":"2026-11-22T05:59:00Z"}', ST_X(p.place), ST_Y(p.place)) || segs[p.at + 1:],
       vals, p.place, meta, created_at, modified_at, expires_at, version
FROM generate_series($1::int, $2::int) n, entities e,
     LATERAL (SELECT array_position(e.names, $3::text) AS at,
                     ST_Translate(e.location, n % 32 * $4::float8, n / 32 * $5::float8) AS place) p
WHERE e.id NOT LIKE '%copy%'
"""
_ANYWHERE = """
request = function()
  local from = string.format("urn:ngsi-ld:Vehicle:copy%04d%05d", math.random(1, {copies}), math.random(0, 999))
  return wrk.format("GET", "{page}&after=" .. from)
end
"""
_ANY = """
request = function()
  local id = string.format("copy%04d%05d", math.random(1, {copies}), math.random(0, 999))
  return wrk.format("GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:" .. id)
end
"""


def _entity(number: int, chance: random.Random) -> dict[str, Any]:
    found = vehicle(number, chance)
    found["type"] = [_NS + ("Bicycle" if number % 5 == 4 else "Vehicle")]
    found["scope"] = [f"/city/d{number // 5 % 10}/b{number % 100}"]
    found[_NS + "operator"] = {"type": "Property", "value": f"op{number // 50 % 10}"}
    place = [round(_WEST + chance.random() * _WIDE, 6), round(_SOUTH + chance.random() * _HIGH, 6)]
    found[_LOCATION]["value"]["coordinates"] = place
    return found


def _schema(tenant: str) -> str:
    return "t_" + hashlib.sha256(tenant.encode()).hexdigest()[:16]


async def fill(found: Database, tenant: str, count: int) -> None:
    """Make a tenant of so many entities."""
    schema = _schema(tenant)
    pool = Pool(found.dsn("broker"), size=1)
    async with pool.lend(None) as conn:
        await conn.execute("SELECT broker.create_tenant($1)", tenant)
    chance, now = random.Random(12), datetime.now(UTC)  # noqa: S311 - no secret
    some = [_entity(number, chance) for number in range(_WRITTEN)]
    async with pool.tx(schema) as tx:
        await apply(tx, tenant, [Change("create", one["id"], one) for one in some], now)
    await pool.close()
    admin: asyncpg.Connection[Any] = await asyncpg.connect(found.dsn("admin"), command_timeout=3600)
    await admin.execute(f"SET search_path = {schema}, public; SET synchronous_commit = off")
    for start in range(1, count // _WRITTEN, 50):
        last = min(start + 49, count // _WRITTEN - 1)
        await admin.execute(_COPY, start, last, _LOCATION, _WIDE, _HIGH)
    await admin.execute("INSERT INTO entity_type SELECT types[1], id FROM entities WHERE id LIKE '%copy%'")
    for table in ("entities", "entity_type"):
        await admin.execute(f"VACUUM ANALYZE {table}")
    await admin.close()


async def plan(found: Database, tenant: str, path: str) -> str:
    """Explain the statement of a page as the broker makes it."""
    given = params.parse(path.partition("?")[2].encode(), querying.QUERY)
    query = querying.entity_query(given, Active([]).expand_term, BrokerSettings())
    made = statement(query, (), short=True)
    pool = Pool(found.dsn("broker"), size=1)
    async with pool.lend(_schema(tenant)) as conn:
        rows = await conn.fetch(f"EXPLAIN {made.sql}", *made.values)
    await pool.close()
    return "\n".join(row[0] for row in rows)


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure rows 12 and 15."""
    needed()
    page = f"/ngsi-ld/v1/entities?type={quote(_NS + 'Vehicle', safe='')}&limit=100"
    paths = {kind: f"{page}&{urlencode(query)}" for kind, query in QUERIES.items()}
    with database() as found, TemporaryDirectory() as folder:
        began = time.monotonic()
        for tenant, count in (("small", SMALL), ("large", LARGE)):
            asyncio.run(fill(found, tenant, count))
        filled_s = time.monotonic() - began
        with broker_process(found, {"DATAPOLIS_ACCESS": "open"}) as running:
            _index(found, running.url, paths)
            used = {kind: _used(asyncio.run(plan(found, "large", path)), kind) for kind, path in paths.items()}
            rates = _rates(running.url, paths, rounds)
            served = _serve(running.url, page, Path(folder))
            memory = max(_resident_mb(one) for one in _workers(running.process.pid))
    return [
        *(_row(kind, rates[kind], used[kind], filled_s) for kind in paths),
        measured(
            "15", "200 MB to a worker's memory after 1,000,000 entities served, from anywhere among all",
            [200 / memory], 1.0, 200 / 120, "-", f"{memory:.0f} MB resident after {served:,.0f}",
        ).result(),
    ]  # fmt: skip


def _index(found: Database, url: str, paths: Mapping[str, str]) -> None:
    """Ask for everything once, and make the indexes that follow from it."""
    for path in paths.values():
        for tenant in ("small", "large"):
            body = answer_bytes(url + path, {"NGSILD-Tenant": tenant})
            if body.count(b'"urn:ngsi-ld:Vehicle:') != 100:
                raise RuntimeError(f"{path} is not a page of 100 in the tenant {tenant}")
    time.sleep(6)  # what was asked for is written down every five seconds
    asyncio.run(make_indexes(found.dsn("owner"), Limits(seen=1, rows=SMALL // 2)))


def _used(text: str, kind: str) -> str:
    """Name the indexes of a plan."""
    if "Seq Scan on entities" in text:
        raise RuntimeError(f"{kind}: the plan reads the whole table:\n{text}")
    words = text.replace("(", " ").split()
    after = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("using", "on")]
    return ", ".join(dict.fromkeys(one for one in after if one.startswith(("observed_", "entities_", "entity_type_"))))


def _rates(url: str, paths: Mapping[str, str], rounds: int) -> dict[str, dict[str, list[float]]]:
    order = random.Random(20_261_122)  # noqa: S311 - an order, no secret
    rates: dict[str, dict[str, list[float]]] = {kind: {"small": [], "large": []} for kind in paths}
    every = [(kind, tenant) for kind in paths for tenant in ("small", "large")]
    for number in range(-1, rounds):
        for kind, tenant in order.sample(every, len(every)):
            rate = load(url + paths[kind], {"NGSILD-Tenant": tenant}, None)[0]
            if number >= 0:
                rates[kind][tenant].append(rate)
    return rates


def _row(kind: str, rates: Mapping[str, list[float]], used: str, filled_s: float) -> dict[str, Any]:
    ratios = [large / small for large, small in zip(rates["large"], rates["small"], strict=True)]
    note = f"{median(rates['large']):,.0f}/s to {median(rates['small']):,.0f}/s by {used}; all made in {filled_s:.0f} s"
    what = f"type + {kind} + page of 100 among {LARGE:,} entities to the same among {SMALL:,}"
    return measured(f"12 {kind}", what, ratios, 1 / 3, 1 / 1.5, "-", note).result()


def _serve(url: str, page: str, folder: Path) -> float:
    """Serve 1,000,000 entities, nine in ten in pages, the others by id; fewer if that takes minutes. Say how many."""
    served, copies, headers = 0.0, LARGE // _WRITTEN - 1, {"NGSILD-Tenant": "large"}
    for text, each, until in ((_ANYWHERE, 100, 0.9 * _SERVED), (_ANY, 1, _SERVED)):
        script, deadline = folder / "ids.lua", time.monotonic() + _MOST_S
        script.write_text(text.replace("{copies}", str(copies)).replace("{page}", page))
        while served < until and time.monotonic() < deadline:
            served += each * load(url, headers, str(script))[0]
    return served


def _workers(pid: int) -> list[int]:
    """Give the processes that serve: the children of the one that was started."""
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)  # noqa: S607
    return [int(one) for one in done.stdout.split()] or [pid]


def _resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
