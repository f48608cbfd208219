"""What a caller may see of histories: the paragraph 'Meaning' (broker.core.access) applied to instances and aggregates.

- Filters on the current state decide which grants match an entity, as everywhere.
- A grant shows the instances of its attributes that were observed within its window.
- A grant with a resolution, or for aggregates only, shows no instance: it counts for aggregates alone, and with a
  resolution only for periods whose edges lie on the resolution's grid. So no two questions differ by less than a cell.
  Where no grant shows instances, the answer is aggregated, at the finest period that a grant allows.
- Where such a grant counts, lastN chooses the last periods, not instances: else two answers would tell one instance.
- A grant that coarsens positions (`resolution_m`) shows no GeoProperty.
- A user's predicate looks at instances, so it sees those that the caller would be shown one by one, and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from broker.core import times
from broker.core.access import ALL, Access, AttrSet, Grant, Prohibition
from broker.core.narrow import entity_visible
from broker.core.periods import WHOLE, Period, parse_period
from broker.core.query import FALSE, TRUE, Node

__all__ = ["ALWAYS", "NEVER", "Admitted", "Rules", "Slice", "admit", "of_departed"]

ALWAYS: Final = -1
NEVER: Final = -2
"""Places of conditions that hold on every entity, or on none."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Instances that one grant shows: of these attributes, observed from `start` and before `end` (canonical)."""

    attrs: AttrSet
    start: str | None = None
    end: str | None = None
    geo: bool = True


@dataclass(frozen=True, slots=True)
class Admitted:
    """The grants that count for a request. `period` None: instances are shown; else aggregates of it.

    `grid`: the resolution that the edges of the range must lie on. `plain`: the grants that show instances.
    """

    access: Access
    plain: Access
    period: Period | None = None
    grid: Period | None = None


def admit(access: Access, period: Period | None) -> Admitted:
    """Choose the grants that count for instances (`period` None) or for aggregates of a period."""
    plain = replace(access, grants=tuple(one for one in access.grants if not _coarse(one)))
    if period is None:
        if plain.grants or not access.grants:
            return Admitted(plain, plain)
        period = min((_resolution(one) or WHOLE for one in access.grants), key=_length)
    elif (
        not plain.grants
        and access.grants
        and not any(period.holds(_resolution(one) or period) for one in access.grants)
    ):
        finest = min((found for one in access.grants if (found := _resolution(one)) is not None), key=_length)
        period = period.coarsened(finest)
    grids = sorted({found for one in access.grants if (found := _resolution(one)) and period.holds(found)}, key=_length)
    grid = grids[-1] if grids else None
    kept = []
    for one in access.grants:
        found = _resolution(one)
        if found is None or (grid is not None and period.holds(found) and grid.holds(found)):
            kept.append(one)
    return Admitted(replace(access, grants=tuple(kept)), plain, period, grid)


def _coarse(grant: Grant) -> bool:
    return grant.aggregate_only or grant.resolution_time is not None


def _resolution(grant: Grant) -> Period | None:
    if grant.resolution_time is None:
        return None
    found = parse_period(grant.resolution_time, "resolution")
    if found.whole:
        return None
    return Period(found.months + 1) if found.months and found.seconds else found


def _length(period: Period) -> float:
    """Order periods by length, the whole range last."""
    return float("inf") if period.whole else period.months * 2_629_746.0 + period.seconds


@lru_cache(maxsize=256)
def of_departed(manage: Access, prohibitions: tuple[Prohibition, ...]) -> Access:
    """Return who sees what of entities that are gone: those who may manage their types.

    The same for the same, so that what is made of it is kept. There is no state for filters to look at, so a grant
    with a filter shows nothing, and a prohibition always holds.
    """
    hidden = tuple(replace(one, filter=TRUE) for one in (*manage.prohibitions, *prohibitions))
    return Access(tuple(one for one in manage.grants if one.filter == TRUE), hidden)


class Rules:
    """The conditions that decide what of each entity is shown: one boolean per node of `nodes`, then `slices(bits)`.

    The ages of windows count back from `now`.
    """

    __slots__ = ("grants", "nodes", "prohibitions", "slices_of")

    def __init__(self, access: Access, now: datetime) -> None:
        conditions: dict[Node, int] = {}
        self.slices_of = [_slice(grant, now) for grant in access.grants]
        self.grants = [_place(entity_visible(Access((one,))), conditions) for one in access.grants]
        self.prohibitions = [
            (_place(entity_visible(Access((Grant("", 0, one.types, filter=one.filter),))), conditions), one.attrs)
            for one in access.prohibitions
        ]
        self.nodes = tuple(conditions)

    def moved(self, by: int) -> Rules:
        """Return the rules with their nodes' places counted from further on, where others stand before them."""
        found = Rules.__new__(Rules)
        found.nodes, found.slices_of = self.nodes, self.slices_of
        found.grants = [place if place < 0 else place + by for place in self.grants]
        found.prohibitions = [(place if place < 0 else place + by, attrs) for place, attrs in self.prohibitions]
        return found

    def slices(self, bits: Sequence[bool]) -> tuple[Slice, ...]:
        """Return what is shown of an entity for which the nodes are true or not."""
        hidden = [attrs for place, attrs in self.prohibitions if _holds(place, bits)]
        found: dict[Slice, None] = {}
        for place, shown in zip(self.grants, self.slices_of, strict=True):
            if _holds(place, bits):
                attrs = shown.attrs
                for one in hidden:
                    attrs = _minus(attrs, one)
                if attrs != AttrSet():
                    found[replace(shown, attrs=attrs)] = None
        return tuple(found)


def _place(node: Node, conditions: dict[Node, int]) -> int:
    if node == TRUE:
        return ALWAYS
    if node == FALSE:
        return NEVER
    return conditions.setdefault(node, len(conditions))


def _holds(place: int, bits: Sequence[bool]) -> bool:
    return place == ALWAYS or (place != NEVER and bits[place])


def _slice(grant: Grant, now: datetime) -> Slice:
    start, end = times.canonical(grant.window_from), times.canonical(grant.window_to)
    grid = _resolution(grant)
    if grant.window_max_age is not None:
        age = parse_period(grant.window_max_age, "max_age")
        oldest = Period(age.months, age.seconds).after(now.astimezone(UTC), -1)
        start = max(start or "", times.of(grid.ceil(oldest) if grid is not None else oldest))
    if grid is not None:
        end = min(end or "9999", times.of(grid.floor(now.astimezone(UTC))))
    return Slice(grant.attrs, start, end, grant.resolution_m is None)


def _minus(one: AttrSet, other: AttrSet) -> AttrSet:
    if other == ALL:
        return AttrSet()
    if one.complement and other.complement:
        return AttrSet(other.names - one.names)
    if one.complement:
        return AttrSet(one.names | other.names, True)
    return AttrSet(frozenset(name for name in one.names if name not in other))
