"""When the attributes of entities expire (CIM 009 V1.9.1, 4.22): a side table of those few entities that have such."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from broker.core import times
from broker.core.patch import Row
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["earliest", "note"]

_SQL = load("transient")


def earliest(row: Row | None) -> datetime | None:
    """Say when the first instance of the entity expires, None if none does."""
    book = row.meta.get("@transient") if row is not None else None
    return min(times.to_datetime(at) for (at,) in book.values()) if book else None


async def note(conn: Conn, ends: Sequence[tuple[str, datetime | None]]) -> None:
    """Keep when the first instance of each entity expires; None: none does any more."""
    over = [one for one, end in ends if end is None]
    if over:
        await conn.execute(_SQL["forget"], over)
    if len(over) < len(ends):
        known = [(one, end) for one, end in ends if end is not None]
        await conn.execute(_SQL["note"], [one for one, _ in known], [end for _, end in known])
