"""Mappings: minimised records to NGSI-LD entities in expanded names.

A feed's mapping is compiled once into closures; per record it costs about a microsecond per attribute. The outcome of
a record is a list of entities and rejections, in the order of the declaration, so that the n-th outcome of a record is
the same in every run (the event id is built from it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from connectors.check import compile_checks, compile_rules
from connectors.conform import compile_models
from connectors.errors import Rejected, Rejection
from connectors.expression import EXPECTED, Expression, compile_expression, renamed
from connectors.feed import Attribute, EntityMapping, Feed
from connectors.names import Names
from connectors.shapes import compile_shapes

__all__ = ["Entity", "Mapper", "mapping_hash"]

Entity = dict[str, Any]


class _Attribute(NamedTuple):
    name: str
    iri: str
    kind: str
    member: str
    value: Expression
    unit: str | None
    observed: Expression | None


@dataclass(frozen=True, slots=True)
class _Plan:
    type: str
    id: Expression
    observed: Expression
    when: Expression | None
    scope: Expression | None
    attributes: tuple[_Attribute, ...]


class Mapper:
    """A feed's compiled mapping and checks. Pure: time comes in as an argument."""

    def __init__(self, feed: Feed, names: Names) -> None:
        self.feed = feed
        self._plans = tuple(_plan(feed, mapping, names, at) for at, mapping in enumerate(feed.mapping))
        self._check = compile_checks(feed, names)
        self._conform = compile_models(feed, names)
        self._shapes, shapes = compile_shapes(feed, names)
        self.hash = mapping_hash(feed, shapes)
        self._rules = compile_rules(feed)
        expected = feed.quality.expected or tuple({name: None for m in feed.mapping for name in m.attributes})
        self.expected = tuple(names.iri(name, f"{feed.feed}: quality.expected") for name in expected)
        reference = feed.quality.reference
        self.reference = (
            compile_expression(reference, f"{feed.feed}: quality.reference", feed.tables) if reference else None
        )

    def map(self, record: Any, now: datetime) -> list[Entity | Rejection]:
        """Map one record to its entities, each checked; what fails is a Rejection in its place."""
        try:
            self._rules(record)
        except Rejected as error:
            return [error.rejection]
        outcomes: list[Entity | Rejection] = []
        for plan in self._plans:
            try:
                entity = _build(plan, record)
                if entity is None:
                    continue
                self._check(entity, now)
                self._conform(entity)
                if self._shapes is not None:
                    self._shapes(entity)
            except Rejected as error:
                outcomes.append(error.rejection)
            else:
                outcomes.append(entity)
        return outcomes


def mapping_hash(feed: Feed, shapes: str = "") -> str:
    """Name this version of the mapping: `sha256:` of what decides the outcome."""
    parts = feed.model_dump(mode="json", include={"decoder", "minimise", "tables", "mapping", "quality"})
    if shapes:
        parts["shapes"] = shapes
    return "sha256:" + hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plan(feed: Feed, mapping: EntityMapping, names: Names, at: int) -> _Plan:
    where = f"{feed.feed}: mapping.{at}"

    def made(text: str, member: str) -> Expression:
        return compile_expression(text, f"{where}.{member}", feed.tables)

    return _Plan(
        type=names.iri(mapping.type, f"{where}.type"),
        id=made(mapping.id, "id"),
        observed=made(mapping.observedAt, "observedAt"),
        when=made(mapping.when, "when") if mapping.when else None,
        scope=made(mapping.scope, "scope") if mapping.scope else None,
        attributes=tuple(
            _attribute(name, item, names.iri(name, f"{where}.attributes"), made)
            for name, item in mapping.attributes.items()
        ),
    )


def _attribute(name: str, item: Attribute, iri: str, made: Callable[[str, str], Expression]) -> _Attribute:
    constant = item.const
    return _Attribute(
        name=name,
        iri=iri,
        kind=item.type,
        member="object" if item.type == "Relationship" else "value",
        value=made(item.value, f"attributes.{name}.value") if item.value is not None else lambda record: constant,
        unit=item.unitCode,
        observed=made(item.observedAt, f"attributes.{name}.observedAt") if item.observedAt else None,
    )


def _build(plan: _Plan, record: Any) -> Entity | None:
    if plan.when is not None and not _named("when", plan.when, record):
        return None
    entity: Entity = {"id": _named("id", plan.id, record), "type": [plan.type]}
    if plan.scope is not None:
        scope = _named("scope", plan.scope, record)
        if scope:
            entity["scope"] = scope if isinstance(scope, list) else [scope]
    observed = _named("observedAt", plan.observed, record)
    name = ""
    try:
        for name, iri, kind, member, expression, unit, own in plan.attributes:  # noqa: B007 - used when one raises
            value = expression(record)
            if value is None or value == "":
                continue
            instance: dict[str, Any] = {"type": kind, member: value}
            if unit is not None:
                instance["unitCode"] = unit
            instance["observedAt"] = observed if own is None else own(record)
            entity[iri] = instance
    except EXPECTED as error:
        raise renamed(name, error) from error
    return entity


def _named(name: str, expression: Expression, record: Any) -> Any:
    try:
        return expression(record)
    except EXPECTED as error:
        raise renamed(name, error) from error
