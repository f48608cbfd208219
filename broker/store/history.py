"""The history of attribute instances: one row per (entity, attribute, datasetId, observedAt)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from weakref import WeakKeyDictionary

import asyncpg

from broker.core import times
from broker.core.patch import HistoryRow
from broker.store.entities import ROW_SEPARATOR, SEPARATOR
from broker.store.named import load
from broker.store.pool import Conn, Pool

__all__ = ["append", "keep_months", "replace"]

_SQL = load("history")

_partitions: WeakKeyDictionary[Conn, set[tuple[str, date]]] = WeakKeyDictionary()
"""Tenants and months whose partition a connection has found."""


async def append(conn: Conn, tenant: str, rows: Sequence[HistoryRow]) -> None:
    """Append instances; on an instance already there the higher (received_at, event) wins, and a replay repeats.

    No two rows have the same key (`patch.distinct`).
    """
    if not rows:
        return
    groups: dict[_Group, list[HistoryRow]] = {}
    for row in rows:
        group = (row[0], row[3], row[4], row[5], row[7])
        found = groups.get(group)
        if found is None:
            groups[group] = [row]
        else:
            found.append(row)
    made = await _ensure(conn, tenant, map(times.to_datetime, {group[1] for group in groups}))
    await _routed(
        conn,
        made,
        _SQL["append"],
        *(ROW_SEPARATOR.join(column) for column in zip(*groups, strict=True)),
        ROW_SEPARATOR.join([SEPARATOR.join([row[1] for row in found]) for found in groups.values()]),
        ROW_SEPARATOR.join([SEPARATOR.join([row[2] for row in found]) for found in groups.values()]),
        ROW_SEPARATOR.join([SEPARATOR.join([row[6] or _NO_BODY for row in found]) for found in groups.values()]),
    )


async def replace(conn: Conn, tenant: str, sql: str, observed: datetime, *args: object) -> None:
    """Run a statement that gives an instance this time, with the partition made where it can be."""
    await _routed(conn, await _ensure(conn, tenant, [observed]), sql, *args)


async def _routed(conn: Conn, made: bool, sql: str, *args: object) -> None:
    """Run a statement that writes history.

    Without its partition a row goes to the default one. If another transaction makes the partition just then,
    PostgreSQL refuses the row that it had routed already (partition constraint): run again, it finds its way.
    """
    if made:
        await conn.execute(sql, *args)
        return
    for left in (2, 1, 0):
        try:
            async with conn.transaction():
                await conn.execute(sql, *args)
        except asyncpg.CheckViolationError:
            if not left:
                raise
        else:
            return


async def _ensure(conn: Conn, tenant: str, instants: Iterable[datetime]) -> bool:
    """Make the partitions of the months that these instants lie in, where no lock has to be waited for.

    Otherwise the rows go to the default partition, where they are found as well, until `keep_months` moves them.
    Returns whether all have theirs.
    """
    known = _partitions.setdefault(conn, set())
    missing = {(tenant, instant.date().replace(day=1)) for instant in instants} - known
    if missing:
        found = await conn.fetchval(_SQL["ensure"], sorted(month for _, month in missing))
        if found == "there":
            known |= missing
        return bool(found != "busy")
    return True


async def keep_months(pool: Pool, schema: str, now: datetime, *, wait_s: float = 5.0) -> None:
    """Make the partitions of this month, the next, and those whose rows wait in the default partition.

    Waits at most `wait_s` for a lock (asyncpg.LockNotAvailableError): writers queue behind the one who waits.
    """
    this = now.astimezone(UTC).date().replace(day=1)
    months = {this, (this + timedelta(days=31)).replace(day=1)}
    async with pool.lend(schema) as conn:
        months |= {row["month"] for row in await conn.fetch(_SQL["waiting"])}
    for month in sorted(months):  # one at a time: each holds the history only while it makes one partition
        async with pool.tx(schema) as conn:
            await conn.execute(f"SET LOCAL lock_timeout = {int(wait_s * 1000)}")
            await conn.execute(_SQL["make"], [month])


_Group: TypeAlias = tuple[str, str, str, str, str]
"""What instances that one change brings have in common: entity, observed, received, event, kind."""

_NO_BODY = "-"
"""Stands for the body of a row whose kind has none: an empty text would be no element at all."""
