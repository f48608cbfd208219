"""Aggregates of instances over periods, computed by the database in one pass (CIM 009 V1.9.1, 4.5.19).

An instance's value is of one class: n number, b Boolean (1 and 0), a array (its size), s string, t DateTime, d Date,
h Time, o anything else. avg, sum, min and max take n, b and a; stddev (of the population) and sumsq take n and b; min
and max take s, t, d and h too, and avg h; the counts take all. Where a period has numbers, they go before texts.

Most attributes are Properties whose values are numbers throughout. A first pass aggregates as if all were, and tells
where that does not hold; only those attributes are aggregated again, class by class, at several times the cost. The
first pass cuts the number out of the text: parsing each instance would cost more than all else that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg
import orjson

from broker.core import times
from broker.core.access import AttrSet
from broker.core.errors import InvalidRequest, TooManyResults
from broker.core.periods import Period
from broker.core.temporal import SCOPE, Aggregate, Method
from broker.store.pool import Conn
from broker.store.temporal_sql import TIME, Selection, Statement

__all__ = ["MOST", "Bounds", "aggregates", "bounds"]

MOST: Final = 20_000
"""Most periods in one answer, over all attributes."""

Bounds: TypeAlias = Mapping[str, tuple[datetime, datetime]]
"""The first and last instant of each entity's chosen instances."""

_VALUE: Final = (
    "coalesce(x.j -> 'value', x.j -> 'object', x.j -> 'valueList', x.j -> 'languageMap', x.j -> 'vocab', "
    "x.j -> 'json', x.j -> 'objectList')"
)
_CLASS: Final = """CASE WHEN y.type NOT IN ('Property', 'ListProperty') THEN 'o'
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
_NUMBER: Final = """CASE
    WHEN starts_with(c.body, '{"type":"Property","value":') OR starts_with(c.body, ' {"type":"Property","value":')
        THEN split_part(split_part(split_part(c.body, ':', 3), ',', 1), '}', 1)
    WHEN starts_with(c.body, '{"type":"Property",') OR starts_with(c.body, ' {"type":"Property",')
        THEN CASE WHEN jsonb_typeof(c.body::jsonb -> 'value') = 'number' THEN c.body::jsonb ->> 'value' END END"""
"""The text of a Property's value where that is a number, else NULL or a text that does not begin as a number does.

Bodies begin with the type, and mostly the value is next. An instance that this misses is looked at by its class.
"""
_BEGINS_A_NUMBER: Final = "ascii({0}) BETWEEN 48 AND 57 OR ascii({0}) = 45"
_NUM: Final = """CASE WHEN z.class = 'n' THEN z.v::float8
    WHEN z.class = 'b' THEN z.v::boolean::integer::float8
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
_PLAIN_METHODS: Final[Mapping[Method, str]] = {
    "avg": "avg(a.num)",
    "distinctCount": "count(DISTINCT a.num + 0)",
    "max": "max(a.num)",
    "min": "min(a.num)",
    "stddev": "stddev_pop(a.num)",
    "sum": "sum(a.num)",
    "sumsq": "sum(a.num * a.num)",
    "totalCount": "count(*)",
}


