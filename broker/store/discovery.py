"""Types and attributes in use, counted in the database (CIM 009 V1.9.1, 5.7.5 to 5.7.10).

Every statement takes a condition that is narrowed already, and groups entities of one shape before it takes shapes
apart, so that what comes back is as many rows as there are types and attributes, not entities. `bits` has one boolean
per row filter of the caller, from which the mask of these entities follows (`RowFilters.mask`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from broker.core.query import Node
from broker.store.compile import compile_flag, compile_where
from broker.store.pool import Conn

__all__ = ["attribute", "attributes_of_types", "count", "kinds", "types"]

_ALIVE: Final = "(e.expires_at IS NULL OR e.expires_at > now())"

_TYPES: Final = """
SELECT DISTINCT t.type FROM (SELECT DISTINCT e.types FROM entities AS e WHERE {alive} AND {where}) AS g,
       unnest(g.types) AS t (type)
ORDER BY t.type"""

_ATTRIBUTES: Final = """
SELECT DISTINCT t.type, a.name, g.bits
FROM (SELECT DISTINCT e.types, e.names, {bits} AS bits FROM entities AS e WHERE {alive} AND {where}) AS g
     CROSS JOIN LATERAL unnest(g.types) AS t (type)
     LEFT JOIN LATERAL unnest(g.names) AS a (name) ON TRUE
ORDER BY t.type, a.name"""

_KIND: Final = """CROSS JOIN LATERAL (
    SELECT substring(s.seg FROM '^ ?\\{"type":"([A-Za-z]+)"') AS kind WHERE s.seg ~ '^ ?\\{"type":"'
    UNION ALL
    SELECT p.v #>> '{}' FROM jsonb_path_query(s.seg::jsonb, '$[*].type') AS p (v) WHERE s.seg !~ '^ ?\\{"type":"'
) AS k"""
"""The kinds of a segment's instances: read off its start where the text begins with it, else parsed."""

_KINDS: Final = """
SELECT DISTINCT s.name, k.kind, g.bits
FROM (SELECT e.names, e.segs, {bits} AS bits FROM entities AS e WHERE {alive} AND {where}) AS g
     CROSS JOIN LATERAL unnest(g.names, g.segs) AS s (name, seg) {kind}
ORDER BY s.name, k.kind"""

_ATTRIBUTE: Final = """
SELECT s.types, k.kind, count(*)
FROM (SELECT e.types, e.segs[array_position(e.names, {attr})] AS seg FROM entities AS e
      WHERE {alive} AND {where}) AS s {kind}
GROUP BY s.types, k.kind"""


async def types(conn: Conn, where: Node) -> list[str]:
    """Return the types of the entities that meet the condition."""
    sql, params = _build(_TYPES, where)
    return [row[0] for row in await conn.fetch(sql, *params)]


async def count(conn: Conn, where: Node) -> int:
    """Count the entities that meet the condition."""
    sql, params = _build("SELECT count(*) FROM entities AS e WHERE {alive} AND {where}", where)
    found: int = await conn.fetchval(sql, *params)
    return found


async def attributes_of_types(conn: Conn, where: Node, filters: Sequence[Node]) -> Sequence[Any]:
    """Return (type, attribute or None where it has none, bits) of the entities that meet the condition."""
    sql, params = _build(_ATTRIBUTES, where, filters)
    return await conn.fetch(sql, *params)


async def kinds(conn: Conn, where: Node, filters: Sequence[Node]) -> Sequence[Any]:
    """Return (attribute, kind such as `Property`, bits) of the entities that meet the condition."""
    sql, params = _build(_KINDS, where, filters)
    return await conn.fetch(sql, *params)


async def attribute(conn: Conn, where: Node, attr: str) -> Sequence[Any]:
    """Return (types, kind, number of instances) of an attribute of the entities that meet the condition."""
    sql, params = _build(_ATTRIBUTE, where, attr=attr)
    return await conn.fetch(sql, *params)


def _build(text: str, where: Node, filters: Sequence[Node] = (), attr: str | None = None) -> tuple[str, list[object]]:
    """Fill a statement in: compiled fragments and fixed parts, every value a parameter."""
    compiled = compile_where(where)
    params = list(compiled.params)
    flags = []
    for node in filters:
        flag = compile_flag(node, len(params) + 1)
        params.extend(flag.params)
        flags.append(flag.sql)
    if attr is not None:
        params.append(attr)
    bits = f"ARRAY[{', '.join(flags)}]::boolean[]"
    sql = text.format(alive=_ALIVE, where=compiled.sql, bits=bits, kind=_KIND, attr=f"${len(params)}::text")
    return sql, params
