"""What a write must come to, for its answer, for the store and for whoever has subscribed: the same paragraph.

It speaks of what is visible; of writes it follows that a writer may make of an entity only what it sees:

- Before and after the write the entity is visible under the write's action, as is every attribute that it names, by
  name: whether the entity has it is not told. Every type of the entity is one that a grant is for.
- An entity that the writer does not see is missing. Where one is to be made, its id is refused as any that no grant
  covers, so that nobody learns that it is taken.
- Only who sees an entity whole may delete it. A replacement leaves what the replacer does not see.
- A subscriber is told of a change iff it sees the entity before and after, and a changed attribute that it watches; its
  `q` and what it is told are about what it sees afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.oracle.law import MEMBERS, Caller, Entity, Rule, World, attributes, holds, matches, names, rules, see, typed
from tests.oracle.request import DENIED

__all__ = [
    "BATCHES",
    "KINDS",
    "Change",
    "Item",
    "Step",
    "Subscription",
    "come_to",
    "covers",
    "plain",
    "shows",
    "told",
    "whole",
]

KINDS = ("create", "append", "update", "partial", "put", "merge", "replace", "drop", "delete")
BATCHES = ("create", "upsert", "upsert?options=update", "update", "merge", "delete")
_MAKING = ("create", "upsert", "upsert?options=update")
_REPLACING = ("replace", "upsert")


@dataclass(frozen=True)
class Item:
    """One entity of a write: what is written of it, as Properties with these values."""

    entity: str
    types: tuple[str, ...]
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Change:
    """A write by one caller, of one entity or as a batch of several."""

    kind: str
    caller: Caller
    items: tuple[Item, ...]
    batch: bool = False


@dataclass(frozen=True)
class Step:
    """What happened to one entity: its states before and after, and what changed."""

    entity: str
    before: Entity | None
    after: Entity | None
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Subscription:
    """What a caller wants to be told of; `watched` and `shown` empty: all attributes."""

    name: str
    caller: Caller
    selectors: tuple[tuple[str, str | None], ...]
    q: tuple[Any, ...] | None = None
    watched: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def come_to(
    world: World, state: Mapping[str, Entity], change: Change, *, everything: bool = False
) -> tuple[Any, list[Step]]:
    """Give the answer of a write, and what happened; with `everything`, for a writer without any limits.

    The answer is a verdict, of a batch the entities that were written and the verdicts on the others.
    """
    if everything:
        grants, prohibitions = [Rule(("publish",), tuple("ABCD"))], list[Rule]()
    else:
        grants, prohibitions = rules(world, change.caller, "delete" if change.kind == "delete" else "publish")
    if not grants:
        return DENIED, []
    found = {
        one.entity: _come_to(change.kind, one, state.get(one.entity), grants, prohibitions) for one in change.items
    }
    steps = [step for _, step in found.values() if step is not None]
    if not change.batch:
        return next(iter(found.values()))[0], steps
    done = [name for name, (verdict, _) in found.items() if verdict == ("done",)]
    return (sorted(done), sorted((name, verdict) for name, (verdict, _) in found.items() if name not in done)), steps


def _come_to(
    kind: str, item: Item, before: Entity | None, grants: list[Rule], prohibitions: list[Rule]
) -> tuple[tuple[str, ...], Step | None]:
    written = [name for name, _ in item.values]
    if before is None and kind not in _MAKING:
        return ("missing",), None
    if before is not None:
        if see(before, grants, prohibitions) is None:
            return ("denied",) if kind in _MAKING else ("missing",), None
        all_of_it = whole(before, grants, prohibitions)
        if (kind == "delete" and not all_of_it) or not covers(before, written, grants, prohibitions):
            return ("denied",), None
        if kind == "create":
            return ("conflict",), None
        if kind in ("partial", "put", "drop") and written[0] not in before:
            return ("missing",), None
    after = _after(kind, item, before, grants, prohibitions)
    if after is not None and (
        see(after, grants, prohibitions) is None or not covers(after, written, grants, prohibitions)
    ):
        return ("denied",), None
    lost = [name for name in attributes(before or {}) if name not in (after or {})]
    return ("done",), Step(item.entity, before, after, (*written, *(name for name in lost if name not in written)))


def covers(entity: Entity, written: Sequence[str], grants: list[Rule], prohibitions: list[Rule]) -> bool:
    """Say whether an entity is visible, each of its types has a grant, and what is written is visible by name."""
    if see(entity, grants, prohibitions) is None:
        return False
    known = {kind for one in grants for kind in one.types}
    return known.issuperset(entity["type"]) and all(shows(entity, name, grants, prohibitions) for name in written)


def shows(entity: Entity, name: str, grants: list[Rule], prohibitions: list[Rule]) -> bool:
    """Say whether an attribute of that name is visible in an entity, whether or not it has one."""
    granted = any(matches(one, entity) and names(one, name) for one in grants)
    return granted and not any(matches(one, entity) and names(one, name) for one in prohibitions)


def whole(entity: Entity, grants: list[Rule], prohibitions: list[Rule]) -> bool:
    granted = any(matches(one, entity) and one.attrs is None for one in grants)
    return granted and not any(matches(one, entity) for one in prohibitions)


def _after(kind: str, item: Item, before: Entity | None, grants: list[Rule], prohibitions: list[Rule]) -> Entity | None:
    if kind == "delete":
        return None
    fresh = {name: {"type": "Property", "value": value} for name, value in item.values}
    if before is None:
        return {"id": item.entity, "type": list(item.types), **fresh}
    if kind == "drop":
        return {name: value for name, value in before.items() if name != item.values[0][0]}
    if kind in _REPLACING:
        hidden = [name for name in attributes(before) if not shows(before, name, grants, prohibitions)]
        return {"id": item.entity, "type": before["type"], **{name: before[name] for name in hidden}, **fresh}
    if kind in ("merge", "partial"):
        return before | {name: before.get(name, {}) | value for name, value in fresh.items()}
    return before | fresh


def plain(entity: Entity | None) -> Any:
    """Write an entity in a form to compare: times apart, which requests set to when they came."""
    if entity is None:
        return None
    shown = {name: value for name, value in entity.items() if name not in MEMBERS}
    for name, value in shown.items():
        if isinstance(value, dict):
            shown[name] = {member: one for member, one in value.items() if member != "observedAt"}
    return {"id": entity["id"], "type": sorted(entity["type"]), "scope": sorted(entity.get("scope", ())), **shown}


# ---- who is told


def told(world: World, wanted: Subscription, steps: Sequence[Step]) -> Any:
    """Give what a subscriber must be told: by entity, in order, what it sees; None where it may not subscribe."""
    grants, prohibitions = rules(world, wanted.caller, "subscribe")
    if not grants:
        return None
    found: dict[str, list[Any]] = {}
    for step in steps:
        shown = _told(wanted, step, grants, prohibitions)
        if shown is not None:
            found.setdefault(shown["id"], []).append(shown)
    return found


def _told(wanted: Subscription, step: Step, grants: list[Rule], prohibitions: list[Rule]) -> Any:
    after = step.after
    states = [one for one in (step.before, after) if one is not None]
    if after is None or any(see(one, grants, prohibitions) is None for one in states):
        return None

    def visible(name: str) -> bool:
        return shows(after, name, grants, prohibitions)

    changed = [
        name for name in step.changed if name in after and all(shows(one, name, grants, prohibitions) for one in states)
    ]
    if not any(not wanted.watched or name in wanted.watched for name in changed):
        return None
    if not any(
        typed(after, kind) and (pattern is None or re.search(pattern, after["id"]))
        for kind, pattern in wanted.selectors
    ):
        return None
    if wanted.q is not None and not holds(wanted.q, after, visible):
        return None
    return plain(
        {
            name: value
            for name, value in after.items()
            if name in MEMBERS or (visible(name) and (not wanted.shown or name in wanted.shown))
        }
    )
