"""Indexes for what queries look at: made from observed paths, bounded, reported, removable.

The job of `broker.workers.indexer`, a process of the database's owner apart from those that serve: it makes, without
stopping writes (CREATE INDEX CONCURRENTLY), an index for every path of a large tenant that was asked for often, up to a
number per tenant, and drops those that were not asked for in a long time. What an index is for stands in its comment.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog
from asyncpg import Connection, connect

from broker.store.compile_order import ROOT_COLLATION, keys_of, whole_value
from broker.store.named import load

__all__ = ["Limits", "Made", "drop", "drop_named", "listed", "made", "run", "settle"]

_SQL = load("observed")
_log = structlog.get_logger(__name__)
_LOCK = 7233_150
_STATISTICS = 500
"""How finely the planner knows an indexed value's distribution. Between the bounds of a histogram it cannot tell jsonb
values apart and takes half of the step: of PostgreSQL's usual 100 steps that is one entity in 200, too many for a rare
value among a million, where a short page would be looked for in the order of ids instead of by the index."""


@dataclass(frozen=True)
class Limits:
    """When an index is worth its upkeep: asked for `seen` times, in a tenant of `rows` entities, at most `most` each.

    What was not asked for in `unused` is dropped.
    """

    seen: int = 20
    rows: int = 10_000
    most: int = 16
    unused: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Made:
    """An index as it stands. `kind`: value (comparisons), asc or desc (orderings)."""

    tenant: str
    schema: str
    name: str
    attr: str
    kind: str
    valid: bool
    size: int
    scans: int


async def made(conn: Connection[Any]) -> list[Made]:
    """List the indexes that were made."""
    found = []
    for row in await conn.fetch(_SQL["made"]):
        about = orjson.loads(row["about"] or "{}")
        found.append(
            Made(
                row["tenant"],
                row["schema"],
                row["name"],
                about.get("attr", ""),
                about.get("kind", ""),
                row["valid"],
                row["bytes"],
                row["scans"],
            )
        )
    return found


async def drop(conn: Connection[Any], one: Made) -> None:
    """Drop an index, without stopping writes, and forget its path, so that it is made anew only if asked for anew."""
    await conn.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{one.schema}"."{one.name}"')
    await conn.execute(
        "DELETE FROM broker.observed_paths WHERE schema = $1 AND attr = $2 AND kind = $3",
        one.schema,
        one.attr,
        one.kind,
    )


async def settle(conn: Connection[Any], limits: Limits) -> tuple[list[str], list[str]]:
    """Make what is wanted and drop what is not; return the names. One process at a time does it, others do nothing."""
    if not await conn.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return [], []
    try:
        return await _settle(conn, limits)
    finally:
        await conn.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _settle(conn: Connection[Any], limits: Limits) -> tuple[list[str], list[str]]:
    there = await made(conn)
    created: list[str] = []
    dropped: list[str] = []
    for schema in [row[0] for row in await conn.fetch("SELECT schema FROM broker.tenants ORDER BY tenant")]:
        kept: set[str] = set()
        for one in there:
            if one.schema != schema:
                continue
            if one.valid and await conn.fetchval(_SQL["asked"], schema, one.attr, one.kind, limits.unused):
                kept.add(one.name)
            else:
                # What a broken-off CREATE INDEX CONCURRENTLY leaves is invalid, and made anew below.
                await _remove(conn, one)
                dropped.append(one.name)
        wanted = await conn.fetch(_SQL["wanted"], schema, limits.seen, limits.unused, limits.most)
        if not wanted or not await _large(conn, schema, limits.rows):
            continue
        for row in wanted:
            name = _name(row["attr"], row["kind"])
            if name not in kept and len(kept) < limits.most and await _in_use(conn, schema, row["attr"]):
                await _make(conn, schema, name, row["attr"], row["kind"])
                created.append(name)
                kept.add(name)
    return created, dropped


async def _remove(conn: Connection[Any], one: Made) -> None:
    await conn.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{one.schema}"."{one.name}"', timeout=3600)


async def _large(conn: Connection[Any], schema: str, rows: int) -> bool:
    """Say whether the tenant has that many entities; counted no further, and right before any statistics are there."""
    found = await conn.fetchval(f'SELECT count(*) FROM (SELECT FROM "{schema}".entities LIMIT $1) AS t', rows)  # noqa: S608
    return bool(found >= rows)


async def _in_use(conn: Connection[Any], schema: str, attr: str) -> bool:
    found = await conn.fetchval(f'SELECT EXISTS (SELECT FROM "{schema}".entities WHERE names @> ARRAY[$1::text])', attr)  # noqa: S608
    return bool(found)


def _name(attr: str, kind: str) -> str:
    return f"observed_{kind}_{hashlib.sha256(attr.encode()).hexdigest()[:16]}"


async def _make(conn: Connection[Any], schema: str, name: str, attr: str, kind: str) -> None:
    literal = f"{await conn.fetchval('SELECT quote_literal($1::text)', attr)}::text"
    if kind == "value":
        columns = f"((vals -> {literal}))"
    else:
        way = "DESC NULLS LAST" if kind == "desc" else "ASC NULLS LAST"
        keys = keys_of(whole_value(literal, "entities"), ROOT_COLLATION, kind == "desc")
        columns = f"({', '.join(f'({key}) {way}' for key in keys)}, id)"
    _log.info("index.making", schema=schema, index=name)
    await conn.execute(f'CREATE INDEX CONCURRENTLY "{name}" ON "{schema}".entities {columns}', timeout=6 * 3600)
    about = orjson.dumps({"attr": attr, "kind": kind}).decode()
    comment = await conn.fetchval("SELECT quote_literal($1::text)", about)
    await conn.execute(f'COMMENT ON INDEX "{schema}"."{name}" IS {comment}')
    if kind == "value":
        await conn.execute(f'ALTER INDEX "{schema}"."{name}" ALTER COLUMN 1 SET STATISTICS {_STATISTICS}')
    # Statistics of the expression, without which the planner does not know what the index is good for.
    await conn.execute(f'ANALYZE "{schema}".entities', timeout=3600)
    _log.info("index.made", schema=schema, index=name)


async def run(dsn: str, limits: Limits) -> tuple[list[str], list[str]]:
    """Settle once; `dsn` is the owner's."""
    async with _connected(dsn) as conn:
        return await settle(conn, limits)


async def listed(dsn: str) -> list[Made]:
    """List the indexes that were made."""
    async with _connected(dsn) as conn:
        return await made(conn)


async def drop_named(dsn: str, name: str) -> int:
    """Drop the index of this name in every tenant that has it; return in how many."""
    async with _connected(dsn) as conn:
        found = [one for one in await made(conn) if one.name == name]
        for one in found:
            await drop(conn, one)
        return len(found)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection[Any]]:
    conn = await connect(dsn, timeout=10, command_timeout=60)
    try:
        yield conn
    finally:
        await conn.close(timeout=5)
