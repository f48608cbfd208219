"""The temporal evolution of an entity as answers show it (CIM 009 V1.9.1, 4.5.6 to 4.5.9, 4.5.19, 6.3.10).

Pure functions over instances as the history has them. Attributes are IRIs until a `Names` compacts them. An attribute's
evolution is always an array (4.5.7 allows an object where there is one instance; a client must not have to tell).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from broker.core import times
from broker.core.entity import KINDS, Instance
from broker.core.ids import NULL
from broker.core.parse_time import TimeProperty, TimeRelation
from broker.core.periods import Period
from broker.core.project import EVERYTHING, LanguageRange, Projection, language, without_expiry
from broker.core.render import Names, compact_instances
from broker.core.state import SCOPE

__all__ = [
    "INSTANCE_PREFIX",
    "METHODS",
    "SCOPE",
    "Aggregate",
    "Cut",
    "Evolution",
    "Form",
    "Method",
    "Past",
    "Presentation",
    "Range",
    "cut",
    "eligible",
    "instance_id",
    "render_evolution",
]

Method: TypeAlias = Literal["avg", "distinctCount", "max", "min", "stddev", "sum", "sumsq", "totalCount"]
METHODS: Final[tuple[Method, ...]] = ("avg", "distinctCount", "max", "min", "stddev", "sum", "sumsq", "totalCount")
Form: TypeAlias = Literal["normalized", "temporalValues", "aggregatedValues"]

INSTANCE_PREFIX: Final = "urn:ngsi-ld:Instance:"
_WRAPPED: Final = frozenset({"languageMap", "json", "vocab"})
_SCOPE_MEMBERS: Final = frozenset({"type", "value", "observedAt", "createdAt", "modifiedAt", "deletedAt", "instanceId"})


class Past(NamedTuple):
    """One instance of the history. `at`: its time property's value. `type` is what a deleted instance was."""

    entity: str
    attr: str
    dataset_id: str
    instance_id: str
    kind: str
    body: Instance | None
    type: str
    at: datetime
    observed: datetime
    created: datetime
    modified: datetime


class Aggregate(NamedTuple):
    """What a period of an attribute comes to: one value per method asked for, None where there is none."""

    entity: str
    attr: str
    type: str
    start: datetime
    end: datetime
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a request wants evolutions shown."""

    form: Form = "normalized"
    projection: Projection = EVERYTHING
    sys_attrs: bool = False
    languages: tuple[LanguageRange, ...] = ()
    methods: tuple[Method, ...] = ()
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """The instances asked for: those whose time property lies from `start` and before `end` (canonical), the last N.

    `asked`: the request has a temporal query; then instances without the property do not count (4.11).
    """

    timeproperty: TimeProperty = "observedAt"
    relation: TimeRelation | None = None
    start: str | None = None
    end: str | None = None
    last_n: int | None = None

    @property
    def asked(self) -> bool:
        """Say whether there is a temporal query."""
        return self.relation is not None


@dataclass(slots=True)
class Evolution:
    """One entity with what is shown of its past: instances, or aggregates.

    `emptied`: the types of attributes all of whose instances a cut left out.
    """

    id: str
    types: Sequence[str]
    created_at: datetime
    deleted_at: datetime | None = None
    instances: dict[str, list[Past]] = field(default_factory=dict)
    aggregates: dict[str, list[Aggregate]] = field(default_factory=dict)
    emptied: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """How an answer was cut by time: its Content-Range. `start` and `end` are instants as the client reads on."""

    start: datetime
    end: datetime
    size: str

    @property
    def header(self) -> str:
        """Write the header's value (6.3.10)."""
        return f"date-time {times.shown(times.of(self.start))}-{times.shown(times.of(self.end))}/{self.size}"


def instance_id(uuid: str) -> str:
    """Name an instance."""
    return INSTANCE_PREFIX + uuid


def cut(evolutions: Iterable[Evolution], wanted: Range, most: int) -> Cut | None:
    """Cut the instances, one common instant for all, so that no attribute has more than `most` but for equal times.

    Instances are in the order of their time, backwards with `lastN`. None if all of them stay. An attribute whose
    instances all lie beyond the cut stays, empty: the client learns that it has to read on.
    """
    found = list(evolutions)
    backwards = wanted.last_n is not None
    over = [many[most - 1].at for one in found for many in one.instances.values() if len(many) > most]
    if not over:
        return None
    edge = max(over) if backwards else min(over)
    first: datetime | None = None
    last: datetime | None = None
    for one in found:
        for attr, many in one.instances.items():
            kept = [past for past in many if (past.at >= edge if backwards else past.at <= edge)]
            one.instances[attr] = kept
            if not kept:
                one.emptied[attr] = many[0].type
            if kept:
                first = kept[0].at if first is None else (max if backwards else min)(first, kept[0].at)
                last = kept[-1].at if last is None else (min if backwards else max)(last, kept[-1].at)
    if first is None or last is None:
        raise ValueError("a cut leaves at least the instances up to it")
    asked = (wanted.end if backwards else wanted.start) if wanted.asked else None
    return Cut(times.to_datetime(asked) if asked else first, last, str(wanted.last_n) if backwards else "*")


