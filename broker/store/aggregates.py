"""Aggregates of instances over periods, computed by the database in one pass (CIM 009 V1.9.1, 4.5.19).

An instance's value is of one class: n number, b Boolean (1 and 0), a array (its size), s string, t DateTime, d Date,
h Time, o anything else. avg, sum, min and max take n, b and a; stddev (of the population) and sumsq take n and b; min
and max take s, t, d and h too, and avg h; the counts take all. Where a period has numbers, they go before texts.

The common instance, a Property whose value is a plain number, has it in a column; only the others are parsed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import asyncpg
import orjson

from broker.core import times
from broker.core.access import AttrSet
from broker.core.errors import InvalidRequest, TooManyResults
from broker.core.periods import Period
from broker.core.temporal import SCOPE, Aggregate, Method, Range
from broker.core.temporal_access import Slice
from broker.store.pool import Conn
from broker.store.temporal_sql import TIME, Statement

__all__ = ["MOST", "Bounds", "aggregates", "bounds"]

MOST: Final = 20_000
"""Most periods in one answer, over all attributes."""

Bounds: TypeAlias = Mapping[str, tuple[datetime, datetime]]
"""The first and last instant of each entity's chosen instances."""

_VALUE: Final = (
    "coalesce(x.j -> 'value', x.j -> 'object', x.j -> 'valueList', x.j -> 'languageMap', x.j -> 'vocab', "
    "x.j -> 'json', x.j -> 'objectList')"
)
_CLASS: Final = """CASE WHEN y.j IS NULL THEN 'n'
    WHEN y.type NOT IN ('Property', 'ListProperty') THEN 'o'
    WHEN jsonb_typeof(y.v) = 'number' THEN 'n'
    WHEN jsonb_typeof(y.v) = 'boolean' THEN 'b'
    WHEN jsonb_typeof(y.v) = 'string' THEN 's'
    WHEN jsonb_typeof(y.v) = 'array' THEN 'a'
    WHEN jsonb_typeof(y.v -> '@value') IS DISTINCT FROM 'string' THEN 'o'
    WHEN y.v ->> '@type' ~ '(^|[/#:])[dD]ateTime$' THEN 't'
    WHEN y.v ->> '@type' ~ '(^|[/#:])[dD]ate$' THEN 'd'
    WHEN y.v ->> '@type' ~ '(^|[/#:])[tT]ime$'
        AND y.v ->> '@value' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z?$' THEN 'h'
    ELSE 'o' END"""
_NUM: Final = """CASE WHEN z.j IS NULL THEN z.num
    WHEN z.class = 'n' THEN (z.v #>> '{}')::float8
    WHEN z.class = 'b' THEN (z.v #>> '{}')::boolean::integer::float8
    WHEN z.class = 'a' THEN jsonb_array_length(z.v)::float8 END"""
_TXT: Final = """CASE WHEN z.class = 's' THEN z.v #>> '{}'
    WHEN z.class IN ('t', 'd', 'h') THEN rtrim(z.v ->> '@value', 'Z') END"""
_TIME_OF_DAY: Final = "CASE WHEN z.class = 'h' THEN rtrim(z.v ->> '@value', 'Z')::time::interval END"
_METHODS: Final[Mapping[Method, str]] = {
    "avg": "coalesce(to_jsonb(avg(a.num)), to_jsonb(to_char(avg(a.clock), 'HH24:MI:SS.US')))",
    "distinctCount": (
        "to_jsonb(count(DISTINCT a.num + 0) FILTER (WHERE a.class = 'n') "
        "+ count(DISTINCT a.v::text) FILTER (WHERE a.class <> 'n'))"
    ),
    "max": "coalesce(to_jsonb(max(a.num)), to_jsonb(max(a.txt)))",
    "min": "coalesce(to_jsonb(min(a.num)), to_jsonb(min(a.txt)))",
    "stddev": "to_jsonb(stddev_pop(a.num) FILTER (WHERE a.class <> 'a'))",
    "sum": "to_jsonb(sum(a.num))",
    "sumsq": "to_jsonb(sum(a.num * a.num) FILTER (WHERE a.class <> 'a'))",
    "totalCount": "to_jsonb(count(*))",
}
_WHOLE_NUMBERS: Final = frozenset({"max", "min", "sum", "sumsq"})


