"""Evolutions of entities: which have one that is asked for, and their instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from broker.core.access import AttrSet
from broker.core.query import TRUE, Node
from broker.core.temporal import SCOPE, Past, Range
from broker.core.temporal_access import Rules
from broker.store.pool import Conn
from broker.store.temporal_sql import CREATED, TIME, Selection, Statement

__all__ = ["Found", "Source", "Wanted", "entities", "instances"]

_ALIVE: Final = "(e.expires_at IS NULL OR e.expires_at > now())"
_DEPARTED: Final = (
    "(SELECT d.id, d.types, NULL::text[] AS scopes, '{}'::text[] AS names, '{}'::text[] AS segs, '{}'::jsonb AS vals, "
    "NULL::geometry AS location, '{}'::jsonb AS meta, d.created_at, d.deleted_at AS modified_at, "
    "NULL::timestamptz AS expires_at, d.deleted_at FROM departed d "
    "WHERE NOT EXISTS (SELECT FROM entities x WHERE x.id = d.id))"
)


_SERIES: Final = """WITH RECURSIVE series AS (
    SELECT f.* FROM unnest({ids}) AS i (entity) CROSS JOIN LATERAL (
        SELECT h.entity, h.attr, h.dataset_id FROM history h WHERE h.entity = i.entity
        ORDER BY h.attr, h.dataset_id LIMIT 1) f
    UNION ALL
    SELECT f.* FROM series p CROSS JOIN LATERAL (
        SELECT h.entity, h.attr, h.dataset_id FROM history h WHERE h.entity = p.entity
        AND (h.attr, h.dataset_id) > (p.attr, p.dataset_id) ORDER BY h.attr, h.dataset_id LIMIT 1) f)"""
"""What series entities have, found by one step through the index for each rather than by reading all instances."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entities: `past` is a condition on their instances in the range, of which one must be of `attrs`.

    `scope`: a condition on their scope while such an instance was observed. They are ordered by id, in the order of
    code points or in that of `collation`, a quoted identifier.
    """

    range: Range
    attrs: AttrSet
    past: Node = TRUE
    scope: Node = TRUE
    limit: int = 20
    offset: int = 0
    datasets: frozenset[str] | None = None
    count: bool = False
    descending: bool = False
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One entity: the truth of the rules' nodes on it. `deleted_at`: it is gone. `valid`: when its scope matched."""

    id: str
    types: Sequence[str]
    created_at: datetime
    deleted_at: datetime | None
    flags: Sequence[bool]
    valid: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The entities that are, or those that are gone.

    `state`: the condition on current state, narrowed. `rules`: what is shown. `plain`: what predicates see.
    """

    rules: Rules
    plain: Rules
    state: Node
    departed: bool = False


async def entities(conn: Conn, wanted: Wanted, sources: Sequence[Source]) -> tuple[list[Found], bool, int | None]:
    """Find a page of entities, whether there are more, and with `count` how many match."""
    statement = Statement()
    union = " UNION ALL ".join(_source(statement, wanted, one) for one in sources)
    count = None
    if wanted.count:
        count = await conn.fetchval(f"SELECT count(*) FROM ({union}) u", *statement.values)  # noqa: S608
    if wanted.limit == 0:
        return [], False, count
    order = "DESC" if wanted.descending else "ASC"
    limit, offset = statement.number(wanted.limit + 1), statement.number(wanted.offset)
    if wanted.collation is not None:
        union = f"SELECT u.* FROM ({union}) u ORDER BY u.id COLLATE {wanted.collation} {order}, u.id {order}"  # noqa: S608
    else:
        union = f"{union} ORDER BY id {order}"
    rows = await conn.fetch(f"{union} LIMIT {limit} OFFSET {offset}", *statement.values)
    found = [Found(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows[: wanted.limit]]
    return found, len(rows) > wanted.limit, count


def _source(statement: Statement, wanted: Wanted, source: Source) -> str:
    rules = source.rules
    table = _DEPARTED if source.departed else "entities"
    join = ""
    nodes = [*rules.nodes, *source.plain.nodes]
    if nodes:
        flags = ", ".join(statement.flag(node, "e") for node in nodes)
        join = f"CROSS JOIN LATERAL (SELECT ARRAY[{flags}]::boolean[] AS flags OFFSET 0) f "
    condition = statement.flag(source.state, "e") if source.departed else statement.where(source.state, "e")
    asked = f"{statement.asked(wanted.range, wanted.attrs, wanted.datasets)} AND {statement.shown_by(rules)}"
    valid = "NULL"
    if wanted.scope != TRUE:
        join += statement.scope_validity(wanted.scope)
        valid = "v.valid::text"
        asked += " AND h.observed_at <@ v.valid"
    if wanted.range.asked:
        asked += f" AND h.attr <> '{SCOPE}'"
    exists = f"EXISTS (SELECT FROM history h WHERE h.entity = e.id AND {asked})"
    parts = [_ALIVE, condition, exists]
    if wanted.past != TRUE:
        sees = statement.shown_by(source.plain.moved(len(rules.nodes)))
        counted = f"{statement.asked(wanted.range, AttrSet(complement=True))} AND {sees}"
        lateral, met = statement.meets(wanted.past, counted)
        join += lateral
        parts.append(met)
    deleted = "e.deleted_at" if source.departed else "NULL::timestamptz"
    flagged = f"f.flags[1:{len(rules.nodes)}]" if rules.nodes else "'{}'::boolean[]"
    return (
        f"SELECT e.id, e.types, e.created_at, {deleted} AS deleted_at, {flagged} AS flags, "  # noqa: S608
        f"{valid} AS valid "
        f"FROM {table} e {join} WHERE {' AND '.join(parts)}"
    )


async def instances(conn: Conn, ids: Sequence[str], selection: Selection, most: int) -> list[Past]:
    """Read the selected instances of entities, per attribute the first `most` (with `last_n` the last).

    They come by entity and attribute, in the order of time, with `last_n` backwards.
    """
    statement = Statement()
    at = TIME[selection.range.timeproperty]
    order = "DESC" if selection.range.last_n is not None else "ASC"
    limit = statement.number(most)
    valid = statement.validity(selection, "h.entity")
    series = _SERIES.format(ids=statement.value(list(ids), "text[]"))
    chosen = (
        f"h.entity = s.entity AND h.attr = s.attr AND h.dataset_id = s.dataset_id AND {statement.selected(selection)}"
    )
    rows = await conn.fetch(
        f"{series} SELECT x.entity, x.attr, x.dataset_id, x.instance_id::text, x.kind, x.body, "  # noqa: S608
        "CASE WHEN x.kind = 'deleted' AND x.body IS NULL THEN (SELECT (v.body::jsonb) ->> 'type' FROM history v "
        "WHERE v.entity = x.entity AND v.attr = x.attr AND v.dataset_id = x.dataset_id AND v.kind = 'value' "
        "ORDER BY v.observed_at DESC LIMIT 1) END, x.at, x.observed_at, x.created, x.received_at "
        f"FROM (SELECT h.*, row_number() OVER (PARTITION BY h.entity, h.attr ORDER BY h.at {order}, "
        f"h.dataset_id {order}) AS place FROM series s CROSS JOIN LATERAL (SELECT h.*, {at} AS at, "
        f"{CREATED} AS created FROM history h {valid} WHERE {chosen} ORDER BY {at} {order} LIMIT {limit}) h) x "
        f"WHERE x.place <= {limit} "
        "ORDER BY x.entity, x.attr, x.place",
        *statement.values,
    )
    return [_past(row) for row in rows]


def _past(row: Any) -> Past:
    body = orjson.loads(row[5]) if row[5] is not None else None
    kind = body["type"] if body is not None else row[6] or "Property"
    return Past(row[0], row[1], row[2], row[3], row[4], body, kind, row[7], row[8], row[9], row[10])