def eligible(method: Method, aggregates: Iterable[Aggregate], methods: Sequence[Method]) -> bool:
    """Say whether a method gives anything for an attribute."""
    place = methods.index(method)
    return any(one.values[place] is not None for one in aggregates)


def render_evolution(one: Evolution, names: Names, show: Presentation) -> dict[str, Any]:
    """Render an evolution without `@context`; {} if the projection leaves nothing."""
    found: dict[str, Any] = {}
    if show.projection.keeps("id"):
        found["id"] = one.id
    if show.projection.keeps("type"):
        kinds = [names.name(kind) for kind in one.types]
        found["type"] = kinds[0] if len(kinds) == 1 else kinds
    for attr, many in one.instances.items():
        member = "scope" if attr == SCOPE else attr
        if show.projection.keeps(member):
            found["scope" if attr == SCOPE else names.attr(attr)] = _attribute(
                many, names, show, one.emptied.get(attr, "")
            )
    for attr, periods in one.aggregates.items():
        if show.projection.keeps(attr):
            found[names.attr(attr)] = _aggregated(periods, show.methods)
    if show.sys_attrs and found:
        modified = [past.modified for many in one.instances.values() for past in many]
        found["createdAt"] = times.shown(times.of(one.created_at))
        if modified:
            found["modifiedAt"] = times.shown(times.of(max(modified)))
        if one.deleted_at is not None:
            found["deletedAt"] = times.shown(times.of(one.deleted_at))
    return found


def _attribute(many: Sequence[Past], names: Names, show: Presentation, emptied: str) -> Any:
    if show.form == "temporalValues" and emptied:
        return {"type": emptied, KINDS[emptied].member + "s": []}
    if show.form == "temporalValues":
        return _values(many, names, show)
    return [_instance(past, names, show) for past in many]


def _instance(past: Past, names: Names, show: Presentation) -> dict[str, Any]:
    body = _spoken(past, show.languages)
    found: dict[str, Any] = compact_instances(body, names)
    found["instanceId"] = instance_id(past.instance_id)
    if past.kind == "deleted":
        found.setdefault("deletedAt", times.shown(times.of(past.observed)))
    if not show.sys_attrs:
        found = without_expiry(found)
    else:
        found["createdAt"] = times.shown(times.of(past.created))
        found["modifiedAt"] = times.shown(times.of(past.modified))
    if past.attr == SCOPE:
        return {name: value for name, value in found.items() if name in _SCOPE_MEMBERS}
    return found


def _spoken(past: Past, ranges: Sequence[LanguageRange]) -> Instance:
    """Return the instance in the language asked for; a deleted one as the NGSI-LD Null of its kind (4.5.7, 4.5.8)."""
    body = past.body
    if body is None:
        body = {"type": past.type, KINDS[past.type].member: _null(past)}
        if past.dataset_id:
            body["datasetId"] = past.dataset_id
    if not ranges or past.kind == "deleted":
        return body
    spoken: Instance = language({"x": body}, ranges)["x"]
    return spoken


def _null(past: Past) -> Any:
    if past.attr == SCOPE:
        return []
    match past.type:
        case "LanguageProperty":
            return {"@none": NULL}
        case "ListProperty" | "ListRelationship":
            return [NULL]
        case _:
            return NULL


def _values(many: Sequence[Past], names: Names, show: Presentation) -> Any:
    """Show pairs of value and time (4.5.9), by type and datasetId where an attribute has several."""
    groups: dict[tuple[str, str], list[list[Any]]] = {}
    for past in many:
        body = _spoken(past, show.languages)
        kind = KINDS[body["type"]]
        pair = [_value(body, kind.member, names), times.shown(times.of(past.at))]
        groups.setdefault((kind.name, past.dataset_id), []).append(pair)
    found = []
    for (name, dataset_id), pairs in groups.items():
        one: dict[str, Any] = {"type": name}
        if dataset_id:
            one["datasetId"] = dataset_id
        one[KINDS[name].member + "s"] = pairs
        found.append(one)
    return found[0] if len(found) == 1 else found


def _value(body: Instance, member: str, names: Names) -> Any:
    compacted = compact_instances({"type": body["type"], member: body[member]}, names)[member]
    if member in _WRAPPED:
        return {member: compacted}
    if member == "objectList":
        return [one["object"] if isinstance(one, dict) else one for one in compacted]
    return compacted


def _aggregated(periods: Sequence[Aggregate], methods: Sequence[Method]) -> dict[str, Any]:
    """Show each method's periods (4.5.19); a period in which it gives nothing is left out."""
    found: dict[str, Any] = {"type": periods[0].type}
    for place, method in enumerate(methods):
        found[method] = [
            [one.values[place], times.shown(times.of(one.start)), times.shown(times.of(one.end))]
            for one in periods
            if one.values[place] is not None
        ]
    return found
