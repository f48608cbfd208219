"""Linked entity retrieval: the entities that Relationships lead to (CIM 009 V1.9.1, 4.5.23), as the caller sees them.

Links are followed from what the caller is shown: a Relationship that is hidden or not projected leads nowhere, and a
linked entity is what retrieving it by id would give, nothing if that were nothing. Each level is one statement. How
many entities may be asked for is bounded by the number of targets, found or not, so that the bound tells nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from broker.core import segments
from broker.core.access import Access
from broker.core.entity import dataset_of, instances, targets
from broker.core.errors import TooManyResults
from broker.core.project import Projection
from broker.ops.entities import seen
from broker.ops.view import Joined, View
from broker.store.pages import rows_by_id
from broker.store.pool import Pool

__all__ = ["Join", "Reached", "follow", "leads"]


@dataclass(frozen=True, slots=True)
class Join:
    """How to join: the form, how many links deep, entities met before, and the most entities to join."""

    form: Literal["inline", "flat"]
    level: int
    contained: frozenset[str]
    most: int


@dataclass(slots=True)
class Reached:
    """A linked entity that the caller sees, and the projections under which it was reached."""

    view: View
    projections: list[Projection]


def leads(view: View, projection: Projection) -> list[tuple[str, list[str]]]:
    """Return the Relationships that are shown of an entity and the ids that they lead to."""
    found = []
    for name, text in zip(view.names, view.segs, strict=True):
        if "Relationship" not in text or not view.mask.shows(name) or not projection.keeps(name):
            continue
        shown = [
            one
            for one in instances(segments.parse(text))
            if projection.datasets is None or dataset_of(one) in projection.datasets
        ]
        if ids := list(targets([one for one in shown if one["type"] in ("Relationship", "ListRelationship")])):
            found.append((name, ids))
    return found


async def follow(
    pool: Pool, schema: str, access: Access, roots: Sequence[View | Joined], projection: Projection, join: Join
) -> dict[str, Reached]:
    """Find the entities that the roots lead to, in the order in which they are met; TooManyResults beyond the bound."""
    found: dict[str, Reached] = {}
    known: dict[str, View | None] = {}
    frontier = [(one.view() if isinstance(one, Joined) else one, projection) for one in roots]
    past = join.contained if join.form == "inline" else join.contained | {one.id for one in roots}
    for _ in range(join.level):
        wanted = [
            (target, one.of(name))
            for view, one in frontier
            for name, ids in leads(view, one)
            for target in ids
            if target not in past
        ]
        unknown = list(dict.fromkeys(target for target, _ in wanted if target not in known))
        if len(known) + len(unknown) > join.most:
            raise TooManyResults(
                f"join: the links lead to more than {join.most} entities; lower limit or joinLevel, or pick fewer "
                "Relationships"
            )
        if unknown:
            async with pool.lend(schema) as conn:
                rows = {row[0]: row for row in await rows_by_id(conn, unknown)}
            known.update((one, seen(access, rows[one]) if one in rows else None) for one in unknown)
        frontier = []
        for target, one in wanted:
            view = known[target]
            if view is None:
                continue
            reached = found.setdefault(target, Reached(view, []))
            if one not in reached.projections:
                reached.projections.append(one)
                frontier.append((view, one))
        if not frontier:
            break
    return found
