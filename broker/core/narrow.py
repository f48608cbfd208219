"""Narrowing of a query to what a caller may see, and masks of what a found entity shows.

The law is that of `broker.core.access`. How it is applied:

- A grant *matches* an entity if one of the entity's types is among the grant's types (an entity of two types is matched
  by a grant for either) and the filter holds on the whole entity, hidden attributes included.
- A user's predicate on attribute a becomes `predicate AND visible(a)`, so where a is hidden the entity answers as if it
  had no a; a negation around it stays outside. Everything else (types, id, scopes) is visible with the entity.
- A condition on a linked entity is about that entity as the caller would see it alone: it must be visible, and each
  predicate on it is gated as one on the entity itself.
- An ordering by a is by a where it is visible, and as if absent elsewhere.
- A prohibition hides a whole entity if it matches and is for all attributes (`ALL`); one that lists attributes hides
  these, even if they are all that the entity has: then it shows its id, types and scopes.
- All types of a visible entity are shown, also those that no grant names.
- An entity's own modifiedAt tells when hidden attributes change: it is visible only where none can be hidden. Its
  createdAt is visible with the entity; an instance's system times are visible with the attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from broker.core.access import ALL, Access, AttrSet, Grant, Prohibition
from broker.core.entity import Doc
from broker.core.kept import Kept
from broker.core.match import Meta, Predicate, predicate
from broker.core.query import (
    FALSE,
    TRUE,
    And,
    AnyAttr,
    Compare,
    Exists,
    GeoRel,
    Linked,
    Matches,
    Node,
    Not,
    Or,
    Order,
    Path,
    Query,
    TypeIs,
)
from broker.core.terms import CREATED_AT, MODIFIED_AT

__all__ = [
    "AttrMask",
    "RowFilters",
    "attr_visible",
    "entity_visible",
    "mask",
    "narrow",
    "row_filters",
    "types_only",
]

_NONE: Final = AttrSet()
_KEPT: Final = 1024


# ---- sets of attributes


def _union(one: AttrSet, other: AttrSet) -> AttrSet:
    if one.complement and other.complement:
        return AttrSet(one.names & other.names, True)
    if one.complement:
        return AttrSet(one.names - other.names, True)
    if other.complement:
        return AttrSet(other.names - one.names, True)
    return AttrSet(one.names | other.names)


def _minus(one: AttrSet, other: AttrSet) -> AttrSet:
    if one.complement and other.complement:
        return AttrSet(other.names - one.names)
    if one.complement:
        return AttrSet(one.names | other.names, True)
    return AttrSet(frozenset(name for name in one.names if name not in other))


# ---- conditions


def _all_of(items: Iterable[Node]) -> Node:
    kept: dict[Node, None] = {}
    for item in items:
        kept.update(dict.fromkeys(item.items if isinstance(item, And) else (item,)))
    if FALSE in kept:
        return FALSE
    for item in [one for one in kept if isinstance(one, Or) and any(_holds(item, kept) for item in one.items)]:
        del kept[item]
    return next(iter(kept)) if len(kept) == 1 else And(tuple(kept))


def _holds(node: Node, known: Collection[Node]) -> bool:
    """Say whether a condition follows from conditions that are known to hold."""
    if node in known or node == TRUE:
        return True
    if isinstance(node, And):
        return all(_holds(item, known) for item in node.items)
    return isinstance(node, Or) and any(_holds(item, known) for item in node.items)


def _any_of(items: Iterable[Node]) -> Node:
    kept = list(dict.fromkeys(item for item in items if item != FALSE))
    if TRUE in kept:
        return TRUE
    return kept[0] if len(kept) == 1 else Or(tuple(kept))


def _not(item: Node) -> Node:
    if item == TRUE:
        return FALSE
    return TRUE if item == FALSE else Not(item)


def _applies(rule: Grant | Prohibition, known: frozenset[str] = frozenset()) -> Node:
    """The condition under which a grant or prohibition matches an entity that has the known types."""
    if rule.types is None or not rule.types.isdisjoint(known):
        return rule.filter
    return _all_of((_any_of(TypeIs(one) for one in sorted(rule.types)), rule.filter))


def _shows(grant: Grant, attr: str) -> bool:
    if attr == CREATED_AT:
        return True
    return grant.attrs == ALL if attr == MODIFIED_AT else attr in grant.attrs


def _hides(prohibition: Prohibition, attr: str) -> bool:
    if attr == CREATED_AT:
        return prohibition.attrs == ALL
    return prohibition.attrs != _NONE if attr == MODIFIED_AT else attr in prohibition.attrs


def entity_visible(access: Access, known: frozenset[str] = frozenset()) -> Node:
    """Return the condition under which an entity, which has the known types, is visible."""
    granted = _any_of(_applies(grant, known) for grant in _nearest(access.grants, known))
    hidden = _any_of(_applies(one, known) for one in access.prohibitions if one.attrs == ALL)
    return _all_of((granted, _not(hidden)))


def _nearest(grants: Iterable[Grant], known: frozenset[str]) -> list[Grant]:
    """Put first those of the known types: what is true of most rows is asked of each before the rest."""
    return sorted(grants, key=lambda grant: grant.types is not None and grant.types.isdisjoint(known))


def attr_visible(attr: str, access: Access, known: frozenset[str] = frozenset()) -> Node:
    """Return the condition under which an attribute of a *visible* entity is visible; for ordering and the like."""
    granting = [grant for grant in access.grants if _shows(grant, attr)]
    all_grant = len(granting) == len(access.grants)
    granted = TRUE if all_grant else _any_of(_applies(grant, known) for grant in granting)
    hiding = [one for one in access.prohibitions if one.attrs != ALL and _hides(one, attr)]
    return _all_of((granted, _not(_any_of(_applies(one, known) for one in hiding))))


def narrow(query: Query, access: Access) -> Query:
    """Return the query that finds what `query` finds among what the caller may see."""
    known = _known_types(query.where)
    visible = _cached(lambda attr: attr_visible(attr, access, known))
    gated = _gate(query.where, visible, access)
    where = _all_of((gated, entity_visible(access, known | _known_types(gated))))
    return replace(query, where=where, order=tuple(_gate_order(one, visible) for one in query.order))


def _gate_order(order: Order, visible: Callable[[str], Node]) -> Order:
    return replace(order, visible=visible(order.by.attr)) if isinstance(order.by, Path) else order


def _known_types(node: Node) -> frozenset[str]:
    """Types that every entity has which meets the condition, as far as it says so at its top."""
    if isinstance(node, TypeIs):
        return frozenset({node.type})
    items = node.items if isinstance(node, And) else ()
    return frozenset().union(*map(_known_types, items)) if items else frozenset()


def _cached(made: Callable[[str], Node]) -> Callable[[str], Node]:
    known: dict[str, Node] = {}

    def find(attr: str) -> Node:
        if attr not in known:
            known[attr] = made(attr)
        return known[attr]

    return find


def _gate(node: Node, visible: Callable[[str], Node], access: Access) -> Node:
    match node:
        case And(items):
            return _all_of(_gate(item, visible, access) for item in items)
        case Or(items):
            return _any_of(_gate(item, visible, access) for item in items)
        case Not(item):
            return _not(_gate(item, visible, access))
        case Linked(attr, types, item):
            known = frozenset(types) if len(types) == 1 else frozenset()
            inner = _gate(item, _cached(lambda name: attr_visible(name, access, known)), access)
            shown = _all_of((inner, entity_visible(access, known)))
            return _all_of((Linked(attr, types, shown), visible(attr)))
        case Exists(path) | Compare(path) | Matches(path):
            return _all_of((node, visible(path.attr)))
        case GeoRel(attr):
            return _all_of((node, visible(attr)))
        case AnyAttr(attrs):
            groups: dict[Node, list[str]] = {}
            for attr in attrs:
                groups.setdefault(visible(attr), []).append(attr)
            return _any_of(_all_of((AnyAttr(tuple(group)), gate)) for gate, group in groups.items())
    return node


# ---- masks


@dataclass(frozen=True, slots=True)
class AttrMask:
    """Which attributes of one visible entity its reader sees; `all` when nothing can be hidden from it."""

    attrs: AttrSet
    all: bool

    def shows(self, attr: str) -> bool:
        """Say whether the attribute is visible; also for the entity's own createdAt and modifiedAt."""
        return self.all or attr == CREATED_AT or (attr != MODIFIED_AT and attr in self.attrs)


