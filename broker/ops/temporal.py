"""Retrieve and query the temporal evolution of entities (CIM 009 V1.9.1, 5.7.3, 5.7.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from broker.core import times
from broker.core.access import Access, AttrSet
from broker.core.errors import InvalidRequest
from broker.core.narrow import narrow
from broker.core.periods import Period
from broker.core.query import TRUE, IdIn, Node, Query
from broker.core.temporal import SCOPE, Cut, Evolution, Method, Past, Presentation, Range, cut
from broker.core.temporal_access import Admitted, Rules, Slice, admit, of_departed
from broker.ops.entities import known_collation, not_found
from broker.store import aggregates as store_aggregates
from broker.store import temporal as store
from broker.store.pool import Conn, Pool
from broker.store.temporal import Found, Source, Wanted
from broker.store.temporal_sql import Selection

__all__ = ["Asked", "Sight", "TemporalPage", "query_evolutions", "retrieve_evolution"]

_MOST_INSTANCES: Final = 100_000
"""Most instances of one attribute in an answer, over all its entities."""

_FORCED: Final[tuple[Method, ...]] = ("avg", "min", "max", "totalCount")
"""The methods of an answer that a grant's resolution turns into aggregates."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the caller may see: of entities that are, and of those that are gone (None: nothing)."""

    access: Access
    departed: Access | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `state`, `past` and `scope` are its conditions on current state, instances and the scope's evolution.

    `attrs`: the attributes concerned. `named`: those that it names one by one. `page`: most instances per attribute.
    `collation`: what ids are ordered by, an ICU locale (in the operations: a quoted identifier).
    `last_periods`: what lastN is where grants that show no instance count: then it chooses periods, not instances.
    """

    state: Node
    past: Node
    range: Range
    attrs: AttrSet
    show: Presentation
    named: frozenset[str] = frozenset()
    limit: int = 20
    offset: int = 0
    count: bool = False
    descending: bool = False
    page: int = 1000
    scope: Node = TRUE
    collation: str | None = None
    last_periods: int | None = None


@dataclass(frozen=True, slots=True)
class TemporalPage:
    """What was found. `show` is how it is to be shown: a resolution may have turned it into aggregates."""

    evolutions: Sequence[Evolution]
    show: Presentation
    cut: Cut | None
    more: bool
    count: int | None


async def retrieve_evolution(pool: Pool, schema: str, sight: Sight, entity_id: str, asked: Asked) -> TemporalPage:
    """Retrieve one evolution (5.7.3); ResourceNotFound also where it is hidden or nothing of it is in the range."""
    found = await query_evolutions(pool, schema, sight, replace(asked, state=IdIn((entity_id,)), limit=1))
    if not found.evolutions:
        raise not_found(entity_id)
    return found


async def query_evolutions(pool: Pool, schema: str, sight: Sight, asked: Asked) -> TemporalPage:
    """Query evolutions (5.7.4): a page of entities of which the caller sees instances in the range.

    Where the grants that allow what is asked for show nothing at all, those that allow something coarser answer.
    """
    now = datetime.now(UTC)
    async with pool.lend(schema) as conn:
        if asked.collation is not None:
            asked = replace(asked, collation=await known_collation(conn, asked.collation))
        return await _query_evolutions(conn, sight, asked, now)


async def _query_evolutions(conn: Conn, sight: Sight, asked: Asked, now: datetime) -> TemporalPage:
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        admitted = admit(sight.access, asked.show.period)
        found = await _query(conn, sight, admitted, asked, now)
        coarser = tuple(one for one in sight.access.grants if one not in admitted.access.grants)
        if not coarser or found.evolutions or not await _nothing(conn, sight, admitted, asked, now):
            return found
        only = replace(sight, access=replace(sight.access, grants=coarser))
        return await _query(conn, only, admit(only.access, asked.show.period), asked, now)


async def _nothing(conn: Conn, sight: Sight, admitted: Admitted, asked: Asked, now: datetime) -> bool:
    """Say whether not even the first page has anything."""
    asked = _as_admitted(asked, admitted, now)
    found, _, _ = await store.entities(conn, replace(_wanted(asked), limit=1), _sources(sight, admitted, asked, now))
    return not found


async def _query(conn: Conn, sight: Sight, admitted: Admitted, asked: Asked, now: datetime) -> TemporalPage:
    asked = _as_admitted(asked, admitted, now)
    sources = _sources(sight, admitted, asked, now)
    wanted = replace(_wanted(asked), limit=asked.limit, offset=asked.offset, count=asked.count)
    found, more, count = await store.entities(conn, wanted, sources)
    evolutions = {one.id: Evolution(one.id, one.types, one.created_at, one.deleted_at) for one in found}
    valid = {one.id: one.valid or "{}" for one in found} if asked.scope != TRUE else None
    for slices, ids in _groups(found, sources):
        selection = Selection(asked.range, asked.attrs, slices, asked.show.projection.datasets, valid)
        if asked.show.period is None:
            await _read_instances(conn, evolutions, ids, selection, asked)
        else:
            await _read_aggregates(conn, evolutions, ids, selection, asked, admitted.grid)
    edge = None
    if asked.show.period is not None:
        _check_eligible(evolutions.values(), asked)
    else:
        edge = cut(evolutions.values(), asked.range, _page(asked, len(found)))
        if asked.range.last_n is not None:
            for one in evolutions.values():
                for many in one.instances.values():
                    many.reverse()
    return TemporalPage(list(evolutions.values()), asked.show, edge, more, count)


def _wanted(asked: Asked) -> Wanted:
    datasets = asked.show.projection.datasets
    return Wanted(
        asked.range,
        asked.attrs,
        asked.past,
        asked.scope,
        datasets=datasets,
        descending=asked.descending,
        collation=asked.collation,
    )


def _sources(sight: Sight, admitted: Admitted, asked: Asked, now: datetime) -> list[Source]:
    found = [_source(asked, admitted, now)]
    if sight.departed is not None:
        gone = of_departed(sight.departed, sight.access.prohibitions)
        found.append(_source(asked, admit(gone, admitted.period), now, departed=True))
    return found


def _as_admitted(asked: Asked, admitted: Admitted, now: datetime) -> Asked:
    """Show aggregates where instances may not be shown, and lay the range's edges on the grid of a resolution."""
    show = asked.show
    if admitted.period != show.period:
        show = replace(show, period=admitted.period)
        if show.form != "aggregatedValues":
            show = replace(show, form="aggregatedValues", methods=_FORCED)
    if admitted.access != admitted.plain:
        asked = replace(asked, range=replace(asked.range, last_n=None), last_periods=asked.range.last_n)
    if admitted.grid is None:
        return replace(asked, show=show)
    start, end = asked.range.start, asked.range.end
    if start is not None:
        start = times.of(admitted.grid.ceil(times.to_datetime(start)))
    last = admitted.grid.floor(now if end is None else min(now, times.to_datetime(end)))
    return replace(asked, show=show, range=replace(asked.range, start=start, end=times.of(last)))


