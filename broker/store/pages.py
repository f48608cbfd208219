"""Pages of current state: one compiled condition, ordered by id, with one boolean per row filter of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broker.core.query import Node, Query
from broker.store.compile import compile_flag, compile_where
from broker.store.pool import Conn

__all__ = ["Found", "page"]

_COLUMNS = "e.id, e.types, e.scopes, e.names, e.segs, e.meta, e.created_at, e.modified_at, e.expires_at"
_SHORT = (
    "e.id, array_to_string(e.types, E'\\x1f'), e.scopes, array_to_string(e.names, E'\\x1f'), "
    "array_to_string(e.segs, E'\\x1f')"
)
_ALIVE = "(e.expires_at IS NULL OR e.expires_at > now())"


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page: the columns, then one boolean per filter. `more`: there are others after it."""

    rows: Sequence[Any]
    more: bool
    count: int | None


async def page(conn: Conn, query: Query, filters: Sequence[Node], *, short: bool) -> Found:
    """Read one page. `query` is narrowed already; with `short` the rows end after segs and their arrays are joined."""
    where = compile_where(query.where)
    count = None
    if query.count:
        # The text is made of compiled fragments and fixed parts; every value is a parameter.
        count = await conn.fetchval(f"SELECT count(*) FROM entities AS e WHERE {_ALIVE} AND {where.sql}", *where.params)  # noqa: S608
    if query.limit == 0:
        return Found((), False, count)
    params = list(where.params)
    columns = [_SHORT if short else _COLUMNS]
    for node in filters:
        compiled = compile_flag(node, len(params) + 1)
        params.extend(compiled.params)
        columns.append(compiled.sql)
    conditions = f"{_ALIVE} AND {where.sql}"
    if query.after is not None:
        params.append(query.after)
        conditions += f" AND e.id > ${len(params)}::text"
    params.extend((query.limit + 1, query.offset))
    sql = (
        f"SELECT {', '.join(columns)} FROM entities AS e WHERE {conditions} "  # noqa: S608
        f"ORDER BY e.id LIMIT ${len(params) - 1}::bigint OFFSET ${len(params)}::bigint"
    )
    rows = await conn.fetch(sql, *params)
    return Found(rows[: query.limit], len(rows) > query.limit, count)