def _mask(grants: Sequence[Grant], prohibitions: Sequence[Prohibition]) -> AttrMask | None:
    """The mask of an entity that exactly these match."""
    if not grants or any(one.attrs == ALL for one in prohibitions):
        return None
    shown = _NONE
    for grant in grants:
        shown = _union(shown, grant.attrs)
    for prohibition in prohibitions:
        shown = _minus(shown, prohibition.attrs)
    whole = any(_shows(grant, MODIFIED_AT) for grant in grants)
    return AttrMask(shown, whole and not any(_hides(one, MODIFIED_AT) for one in prohibitions))


def types_only(node: Node) -> bool:
    """Say whether a condition looks at nothing but types."""
    if isinstance(node, TypeIs):
        return True
    if isinstance(node, And | Or):
        return all(types_only(item) for item in node.items)
    return isinstance(node, Not) and types_only(node.item)


def _asked(condition: Node, known: Collection[Node]) -> Node:
    """Return what to ask of a row that meets the known conditions, to learn whether it meets this one: the least dear.

    One of them may say "this, or of these types": then a row of other types need not be looked into.
    """
    if _holds(condition, known):
        return TRUE
    if types_only(condition):
        return condition
    for one in known:
        if isinstance(one, Or) and condition in one.items:
            others = [item for item in one.items if item != condition]
            if all(types_only(item) for item in others):
                return Or((Not(_any_of(others)), condition))
    return condition