async def bounds(conn: Conn, ids: Sequence[str], selection: Selection) -> Bounds:
    """Read when each entity's chosen instances begin and end."""
    statement = Statement()
    source = _chosen(statement, ids, selection)
    rows = await conn.fetch(
        f"SELECT x.entity, min(x.at), max(x.at) FROM {source} x GROUP BY x.entity",  # noqa: S608
        *statement.values,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def aggregates(
    conn: Conn, ranges: Bounds, selection: Selection, period: Period, methods: Sequence[Method]
) -> list[Aggregate]:
    """Aggregate the selected instances of entities over the periods from where each one's range begins.

    `ranges`: the start and end of each entity's range; the end counts for its last start only. Periods without
    instances are left out. TooManyResults for more than `MOST` periods, InvalidRequest for numbers beyond a double.
    """
    work = _Work(conn, period, methods)
    if not period.months:
        return await work.run(ranges, selection, ())
    by_origin: dict[datetime, dict[str, tuple[datetime, datetime]]] = {}
    for one, (start, end) in ranges.items():
        by_origin.setdefault(start, {})[one] = (start, end)
    found: list[Aggregate] = []
    for start, several in by_origin.items():
        starts = _starts(period, start, max(end for _, end in several.values()))
        found += await work.run(several, selection, starts)
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


@dataclass(frozen=True, slots=True)
class _Work:
    """How to aggregate; over which entities, instances and starts of periods, each run says."""

    conn: Conn
    period: Period
    methods: Sequence[Method]

    async def run(self, ranges: Bounds, selection: Selection, starts: Sequence[datetime]) -> list[Aggregate]:
        """Aggregate; periods of months begin at `starts`."""
        rows = await self._fetch(_plain, ranges, selection, starts)
        mixed = {(row[0], row[1]) for row in rows if not row[5]}
        found = self._aggregates(((row, row[6:]) for row in rows if (row[0], row[1]) not in mixed), ranges)
        if mixed:
            several = {one: ranges[one] for one in sorted({one for one, _ in mixed})}
            fewer = replace(selection, attrs=AttrSet(frozenset(attr for _, attr in mixed)))
            rows = await self._fetch(_by_class, several, fewer, starts)
            again = ((row, orjson.loads(row[5])) for row in rows if (row[0], row[1]) in mixed)
            found += self._aggregates(again, ranges)
            found.sort(key=lambda one: (one.entity, one.attr, one.start))
        return found

    async def _fetch(
        self, select: _Select, ranges: Bounds, selection: Selection, starts: Sequence[datetime]
    ) -> Sequence[Any]:
        statement = Statement()
        source = _chosen(statement, list(ranges), selection)
        origins = (
            f"unnest({statement.value(list(ranges), 'text[]')}, "
            f"{statement.value([start for start, _ in ranges.values()], 'timestamptz[]')}) AS o (entity, origin)"
        )
        placed = (
            f"(SELECT c.entity, c.attr, c.body::jsonb AS j, {_NUMBER} AS number, "  # noqa: S608
            f"{_bucket(statement, self.period, starts)} AS start "
            f"FROM {source} c JOIN {origins} ON o.entity = c.entity OFFSET 0)"
        )
        sql = f"{select(placed, self.methods)} GROUP BY 1, 2, 4 ORDER BY 1, 2, 4 LIMIT {MOST + 1}"
        try:
            rows: Sequence[Any] = await self.conn.fetch(sql, *statement.values)
        except asyncpg.NumericValueOutOfRangeError as error:
            names = ", ".join(self.methods)
            raise InvalidRequest(f"aggrMethods: {names} of these values are beyond a double") from error
        if len(rows) > MOST:
            raise _too_many()
        return rows

    def _aggregates(self, rows: Iterable[tuple[Any, Sequence[Any]]], ranges: Bounds) -> list[Aggregate]:
        """Read rows, each with what the methods gave. There may be thousands: what is common comes first, in line."""
        found = []
        plain = not self.period.months and self.period.seconds < _LONG_S
        step = timedelta(seconds=self.period.seconds if plain else 0)
        for row, given in rows:
            entity, attr, kind, start, timed = row[:5]
            if timed:
                values = tuple([_value(method, value) for method, value in zip(self.methods, given, strict=True)])
            else:
                values = tuple(
                    [
                        int(one) if type(one) is float and -_EXACT < one < _EXACT and one.is_integer() else one
                        for one in given
                    ]
                )
            origin, end = ranges[entity]
            if step and start < _FAR:
                end = start + step
            elif not self.period.whole:
                end = self.period.end_of(origin, start)
            found.append(Aggregate(entity, attr, kind, start, end, values))
        return found


def _value(method: Method, value: Any) -> Any:
    """Read a value where texts are times: they get the Z back that they were ordered without."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, str) and method in ("avg", "max", "min"):
        return times.shown(value + "Z") if "." in value else value + "Z"
    return value


_EXACT: Final = 2**53
"""Below it a whole number loses its fraction: no other number has the same double."""
_FAR: Final = datetime(3000, 1, 1, tzinfo=UTC)
_LONG_S: Final = 1000 * 366 * 86_400
"""Up to here a period's end is its start and its length; further on it may be the end of time."""

_Select: TypeAlias = Callable[[str, Sequence[Method]], str]
"""Writes a SELECT over placed instances: entity, attr, type, start, whether texts are times, then what was computed."""


def _plain(placed: str, methods: Sequence[Method]) -> str:
    """Take all values for numbers; the sixth column says whether they are, the methods' columns follow."""
    values = ", ".join(_PLAIN_METHODS[method] for method in methods)
    return (
        f"SELECT a.entity, a.attr, 'Property', a.start, false, count(*) = count(a.num), {values} "  # noqa: S608
        "FROM (SELECT x.entity, x.attr, x.start, "
        f"CASE WHEN {_BEGINS_A_NUMBER.format('x.number')} THEN x.number::float8 END AS num "
        f"FROM {placed} x OFFSET 0) a"
    )


def _by_class(placed: str, methods: Sequence[Method]) -> str:
    """Take each value by its class; the sixth column is an array of what the methods give."""
    values = ", ".join(_METHODS[method] for method in methods)
    return (
        f"SELECT a.entity, a.attr, min(a.type), a.start, bool_or(a.class IN ('t', 'h')), "  # noqa: S608
        f"jsonb_build_array({values})::text "
        f"FROM (SELECT z.entity, z.attr, z.type, z.start, z.class, z.v, {_NUM} AS num, {_TXT} AS txt, "
        f"{_TIME_OF_DAY} AS clock FROM (SELECT y.*, {_CLASS} AS class "
        f"FROM (SELECT x.*, x.j ->> 'type' AS type, {_VALUE} AS v FROM {placed} x OFFSET 0) y OFFSET 0) z) a"
    )


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


def _chosen(statement: Statement, ids: Sequence[str], selection: Selection) -> str:
    """Return the selected instances as a subquery: entity, attr, body, at."""
    wanted = selection.range
    at = TIME[wanted.timeproperty]
    source = f"history h {statement.validity(selection, 'h.entity')}"
    where = (
        f"h.entity = ANY({statement.texts(ids)}) AND {statement.selected(selection)} "
        f"AND h.kind = 'value' AND h.attr <> '{SCOPE}'"
    )
    columns = f"h.entity, h.attr, h.body, {at} AS at"
    if wanted.last_n is None:
        return f"(SELECT {columns} FROM {source} WHERE {where})"  # noqa: S608
    place = f"row_number() OVER (PARTITION BY h.entity, h.attr ORDER BY {at} DESC, h.dataset_id DESC)"
    return (
        f"(SELECT * FROM (SELECT {columns}, {place} AS place FROM {source} WHERE {where}) n "  # noqa: S608
        f"WHERE n.place <= {statement.number(wanted.last_n)})"
    )
