"""Which attributes queries compare and order by, counted so that indexes can be made for them (`broker.store.indexes`).

Counting happens in memory and is written down every few seconds. At most `MOST_PATHS` paths are kept per tenant: a
caller can name any attribute, and a name is all that is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from broker.core.query import And, Compare, Node, Or, Path, Query
from broker.core.terms import SYSTEM_TIMES
from broker.store.named import load
from broker.store.pool import Pool

__all__ = ["MOST_PATHS", "Key", "flush", "note"]

Key = tuple[str, str, str]
"""Schema, attribute, and use: value, asc or desc."""

MOST_PATHS: Final = 1000
_MOST_COUNTED: Final = 10_000
_SQL = load("observed")
_counted: Counter[Key] = Counter()


def note(schema: str, query: Query) -> None:
    """Count what a query compares and orders by."""
    for attr in _compared(query.where):
        _count((schema, attr, "value"))
    if query.order and query.collation is None:
        first = query.order[0]
        if first.origin is None and isinstance(first.by, Path) and _whole(first.by):
            _count((schema, first.by.attr, "desc" if first.descending else "asc"))


def _count(key: Key) -> None:
    if key in _counted or len(_counted) < _MOST_COUNTED:
        _counted[key] += 1


def _compared(node: Node) -> Iterator[str]:
    if isinstance(node, Compare):
        if node.op != "!=" and _whole(node.path):
            yield node.path.attr
    elif isinstance(node, And | Or):
        for item in node.items:
            yield from _compared(item)


def _whole(path: Path) -> bool:
    return path == Path(path.attr) and path.attr not in SYSTEM_TIMES


async def flush(pool: Pool) -> None:
    """Write down what has been counted."""
    if not _counted:
        return
    keys = list(_counted.items())
    _counted.clear()
    async with pool.lend(None) as conn:
        await conn.execute(
            _SQL["count"],
            [schema for (schema, _, _), _ in keys],
            [attr for (_, attr, _), _ in keys],
            [kind for (_, _, kind), _ in keys],
            [seen for _, seen in keys],
            MOST_PATHS,
        )