async def bounds(
    conn: Conn,
    ids: Sequence[str],
    slices: Sequence[Slice],
    wanted: Range,
    attrs: AttrSet,
    datasets: frozenset[str] | None,
) -> Bounds:
    """Read when each entity's chosen instances begin and end."""
    statement = Statement()
    source = _chosen(statement, ids, slices, wanted, attrs, datasets)
    rows = await conn.fetch(
        f"SELECT x.entity, min(x.at), max(x.at) FROM {source} x GROUP BY x.entity",  # noqa: S608
        *statement.values,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def aggregates(
    conn: Conn,
    ranges: Bounds,
    slices: Sequence[Slice],
    wanted: Range,
    attrs: AttrSet,
    datasets: frozenset[str] | None,
    period: Period,
    methods: Sequence[Method],
) -> list[Aggregate]:
    """Aggregate instances of entities over the periods from where each one's range begins.

    `ranges`: the start and end of each entity's range; the end counts for its last start only. Periods without
    instances are left out. TooManyResults for more than `MOST` periods, InvalidRequest for numbers beyond a double.
    """
    if not period.months:
        return await _run(conn, ranges, slices, wanted, attrs, datasets, period, methods, ())
    by_origin: dict[datetime, dict[str, tuple[datetime, datetime]]] = {}
    for one, (start, end) in ranges.items():
        by_origin.setdefault(start, {})[one] = (start, end)
    found: list[Aggregate] = []
    for start, several in by_origin.items():
        starts = _starts(period, start, max(end for _, end in several.values()))
        found += await _run(conn, several, slices, wanted, attrs, datasets, period, methods, starts)
    if len(found) > MOST:
        raise _too_many()
    return found


def _starts(period: Period, start: datetime, end: datetime) -> list[datetime]:
    found = [start]
    while (following := period.after(start, len(found))) <= end:
        found.append(following)
        if len(found) > MOST:
            raise _too_many()
    return found


def _too_many() -> TooManyResults:
    return TooManyResults(f"aggrPeriodDuration: more than {MOST} periods; choose a longer one, or a shorter range")


async def _run(
    conn: Conn,
    ranges: Bounds,
    slices: Sequence[Slice],
    wanted: Range,
    attrs: AttrSet,
    datasets: frozenset[str] | None,
    period: Period,
    methods: Sequence[Method],
    starts: Sequence[datetime],
) -> list[Aggregate]:
    statement = Statement()
    source = _chosen(statement, list(ranges), slices, wanted, attrs, datasets)
    origins = (
        f"unnest({statement.value(list(ranges), 'text[]')}, "
        f"{statement.value([start for start, _ in ranges.values()], 'timestamptz[]')}) AS o (entity, origin)"
    )
    bucket = _bucket(statement, period, starts)
    values = ", ".join(_METHODS[method] for method in methods)
    try:
        rows = await conn.fetch(
            "SELECT a.entity, a.attr, min(a.type), a.start, "  # noqa: S608
            f"bool_or(a.class IN ('t', 'h')), jsonb_build_array({values})::text "
            f"FROM (SELECT z.entity, z.attr, z.type, z.start, z.class, z.v, {_NUM} AS num, {_TXT} AS txt, "
            f"{_TIME_OF_DAY} AS clock FROM (SELECT y.*, {_CLASS} AS class "
            f"FROM (SELECT x.*, coalesce(x.j ->> 'type', 'Property') AS type, {_VALUE} AS v "
            f"FROM (SELECT c.entity, c.attr, c.num, CASE WHEN c.num IS NULL THEN c.body::jsonb END AS j, "
            f"{bucket} AS start FROM {source} c JOIN {origins} ON o.entity = c.entity OFFSET 0) x) y) z) a "
            f"GROUP BY a.entity, a.attr, a.start ORDER BY a.entity, a.attr, a.start LIMIT {MOST + 1}",
            *statement.values,
        )
    except asyncpg.NumericValueOutOfRangeError as error:
        raise InvalidRequest(f"aggrMethods: {', '.join(methods)} of these values are beyond a double") from error
    if len(rows) > MOST:
        raise _too_many()
    return [_aggregate(row, ranges, period, methods) for row in rows]


def _bucket(statement: Statement, period: Period, starts: Sequence[datetime]) -> str:
    """Return the start of an instance's period, from its instant `c.at` and the entity's `o.origin`.

    Periods of months begin at `starts`.
    """
    if period.whole:
        return "o.origin"
    if starts:
        array = statement.value(list(starts), "timestamptz[]")
        return f"({array})[width_bucket(c.at, {array})]"
    return f"date_bin(make_interval(secs => {statement.value(period.seconds, 'bigint')}), c.at, o.origin)"


def _chosen(
    statement: Statement,
    ids: Sequence[str],
    slices: Sequence[Slice],
    wanted: Range,
    attrs: AttrSet,
    datasets: frozenset[str] | None,
) -> str:
    """Return the chosen instances as a subquery: entity, attr, body, num, at."""
    at = TIME[wanted.timeproperty]
    where = (
        f"h.entity = ANY({statement.texts(ids)}) AND {statement.asked(wanted, attrs, datasets)} "
        f"AND {statement.shown(slices)} AND h.kind = 'value' AND h.attr <> '{SCOPE}'"
    )
    columns = f"h.entity, h.attr, h.body, h.num, {at} AS at"
    if wanted.last_n is None:
        return f"(SELECT {columns} FROM history h WHERE {where})"  # noqa: S608
    place = f"row_number() OVER (PARTITION BY h.entity, h.attr ORDER BY {at} DESC, h.dataset_id DESC)"
    return (
        f"(SELECT * FROM (SELECT {columns}, {place} AS place FROM history h WHERE {where}) n "  # noqa: S608
        f"WHERE n.place <= {statement.number(wanted.last_n)})"
    )


def _aggregate(row: Any, ranges: Bounds, period: Period, methods: Sequence[Method]) -> Aggregate:
    """Read a row. Whole numbers lose their fraction; times get the Z back that they were ordered without."""
    values = []
    for method, value in zip(methods, orjson.loads(row[5]), strict=True):
        if isinstance(value, str) and row[4] and method in ("avg", "max", "min"):
            value = times.shown(value + "Z") if "." in value else value + "Z"
        elif isinstance(value, float) and method in _WHOLE_NUMBERS and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        values.append(value)
    origin, end = ranges[row[0]]
    if not period.whole:
        end = period.end_of(origin, row[3])
    return Aggregate(row[0], row[1], row[2], row[3], end, tuple(values))