def _source(asked: Asked, admitted: Admitted, now: datetime, *, departed: bool = False) -> Source:
    state = narrow(Query(asked.state), admitted.access).where
    return Source(Rules(admitted.access, now), Rules(admitted.plain, now), state, departed)


def _groups(found: Sequence[Found], sources: Sequence[Source]) -> list[tuple[tuple[Slice, ...], list[str]]]:
    """Gather the entities of which the same slices are shown."""
    groups: dict[tuple[Slice, ...], list[str]] = {}
    for one in found:
        rules = sources[0 if one.deleted_at is None else 1].rules
        groups.setdefault(rules.slices(one.flags), []).append(one.id)
    return list(groups.items())


def _page(asked: Asked, entities: int) -> int:
    return max(1, min(asked.page, _MOST_INSTANCES // max(1, entities)))


async def _read_instances(
    conn: Conn, evolutions: dict[str, Evolution], ids: Sequence[str], selection: Selection, asked: Asked
) -> None:
    most = _page(asked, len(evolutions)) + 1
    if asked.range.last_n is not None:
        most = min(most, asked.range.last_n)
    attrs = asked.attrs
    if not attrs.complement and asked.show.projection.keeps("scope"):
        attrs = replace(attrs, names=attrs.names | {SCOPE})
    rows: list[Past] = await store.instances(conn, ids, replace(selection, attrs=attrs), most)
    for past in rows:
        evolutions[past.entity].instances.setdefault(past.attr, []).append(past)


async def _read_aggregates(
    conn: Conn,
    evolutions: dict[str, Evolution],
    ids: Sequence[str],
    selection: Selection,
    asked: Asked,
    grid: Period | None,
) -> None:
    period, wanted = asked.show.period, asked.range
    if period is None:
        raise ValueError("aggregates need a period")
    begin = times.to_datetime(wanted.start) if wanted.start is not None else None
    finish = times.to_datetime(wanted.end) if wanted.end is not None and (wanted.relation != "after") else None
    if begin is not None and not (period.whole and finish is None) and grid is None and not period.months:
        ranges = dict.fromkeys(ids, (begin, finish or begin))
    else:
        chosen = await store_aggregates.bounds(conn, ids, selection)
        ranges = {one: (begin or first, finish or last) for one, (first, last) in chosen.items()}
    if grid is not None and not period.whole:
        ranges = {one: (period.floor(start), end) for one, (start, end) in ranges.items()}
    elif grid is not None:
        ranges = {one: (grid.floor(start), grid.ceil(end)) for one, (start, end) in ranges.items()}
    if not ranges:
        return
    rows = await store_aggregates.aggregates(conn, ranges, selection, period, asked.show.methods)
    for row in rows:
        evolutions[row.entity].aggregates.setdefault(row.attr, []).append(row)
    if asked.last_periods is not None:
        for one in ranges:
            for periods in evolutions[one].aggregates.values():
                del periods[: -asked.last_periods]


def _check_eligible(evolutions: Iterable[Evolution], asked: Asked) -> None:
    """Refuse methods none of which can be applied to an attribute that the request names (5.7.4.4)."""
    for one in evolutions:
        for attr, periods in one.aggregates.items():
            if attr in asked.named and not any(value is not None for row in periods for value in row.values):
                raise InvalidRequest(
                    f"aggrMethods: none of {', '.join(asked.show.methods)} applies to values of {attr} (4.5.19.1)"
                )
