"""The history of attribute instances: one row per (entity, attribute, datasetId, observedAt)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from weakref import WeakKeyDictionary

from broker.core import patch, times
from broker.core.patch import HistoryRow
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["append"]

_SQL = load("history")

_partitions: WeakKeyDictionary[Conn, set[tuple[str, date]]] = WeakKeyDictionary()
"""Tenants and months whose partition a connection has asked for. A stale entry (the transaction rolled back) only sends
rows to the default partition, where they are found as well."""


async def append(conn: Conn, tenant: str, rows: Sequence[HistoryRow]) -> None:
    """Append instances; on an instance already there the higher (received_at, event) wins, and a replay repeats."""
    if not rows:
        return
    rows = patch.distinct(rows)
    instants: dict[str, datetime] = {}
    for row in rows:
        for text in (row.observed_at, row.received_at):
            if text not in instants:
                instants[text] = times.to_datetime(text)
    observed = [instants[row.observed_at] for row in rows]
    known = _partitions.setdefault(conn, set())
    missing = {(tenant, instant.date().replace(day=1)) for instant in set(observed)} - known
    if missing:
        await conn.execute(_SQL["ensure"], sorted(month for _, month in missing))
        known |= missing
    await conn.execute(
        _SQL["append"],
        [
            (row.entity, row.attr, row.dataset_id, at, instants[row.received_at], row.event, row.kind, row.body)
            for row, at in zip(rows, observed, strict=True)
        ],
    )
