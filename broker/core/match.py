"""The query AST on one entity, in memory: the same answers as `broker.store.compile` gives in SQL.

A node is turned once into a chain of functions (`predicate`), which is kept; hold on to it where the same condition
meets many entities. How a term compares is in `broker.core.terms`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias

import orjson
from shapely.geometry.base import BaseGeometry

from broker.core import geo
from broker.core.entity import ENTITY_MEMBERS, Doc, targets
from broker.core.kept import Kept
from broker.core.pattern import pattern
from broker.core.query import (
    And,
    AnyAttr,
    Compare,
    DateTimeLiteral,
    Exists,
    GeoRel,
    IdIn,
    IdPattern,
    Linked,
    ListOf,
    Literal_,
    Matches,
    Node,
    Not,
    Operand,
    Or,
    Path,
    Range,
    ScopeIs,
    TypeIs,
)
from broker.core.scopes import scope_expression
from broker.core.terms import CREATED_AT, SYSTEM_TIMES, VALUE_MEMBERS, canonical, comparable, equals, member_of

__all__ = ["Meta", "Predicate", "matches", "predicate"]


@dataclass(frozen=True, slots=True)
class Meta:
    """System times: of the document (canonical text), and of its instances as the column `meta` has them.

    `linked` finds the entities that Relationships lead to, by id; without it, they lead nowhere.
    """

    created_at: str | None = None
    modified_at: str | None = None
    attrs: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    linked: Callable[[str], tuple[Doc, Meta | None] | None] | None = None


Predicate: TypeAlias = Callable[[Doc, Meta | None], bool]


def matches(node: Node, doc: Doc, meta: Meta | None = None) -> bool:
    """Say whether the entity meets the condition. Without `meta`, createdAt and modifiedAt are absent."""
    return predicate(node)(doc, meta)


def _build(node: Node) -> Predicate:
    match node:
        case And(items):
            return _all(tuple(_build(item) for item in items))
        case Or(items):
            return _any(tuple(_build(item) for item in items))
        case Not(item):
            inner = _build(item)
            return lambda doc, meta: not inner(doc, meta)
        case TypeIs(type_):
            return lambda doc, _: type_ in doc["type"]
        case IdIn(ids):
            wanted = frozenset(ids)
            return lambda doc, _: doc["id"] in wanted
        case IdPattern(expression):
            found = pattern(expression).found
            return lambda doc, _: found(doc["id"])
        case AnyAttr(attrs):
            names = frozenset(attrs) - ENTITY_MEMBERS
            return lambda doc, _: not names.isdisjoint(doc)
        case ScopeIs(text):
            scoped = re.compile(scope_expression(text), re.DOTALL)
            return lambda doc, _: any(scoped.fullmatch(scope) for scope in doc.get("scope", ()))
        case GeoRel():
            return _geo(node)
        case Linked(attr, types, item):
            return _linked(attr, frozenset(types), _build(item))
        case Exists(path):
            return _exists(path)
        case Compare(path, op, operand):
            return _compare(path, op, operand)
        case Matches(path, expression, negated):
            return _matches(path, expression, negated)


predicate: Final = Kept(_build, 1024)
"""Gives the condition as a function."""


def _all(items: tuple[Predicate, ...]) -> Predicate:
    return lambda doc, meta: all(item(doc, meta) for item in items)


def _any(items: tuple[Predicate, ...]) -> Predicate:
    return lambda doc, meta: any(item(doc, meta) for item in items)


# ---- geometry


def _geo(node: GeoRel) -> Predicate:
    other = geo.reference(node.geometry)

    def holds(doc: Doc, _: Meta | None) -> bool:
        found = None if node.attr in ENTITY_MEMBERS else doc.get(node.attr)
        return found is not None and any(map(stands, geo.shapes(found)))

    def stands(target: BaseGeometry) -> bool:
        if node.rel != "near":
            return geo.relates(node.rel, target, other)
        metres = geo.distance_m(target, other)
        if node.max_m is not None and metres > node.max_m:
            return False
        return (node.min_m is None or metres > node.min_m) and not target.is_empty

    return holds


# ---- links


def _linked(attr: str, types: frozenset[str], inner: Predicate) -> Predicate:
    def holds(doc: Doc, meta: Meta | None) -> bool:
        found = None if attr in ENTITY_MEMBERS else doc.get(attr)
        if found is None or meta is None or meta.linked is None:
            return False
        for target in targets(found):
            other = meta.linked(target)
            if other is not None and (not types or not types.isdisjoint(other[0]["type"])) and inner(*other):
                return True
        return False

    return holds


# ---- elements and values


@dataclass(frozen=True, slots=True)
class _Value:
    """An element's value as `scalars` (itself, or the entries of a languageMap) and whether it is a Relationship's."""

    scalars: tuple[Any, ...]
    relationship: bool = False

    def items(self) -> Iterator[Any]:
        for one in self.scalars:
            if isinstance(one, list):
                yield from one
            else:
                yield one


def _elements(path: Path, doc: Doc, meta: Meta | None) -> list[Any]:
    """Return the instances, or the texts of an instance's members, that the path leads to."""
    if path.attr in SYSTEM_TIMES:
        own = None if meta is None else meta.created_at if path.attr == CREATED_AT else meta.modified_at
        return [own] if own is not None and not path.sub else []
    found = None if path.attr in ENTITY_MEMBERS else doc.get(path.attr)
    if found is None:
        return []
    items: list[Any] = found if isinstance(found, list) else [found]
    for depth, name in enumerate(path.sub, 1):
        last = depth == len(path.sub)
        if name in SYSTEM_TIMES:
            entries = meta.attrs.get(path.attr, {}).values() if meta is not None and last and depth == 1 else ()
            return [entry[SYSTEM_TIMES[name]] for entry in entries]
        member = member_of(name)
        if member is not None:
            return [item[member] for item in items if member in item] if last else []
        after: list[Any] = []
        for item in items:
            sub = item.get(name)
            if isinstance(sub, list):
                after.extend(sub)
            elif sub is not None:
                after.append(sub)
        items = after
    return items


