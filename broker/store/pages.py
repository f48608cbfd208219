"""Pages of current state: one compiled condition, ordered, with what the caller's row filters come to on each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broker.core.query import Node, Query
from broker.store.compile import ALIVE, compile_flag, compile_where
from broker.store.compile_order import ROOT_COLLATION, compile_order
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["FLAGS", "SHORT_WIDTH", "WIDTH", "Found", "Statement", "collation_of", "page", "rows_by_id", "statement"]

_BY_ID = load("reads")["by_id"]
_known_collations: dict[str, str] = {}

_COLUMNS = "e.id, e.types, e.scopes, e.names, e.segs, e.meta, e.created_at, e.modified_at, e.expires_at"
_SHORT = (
    "e.id, array_to_string(e.types, E'\\x1f'), e.scopes, "
    "CASE WHEN e.names = {usual} THEN NULL ELSE array_to_string(e.names, E'\\x1f') END, "
    "array_to_string(e.segs, E'\\x1f')"
)
WIDTH = _COLUMNS.count(", ") + 1
SHORT_WIDTH = 5
"""How many columns rows have before those of the filters, and short ones."""
FLAGS = 62
"""Filters whose booleans go into one column: the first is its lowest bit."""


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page: the columns, then a number for each `FLAGS` filters. `more`: there are others after it.

    In short rows names are None where they are the usual ones.
    """

    rows: Sequence[Any]
    more: bool
    count: int | None


async def rows_by_id(conn: Conn, ids: Sequence[str]) -> Sequence[Any]:
    """Read entities by id, all columns; those that do not exist or have expired are left out."""
    return await conn.fetch(_BY_ID, list(ids))


async def collation_of(conn: Conn, tag: str | None) -> str | None:
    """Return the quoted name of an ICU collation by its checked tag (None: ICU's root), None if ICU has no such one."""
    if tag is None:
        return ROOT_COLLATION
    if tag not in _known_collations:
        name = await conn.fetchval("SELECT broker.icu_collation($1)", tag)
        if name is None:
            return None
        _known_collations[tag] = f'broker."{name}"'
    return _known_collations[tag]


@dataclass(frozen=True, slots=True)
class Statement:
    """A page's statement, and that which counts all matches (None: they are not to be counted), with their values."""

    sql: str
    values: Sequence[object]
    limit: int
    short: bool
    count: tuple[str, Sequence[object]] | None = None


def statement(query: Query, filters: Sequence[Node], *, short: bool, collation: str = ROOT_COLLATION) -> Statement:
    """Compile what reads one page. `query` is narrowed already; with `short` rows end after segs, arrays joined.

    The last value of a short statement is for the usual names, of which it has none.

    The limit is a parameter: a plan for any values takes it for a tenth of all rows, and so reads in the order that is
    asked for also where the tables have not been analyzed yet.
    """
    where = compile_where(query.where, after=query.after)
    # The texts are made of compiled fragments and fixed parts; every value is a parameter.
    conditions = f"{ALIVE.format('e')} AND {where.sql}"
    params = list(where.params)
    columns = [_COLUMNS]
    for start in range(0, len(filters), FLAGS):
        flags = []
        for place, node in enumerate(filters[start : start + FLAGS]):
            compiled = compile_flag(node, len(params) + 1)
            params.extend(compiled.params)
            flags.append(f"(({compiled.sql})::int::bigint << {place})")
        columns.append(" | ".join(flags))
    order = compile_order(query.order, len(params) + 1, collation=collation)
    params.extend(order.params)
    limit = len(params) + 1
    params.extend((query.limit + 1, query.offset))
    if short:
        columns[0] = _SHORT.format(usual=f"${len(params) + 1}::text[]")
        params.append(())
    sql = (
        f"SELECT {', '.join(columns)} FROM entities AS e{order.joins} WHERE {conditions} "  # noqa: S608
        f"ORDER BY {order.terms} LIMIT ${limit}::bigint OFFSET ${limit + 1}::bigint"
    )
    return Statement(sql, params, query.limit, short, _counted(query) if query.count else None)


def _counted(query: Query) -> tuple[str, Sequence[object]]:
    """Compile the count of all matches, which are the same on every page of a walk."""
    where = compile_where(query.where)
    return f"SELECT count(*) FROM entities AS e WHERE {ALIVE.format('e')} AND {where.sql}", where.params  # noqa: S608


async def page(conn: Conn, made: Statement, usual: Sequence[str] = ()) -> Found:
    """Read one page; short rows that have the `usual` names are read without them."""
    count = None
    if made.count is not None:
        count = await conn.fetchval(made.count[0], *made.count[1])
    if made.limit == 0:
        return Found((), False, count)
    values = (*made.values[:-1], usual) if made.short else made.values
    rows = await conn.fetch(made.sql, *values)
    return Found(rows[: made.limit], len(rows) > made.limit, count)
