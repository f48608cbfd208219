"""What a caller may see, written from the paragraph "Meaning" of the decision contract alone; nothing else is read.

It imports no module of the product. Worlds are plain data in short names: an entity is normalized NGSI-LD, `type` and
`scope` always lists; conditions are tuples; an agreement has rules with `types`, `attrs`, `q`, `scope` and `box`.

The paragraph: attribute a of entity e is visible iff some grant g has type(e) in g.types, filter(g) true on the whole
entity, a in g.attrs, and no prohibition covers (e, a). e is visible iff some grant matches it and no prohibition
covers all of it. A user's predicate on a is evaluated as if a were absent wherever a is not visible for that entity.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "MEMBERS",
    "Agreement",
    "Caller",
    "Entity",
    "Rule",
    "Seen",
    "World",
    "attributes",
    "holds",
    "matches",
    "names",
    "rules",
    "see",
    "typed",
]

Entity = dict[str, Any]
Condition = tuple[Any, ...]
MEMBERS = ("id", "type", "scope")


@dataclass(frozen=True)
class Rule:
    """A permission or prohibition. `attrs` is None (all), ("only", names) or ("except", names).

    `hourly`: with a resolution in time of one hour. `window`: the first instant shown and the first that is not.
    """

    actions: tuple[str, ...]
    types: tuple[str, ...]
    attrs: tuple[str, tuple[str, ...]] | None = None
    q: Condition | None = None
    scope: str | None = None
    box: tuple[int, int, int, int] | None = None
    purpose: tuple[str, tuple[str, ...]] | None = None
    role: str | None = None
    aggregate_only: bool = False
    hourly: bool = False
    window: tuple[str, str] | None = None


@dataclass(frozen=True)
class Agreement:
    """What an assignee may do, while active and within its time; `time` is past, present or future."""

    uid: str
    domain: str
    assignee: str
    status: str
    time: str
    permissions: tuple[Rule, ...]
    prohibitions: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Caller:
    """Who asks; the public has the party "public" and no token."""

    party: str
    tier: str
    roles: tuple[str, ...]
    purpose: str | None


@dataclass(frozen=True, eq=False)
class World:
    """One store and the agreements over it. `broader` gives each purpose's broader ones.

    `histories`: by entity and attribute the instances in order of time, the last of them the current one.
    """

    number: int
    entities: dict[str, Entity]
    agreements: tuple[Agreement, ...]
    callers: tuple[Caller, ...]
    broader: dict[str, frozenset[str]] = field(default_factory=dict)
    histories: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)


def attributes(entity: Entity) -> Iterator[str]:
    """Name the attributes of an entity."""
    return (name for name in entity if name not in MEMBERS)


# ---- which rules count


def rules(world: World, caller: Caller, action: str) -> tuple[list[Rule], list[Rule]]:
    """Give the grants and the prohibitions that a caller's request meets."""
    concerned = {caller.party, f"tier:{caller.tier}", "tier:public"}
    grants: list[Rule] = []
    prohibitions: list[Rule] = []
    for agreement in world.agreements:
        if agreement.assignee in concerned and (agreement.status, agreement.time) == ("active", "present"):
            grants += [one for one in agreement.permissions if _counts(one, world, caller, action)]
            prohibitions += [one for one in agreement.prohibitions if _counts(one, world, caller, action)]
    return grants, prohibitions


def _counts(rule: Rule, world: World, caller: Caller, action: str) -> bool:
    coarse = rule.aggregate_only or rule.hourly
    if action not in rule.actions or (coarse and action not in ("temporal", "aggregate")):
        return False
    if rule.role is not None and rule.role not in caller.roles:
        return False
    if rule.purpose is None:
        return True
    operator, wanted = rule.purpose
    stated = caller.purpose or "Purpose"
    under = {stated} | world.broader.get(stated, frozenset())
    if operator == "eq":
        return stated == wanted[0]
    return under.isdisjoint(wanted) if operator == "isNoneOf" else not under.isdisjoint(wanted)


# ---- conditions


def holds(condition: Condition, entity: Entity, visible: Callable[[str], bool]) -> bool:
    """Evaluate a condition, each attribute as if absent where it is not visible."""
    kind = condition[0]
    if kind == "and":
        return all(holds(one, entity, visible) for one in condition[1])
    if kind == "or":
        return any(holds(one, entity, visible) for one in condition[1])
    path = condition[1]
    name = path.partition(".")[0].partition("[")[0]
    if name not in entity or not visible(name):
        return False
    elements = list(_elements(entity[name], path))
    if kind == "has":
        return bool(elements)
    return any(_meets(condition, element) for element in elements)


