"""Subscriptions: what they watch, and whether a change fires one (CIM 009 V1.9.1, 5.2.12, 5.8.6).

A change links two states: the entity before it and after it. Both are derived from the row as it stands now and from
the changes in hand, forwards or backwards (`redo`, `undo`), so that each notification shows the entity exactly as its
change left it, also when later changes are stored already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from broker.core.change import AttrChange, ChangeEvent, Members
from broker.core.entity import Doc, dataset_of, instances
from broker.core.match import matches
from broker.core.project import EVERYTHING, LanguageRange, Projection
from broker.core.query import TRUE, And, IdIn, IdPattern, Node, Or, TypeIs

__all__ = [
    "DEFAULT_TRIGGERS",
    "SHORTEST_S",
    "TRIGGERS",
    "Endpoint",
    "Format",
    "Index",
    "Selector",
    "Subscriber",
    "Subscription",
    "Trigger",
    "fires",
    "redo",
    "undo",
]

Trigger: TypeAlias = Literal[
    "entityCreated", "entityUpdated", "entityDeleted", "attributeCreated", "attributeUpdated", "attributeDeleted"
]
Format: TypeAlias = Literal["normalized", "concise", "simplified"]
TRIGGERS: Final[tuple[Trigger, ...]] = (
    "entityCreated",
    "entityUpdated",
    "entityDeleted",
    "attributeCreated",
    "attributeUpdated",
    "attributeDeleted",
)
DEFAULT_TRIGGERS: Final[frozenset[Trigger]] = frozenset({"attributeCreated", "attributeUpdated"})
SHORTEST_S: Final = 1.0
"""A shorter `timeInterval` is heeded as this one."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One EntitySelector (5.2.33): a type selection (4.17; TRUE for `*`), and ids, which outrank the id pattern."""

    types: Node
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None

    @property
    def node(self) -> Node:
        """The condition on an entity."""
        if self.ids:
            return And((self.types, IdIn(self.ids)))
        return self.types if self.id_pattern is None else And((self.types, IdPattern(self.id_pattern)))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where notifications go. `headers` come from receiverInfo."""

    uri: str
    accept: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    timeout_s: float | None = None
    cooldown_s: float | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribed and for which purpose: every notification is decided for them anew."""

    party: str
    sub: str
    tier: str
    roles: tuple[str, ...]
    purpose: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription in expanded form. No selector: any entity. `watched` None: any attribute. Times are canonical.

    `interval_s`: it is told periodically what matches, and not of changes (5.8.6). `throttling_s`: the least pause
    between notifications, which then tell of everything that has changed meanwhile.
    """

    id: str
    tenant: str
    selectors: tuple[Selector, ...]
    watched: frozenset[str] | None
    where: Node
    format: Format
    sys_attrs: bool
    endpoint: Endpoint
    context: str
    subscriber: Subscriber
    created_at: str
    expires_at: str | None = None
    active: bool = True
    triggers: frozenset[Trigger] = field(default=DEFAULT_TRIGGERS)
    interval_s: float | None = None
    throttling_s: float | None = None
    projection: Projection = EVERYTHING
    languages: tuple[LanguageRange, ...] = ()
    show_changes: bool = False

    @property
    def condition(self) -> Node:
        """The condition on an entity: its selectors, q, geoQ and scopeQ."""
        chosen = tuple(selector.node for selector in self.selectors)
        if not chosen:
            return self.where
        return And((chosen[0] if len(chosen) == 1 else Or(chosen), self.where))

    def status(self, now: str) -> Literal["active", "paused", "expired"]:
        """Return the status at an instant (5.2.12, output only)."""
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "active" if self.active else "paused"


class Index:
    """The subscriptions of one tenant; those that changes fire are found by entity type and watched attribute."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self.by_id = {one.id: one for one in subscriptions}
        self._keyed: dict[tuple[str, str], list[Subscription]] = {}
        for one in self.by_id.values():
            if one.interval_s is not None:
                continue
            for type_ in _types(one):
                for attr in one.watched or ("",):
                    self._keyed.setdefault((type_, attr), []).append(one)

    def candidates(self, event: ChangeEvent) -> list[Subscription]:
        """Return, by id, the subscriptions that may watch what has changed; `fires` decides."""
        if not self._keyed:
            return []
        found: dict[str, Subscription] = {}
        attrs = {"", *(change.name for change in event.attrs)}
        for type_ in {"", *event.types}:
            for attr in attrs:
                for one in self._keyed.get((type_, attr), ()):
                    found[one.id] = one
        return [found[key] for key in sorted(found)]


def fires(one: Subscription, event: ChangeEvent, after: Doc) -> bool:
    """Say whether the change triggers the subscription and the entity meets its conditions afterwards.

    `after`: of a deleted entity, as it was before.
    """
    if not any(t in one.triggers for t in _triggers(one, event)):
        return False
    if one.selectors and not any(matches(selector.node, after) for selector in one.selectors):
        return False
    return one.where == TRUE or matches(one.where, after)


def undo(after: Doc | None, event: ChangeEvent) -> Doc | None:
    """Return the entity as it was before the change, from the entity after it. None: it does not exist."""
    if event.op == "created":
        return None
    base: Doc = {"id": event.entity, "type": list(event.types)} if after is None else after
    found = _with(base, event.attrs, backwards=True)
    return found if event.members is None else _as(found, event.members.was)


def redo(before: Doc | None, event: ChangeEvent) -> Doc | None:
    """Return the entity as the change left it, from the entity before it."""
    if event.op == "deleted":
        return None
    base: Doc = {"id": event.entity} if before is None else before
    found = _with(base | {"type": list(event.types)}, event.attrs, backwards=False)
    return found if event.members is None else _as(found, event.members.now)


def _as(doc: Doc, members: Members | None) -> Doc:
    """Return the entity with the types and scopes of one of its states."""
    if members is None:
        return doc
    found = doc | {"type": list(members.type)}
    found.pop("scope", None)
    return found if members.scope is None else found | {"scope": list(members.scope)}


def _with(doc: Doc, changes: Sequence[AttrChange], *, backwards: bool) -> Doc:
    doc = dict(doc)
    for change in changes:
        instance = change.was if backwards else change.now
        current = doc.get(change.name)
        kept = [one for one in instances(current) if dataset_of(one) != change.datasetId] if current else []
        if instance is not None:
            kept.append(instance)
        if not kept:
            doc.pop(change.name, None)
        elif len(kept) == 1:
            doc[change.name] = kept[0]
        else:
            doc[change.name] = sorted(kept, key=dataset_of)
    return doc


def _triggers(one: Subscription, event: ChangeEvent) -> set[Trigger]:
    seen: set[Trigger] = set()
    if event.op == "created":
        seen.add("entityCreated")
    elif event.op == "deleted":
        seen.add("entityDeleted")
    for change in event.attrs:
        if one.watched is not None and change.name not in one.watched:
            continue
        if event.op == "updated":
            seen.add("entityUpdated")
        if change.now is None:
            seen.add("attributeDeleted")
        else:
            seen.add("attributeCreated" if change.was is None else "attributeUpdated")
    return seen


def _types(one: Subscription) -> set[str]:
    """Return the types under which to look for the subscription; "" for any."""
    if not one.selectors:
        return {""}
    found: set[str] = set()
    for selector in one.selectors:
        found |= _named(selector.types) or {""}
    return found


def _named(node: Node) -> set[str]:
    match node:
        case TypeIs(type=name):
            return {name}
        case And(items=items) | Or(items=items):
            return {name for item in items for name in _named(item)}
        case _:
            raise TypeError(f"not a type selection: {node!r}")
