"""The ids of entities that a condition selects, a page at a time."""

from __future__ import annotations

from broker.core.query import Node
from broker.store.compile import compile_where
from broker.store.pool import Conn

__all__ = ["ids"]


async def ids(conn: Conn, where: Node, after: str, limit: int) -> list[str]:
    """Read the ids, in order, of at most `limit` entities whose id sorts after `after`; `where` is narrowed already."""
    found = compile_where(where)
    at = len(found.params) + 1
    # The text is made of compiled fragments and fixed parts; every value is a parameter.
    sql = (
        "SELECT e.id FROM entities AS e WHERE (e.expires_at IS NULL OR e.expires_at > now()) "  # noqa: S608
        f"AND {found.sql} AND e.id > ${at}::text ORDER BY e.id LIMIT ${at + 1}::bigint"
    )
    return [row[0] for row in await conn.fetch(sql, *found.params, after, limit)]