class RowFilters:
    """The conditions that decide the masks of rows: one boolean per node, in order, then `mask(bits)`.

    No nodes: every row has the mask `mask(())`. Equal masks of an access are one object.
    """

    __slots__ = ("_access", "_known", "_masks", "_of", "_rules", "nodes")

    def __init__(self, access: Access) -> None:
        self._access = access
        self._rules: list[Grant | Prohibition] = [*access.grants, *access.prohibitions]
        self._masks: dict[tuple[bool, ...], AttrMask | None] = {}
        self._ask(())

    def _ask(self, known: Collection[Node]) -> None:
        """Work out what is to be asked where these conditions are known to hold."""
        types = frozenset[str]().union(*map(_known_types, known))
        conditions = [_asked(_applies(rule, types), known) for rule in self._rules]
        self.nodes: tuple[Node, ...] = tuple(dict.fromkeys(one for one in conditions if one not in (TRUE, FALSE)))
        places = {node: index for index, node in enumerate(self.nodes)}
        self._of: list[int | bool] = [places.get(condition, condition == TRUE) for condition in conditions]
        self._known: dict[tuple[bool, ...], AttrMask | None] = {}

    def among(self, where: Node) -> RowFilters:
        """Return what decides the masks of rows that all meet a condition: what it says need not be asked again."""
        if not self.nodes:
            return self
        found = RowFilters.__new__(RowFilters)
        found._access, found._rules, found._masks = self._access, self._rules, self._masks
        found._ask(where.items if isinstance(where, And) else (where,))
        return found

    def mask(self, bits: Sequence[bool]) -> AttrMask | None:
        """Return the mask of a row from the truth of `nodes` on it; None if the entity is hidden. Kept by bits."""
        key = tuple(bits)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._decide(key)
        return self._known[key]

    def _decide(self, bits: tuple[bool, ...]) -> AttrMask | None:
        holds = tuple(place if isinstance(place, bool) else bits[place] for place in self._of)
        if holds not in self._masks:
            if len(self._masks) >= _KEPT:
                self._masks.clear()
            grants = len(self._access.grants)
            self._masks[holds] = _mask(
                [one for one, yes in zip(self._access.grants, holds[:grants], strict=True) if yes],
                [one for one, yes in zip(self._access.prohibitions, holds[grants:], strict=True) if yes],
            )
        return self._masks[holds]


def _prepare(access: Access) -> tuple[RowFilters, tuple[Predicate, ...]]:
    filters = RowFilters(access)
    return filters, tuple(map(predicate, filters.nodes))


_prepared: Final = Kept(_prepare, _KEPT)
"""The same decision meets many entities."""


def mask(doc: Doc, access: Access, meta: Meta | None = None) -> AttrMask | None:
    """Return what the caller sees of one whole entity; None if it is hidden."""
    filters, predicates = _prepared(access)
    return filters.mask([holds(doc, meta) for holds in predicates])


def row_filters(access: Access) -> RowFilters:
    """Return the conditions that decide what a caller sees of each row, of a page or read by id."""
    return _prepared(access)[0]