def _elements(attribute: Any, path: str) -> Iterator[Any]:
    """Give the values that a path leads to: `n`, the sub-attribute `n.accuracy`, the language `l[en]`."""
    for one in attribute if isinstance(attribute, list) else [attribute]:
        if "." in path:
            sub = path.partition(".")[2]
            if sub in one:
                yield one[sub]["value"] if isinstance(one[sub], dict) else one[sub]
        elif "[" in path:
            tag = path.partition("[")[2].rstrip("]")
            if tag in one.get("languageMap", {}):
                yield one["languageMap"][tag]
        else:
            yield one["value"] if "value" in one else one.get("object", one.get("languageMap"))


def _meets(condition: Condition, value: Any) -> bool:
    kind, operand = condition[0], condition[3]
    operator: str = condition[2]
    if kind == "match":
        found = isinstance(value, str) and re.search(operand, value) is not None
        return isinstance(value, str) and found == (operator == "~=")
    if kind == "list":
        return (operator == "==") == any(_equal(value, one) for one in operand)
    if kind == "range":
        inside = _comparable(value, operand[0]) and operand[0] <= value <= operand[1]
        return (operator == "==") == inside
    if operator in ("==", "!="):
        return (operator == "==") == _equal(value, operand)
    if not _comparable(value, operand):
        return False
    order = {">": value > operand, ">=": value >= operand, "<": value < operand, "<=": value <= operand}
    return bool(order[operator])


def _equal(value: Any, literal: Any) -> bool:
    return _comparable(value, literal) and bool(value == literal)


def _comparable(value: Any, literal: Any) -> bool:
    if isinstance(value, bool) or isinstance(literal, bool):
        return isinstance(value, bool) and isinstance(literal, bool)
    return isinstance(value, int | float) == isinstance(literal, int | float) and not isinstance(value, dict | list)


def inside(entity: Entity, name: str, box: tuple[int, int, int, int], visible: Callable[[str], bool]) -> bool:
    """Say whether any of the points that an attribute of the entity has lies in a box (west, south, east, north)."""
    if name not in entity or not visible(name):
        return False
    value = entity[name]
    points = [one["value"]["coordinates"] for one in (value if isinstance(value, list) else [value])]
    return any(box[0] < lon < box[2] and box[1] < lat < box[3] for lon, lat in points)


def scoped(entity: Entity, pattern: str) -> bool:
    """Say whether a scope of the entity fits `/a/b`, `/a/+` (one level) or `/a/#` (this and below)."""
    wanted = pattern.strip("/").split("/")
    return any(_fits(scope.strip("/").split("/"), wanted) for scope in entity.get("scope", ()))


def typed(entity: Entity, expression: str) -> bool:
    """Read `A`, `A,B` (any), `(A;B)` (all) or `*`."""
    if expression == "*":
        return True
    if expression.startswith("("):
        return all(one in entity["type"] for one in expression[1:-1].split(";"))
    return any(one in entity["type"] for one in expression.split(","))


def _fits(levels: list[str], wanted: list[str]) -> bool:
    if wanted[-1] == "#":
        return len(levels) >= len(wanted) - 1 and _fits(levels[: len(wanted) - 1], wanted[:-1] or levels[:0])
    if len(levels) != len(wanted):
        return False
    return all(want in ("+", level) for level, want in zip(levels, wanted, strict=True))


# ---- the paragraph


def _always(_: str) -> bool:
    return True


def matches(rule: Rule, entity: Entity) -> bool:
    """Say whether type(e) is in rule.types and filter(rule) true on the *whole* entity."""
    return (
        not set(rule.types).isdisjoint(entity["type"])
        and (rule.q is None or holds(rule.q, entity, _always))
        and (rule.scope is None or scoped(entity, rule.scope))
        and (rule.box is None or inside(entity, "location", rule.box, _always))
    )


def names(rule: Rule, attribute: str) -> bool:
    """Say whether a rule is about an attribute."""
    if rule.attrs is None:
        return True
    return (attribute in rule.attrs[1]) == (rule.attrs[0] == "only")


@dataclass(frozen=True)
class Seen:
    """One entity as one caller sees it: `shown` are the attributes that are visible."""

    entity: Entity
    shown: frozenset[str]

    def visible(self, attribute: str) -> bool:
        """Say whether the caller sees the attribute here."""
        return attribute in self.shown


def see(entity: Entity, grants: list[Rule], prohibitions: list[Rule]) -> Seen | None:
    """Give what the caller sees of an entity; None where it is hidden."""
    granting = [one for one in grants if matches(one, entity)]
    hiding = [one for one in prohibitions if matches(one, entity)]
    if not granting or any(one.attrs is None for one in hiding):
        return None
    shown = {
        name
        for name in attributes(entity)
        if any(names(one, name) for one in granting) and not any(names(one, name) for one in hiding)
    }
    return Seen(entity, frozenset(shown))