_ABSENT: Final = object()


def _value(element: Any, path: Path) -> _Value | None:
    if not isinstance(element, dict):
        return None if path.member or path.lang is not None else _Value((element,))
    if "languageMap" in element:
        return _language(element["languageMap"], path)
    if path.lang is not None and not path.member:
        return None
    if "objectList" in element:
        objects = [one["object"] for one in element["objectList"] if isinstance(one, dict) and "object" in one]
        return None if path.member else _Value((objects,), True)
    names = VALUE_MEMBERS[:2] if path.member else VALUE_MEMBERS
    found = next((element[name] for name in names if name in element), _ABSENT)
    for name in path.member:
        found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
    if found is _ABSENT:
        return None
    if isinstance(found, dict) and "@value" in found:
        found = found["@value"]
    return _Value((found,), "object" in element)


def _language(entries: dict[str, Any], path: Path) -> _Value | None:
    if path.lang is None:
        return None if path.member else _Value(tuple(entries.values()))
    if path.lang == "*":
        return _Value(tuple(entries.values()))
    return _Value((entries[path.lang],)) if path.lang in entries else None


def _over(path: Path, holds: Callable[[_Value], bool]) -> Predicate:
    """Meet the predicate by any element that has a value."""

    def found(doc: Doc, meta: Meta | None) -> bool:
        for element in _elements(path, doc, meta):
            value = _value(element, path)
            if value is not None and holds(value):
                return True
        return False

    return found


# ---- predicates


def _exists(path: Path) -> Predicate:
    if path.member or path.lang is not None:
        return _over(path, lambda _: True)
    return lambda doc, meta: bool(_elements(path, doc, meta))


def _compare(path: Path, op: str, operand: Operand) -> Predicate:
    if op in ("==", "!="):
        holds = _inside(path, operand) if isinstance(operand, Range) else _equal(path, operand)
        return _over(path, holds if op == "==" else lambda value: not holds(value))
    if isinstance(operand, Range) or not comparable(path, operand):
        return lambda _doc, _meta: False
    limit = _key(operand)
    ordered = _ORDERS[op]
    kind = operand.kind if isinstance(operand, DateTimeLiteral) else None

    def beyond(value: _Value) -> bool:
        keys = () if value.relationship else map(partial(_key_of, kind), value.scalars)
        return any(key is not None and key[0] == limit[0] and ordered(key[1], limit[1]) for key in keys)

    return _over(path, beyond)


_ORDERS: Final = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def _equal(path: Path, operand: Literal_ | ListOf) -> Callable[[_Value], bool]:
    wanted = equals(path, operand)
    plain = frozenset(_key_of(None, orjson.loads(text)) for text in wanted.plain)
    temporal = [(kind, frozenset(texts)) for kind, texts in wanted.temporal.items()]

    def holds(value: _Value) -> bool:
        for item in value.items():
            if isinstance(item, list | dict | None):
                continue
            if _key_of(None, item) in plain:
                return True
            if isinstance(item, str) and any(canonical(kind, item) in texts for kind, texts in temporal):
                return True
        return False

    return holds


def _inside(path: Path, operand: Range) -> Callable[[_Value], bool]:
    if not comparable(path, operand):
        return lambda _: False
    low, high = _key(operand.low), _key(operand.high)
    kind = operand.low.kind if isinstance(operand.low, DateTimeLiteral) else None

    def holds(value: _Value) -> bool:
        keys = () if value.relationship else map(partial(_key_of, kind), value.scalars)
        return any(key is not None and key[0] == low[0] and low[1] <= key[1] <= high[1] for key in keys)

    return holds


def _matches(path: Path, expression: str, negated: bool) -> Predicate:
    found = pattern(expression).found
    if path.attr in SYSTEM_TIMES or (path.sub and path.sub[-1] in SYSTEM_TIMES):
        return lambda _doc, _meta: False

    def holds(value: _Value) -> bool:
        texts = [] if value.relationship else [one for one in value.scalars if isinstance(one, str)]
        return bool(texts) and any(found(text) for text in texts) != negated

    return _over(path, holds)


def _key(literal: Any) -> tuple[str, Any]:
    kind = literal.kind if isinstance(literal, DateTimeLiteral) else None
    found = _key_of(kind, literal.value)
    if found is None:
        raise ValueError(f"{literal!r} is no {kind}")
    return found


def _key_of(kind: str | None, value: Any) -> tuple[str, Any] | None:
    """Return a value's type and what orders it within the type; with `kind`, None unless it is a text of that form."""
    if kind is not None:
        found = canonical(kind, value) if isinstance(value, str) else None
        return None if found is None else (kind, found)
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int):
        return "number", value
    if isinstance(value, float):
        return "number", value if abs(value) < _EXACT else int(Decimal(repr(value)))
    return None


_EXACT: Final = 2.0**53
"""From here on a double is compared by the decimal it is written as, which is how PostgreSQL knows it."""
