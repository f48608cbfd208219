"""Context source registrations as compiled for matching (CIM 009 V1.9.1, 4.3.6, 4.20, 5.2.9, 5.2.10, 5.12).

`matches` says whether a registration may have something of what is asked for; 5.10.2 asks with a query, 5.11 with a
subscription. `broker.store.registrations` answers the same question in SQL. Names are expanded IRIs, times canonical.

- SPEC 5.12: where neither ids nor an id pattern are asked for, any EntityInfo of the type matches, whatever ids it has.
  Where both are, each alone suffices, as the clause lists its conditions. An EntityInfo's id outranks its idPattern.
- SPEC 5.12: an EntityInfo with several types is an entity that has all of them, to which the selection is applied. One
  without a type may be of any.
- SPEC 5.10.2.4: a geoquery is met by the registration's own location, observationSpace or operationSpace if some place
  inside could meet it (`possible`); a registration that has no such geometry does not meet it.
- SPEC 5.10.2.4: `before`, `after` and `between` are met by an interval that holds an instant which meets them, as
  elsewhere (4.11); who asks with no time gets registrations without intervals alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import shapely
from shapely.geometry.base import BaseGeometry

from broker.core import geo
from broker.core.entity import CORE, LOCATION, Doc
from broker.core.match import matches as holds
from broker.core.parse_time import TemporalQuery
from broker.core.pattern import pattern
from broker.core.query import TRUE, And, GeoRel, Node, Or, TypeIs
from broker.core.subscription import Selector

__all__ = [
    "GROUPS",
    "MODES",
    "OPERATIONS",
    "SPACES",
    "Asked",
    "EntityInfo",
    "Interval",
    "Mode",
    "Registration",
    "RegistrationInfo",
    "compiled",
    "described",
    "info_matches",
    "matches",
    "operations",
    "possible",
    "types_match",
]

Mode: TypeAlias = Literal["inclusive", "exclusive", "redirect", "auxiliary"]
MODES: Final[tuple[Mode, ...]] = ("inclusive", "exclusive", "redirect", "auxiliary")

SPACES: Final[Mapping[str, str]] = {
    LOCATION: "location",
    CORE + "observationSpace": "observationSpace",
    CORE + "operationSpace": "operationSpace",
}
"""The GeoProperties that a registration may have, and its members that hold them."""

_READING: Final = ("retrieveEntity", "queryEntity")
_LOOKING: Final = (
    "retrieveEntityTypes",
    "retrieveEntityTypeDetails",
    "retrieveEntityTypeInfo",
    "retrieveAttrTypes",
    "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
)
_SUBSCRIBING: Final = (
    "createSubscription",
    "updateSubscription",
    "retrieveSubscription",
    "querySubscription",
    "deleteSubscription",
)
_MAPPING: Final = ("retrieveEntityMap", "updateEntityMap", "deleteEntityMap", "createEntityMapQueryEntity")
_ASSOCIATION: Final = (*_READING, "queryBatch", *_LOOKING, *_SUBSCRIBING, "retrieveContextSourceIdentity")
_WRITING: Final = (
    "createEntity",
    "updateEntity",
    "appendAttrs",
    "updateAttrs",
    "deleteAttrs",
    "deleteEntity",
    "mergeEntity",
    "replaceEntity",
    "replaceAttrs",
    "purgeEntity",
)
GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "federationOps": frozenset((*_ASSOCIATION, *_MAPPING)),
    "associationOps": frozenset(_ASSOCIATION),
    "updateOps": frozenset(("updateEntity", "updateAttrs", "replaceEntity", "replaceAttrs")),
    "retrieveOps": frozenset(_READING),
    "redirectionOps": frozenset((*_WRITING, *_READING, *_LOOKING, *_MAPPING, "retrieveContextSourceIdentity")),
}
"""The named groups of operations (table 4.20-2)."""

OPERATIONS: Final[frozenset[str]] = frozenset(
    (
        *_ASSOCIATION,
        *_MAPPING,
        *_WRITING,
        "createBatch",
        "upsertBatch",
        "updateBatch",
        "deleteBatch",
        "mergeBatch",
        "upsertTemporal",
        "appendAttrsTemporal",
        "deleteAttrsTemporal",
        "updateAttrInstanceTemporal",
        "deleteAttrInstanceTemporal",
        "deleteTemporal",
        "retrieveTemporal",
        "queryTemporal",
        "createEntityMapQueryTemporal",
    )
)
"""The named operations (table 4.20-1)."""

_PLAIN: Final = ("endpoint", "description", "registrationName", "mode", "operations", "tenant", "refreshRate")
_PLAIN_TOO: Final = ("contextSourceAlias", "datasetId", "expiresAt")


@dataclass(frozen=True, slots=True)
class EntityInfo:
    """Entities that a source may have (5.2.8): of these types, none: any; with this id, or ids of this pattern."""

    types: tuple[str, ...] = ()
    id: str | None = None
    id_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class RegistrationInfo:
    """What a source may have (5.2.10): no entities: any; no attributes: any."""

    entities: tuple[EntityInfo, ...] = ()
    properties: tuple[str, ...] = ()
    relationships: tuple[str, ...] = ()

    @property
    def attrs(self) -> tuple[str, ...]:
        """Properties and relationships together."""
        return (*self.properties, *self.relationships)


@dataclass(frozen=True, slots=True)
class Interval:
    """From when until when (5.2.11), both included; no end: open."""

    start: str
    end: str | None = None

    def meets(self, asked: TemporalQuery) -> bool:
        """Say whether some instant of the interval meets the temporal query."""
        if asked.relation != "after":
            limit = asked.at if asked.relation == "before" else asked.end
            if limit is None or self.start >= limit:
                return False
        return asked.relation == "before" or self.end is None or self.end >= asked.at


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration in expanded form. `properties` is the document that a context source filter (csf) is put to."""

    id: str
    party: str
    endpoint: str
    information: tuple[RegistrationInfo, ...]
    mode: Mode = "inclusive"
    operations: frozenset[str] = GROUPS["federationOps"]
    alias: str | None = None
    tenant: str | None = None
    datasets: frozenset[str] | None = None
    scopes: tuple[str, ...] = ()
    spaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    observed: Interval | None = None
    managed: Interval | None = None
    expires_at: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What registrations are asked for. No selectors: any entity; no attributes: any.

    `temporal` None: sources of latest information. `encountered`: aliases of sources that the request came through.
    """

    selectors: tuple[Selector, ...] = ()
    attrs: tuple[str, ...] = ()
    geo: GeoRel | None = None
    temporal: TemporalQuery | None = None
    csf: Node = TRUE
    scope: Node = TRUE
    datasets: frozenset[str] | None = None
    encountered: frozenset[str] = frozenset()


def matches(one: Registration, asked: Asked) -> bool:
    """Say whether the source may have something of what is asked for (5.10.2.4, 5.12). Expiry is not looked at."""
    return (
        any(info_matches(info, asked) for info in one.information)
        and _in_time(one, asked.temporal)
        and (asked.geo is None or _in_place(one, asked.geo))
        and holds(asked.scope, {"id": one.id, "type": [], "scope": list(one.scopes)})
        and holds(asked.csf, dict(one.properties))
        and (asked.datasets is None or one.datasets is None or not asked.datasets.isdisjoint(one.datasets))
        and (one.alias is None or one.alias not in asked.encountered)
    )


def info_matches(info: RegistrationInfo, asked: Asked) -> bool:
    """Say whether a RegistrationInfo matches (5.12)."""
    if asked.attrs and info.attrs and set(asked.attrs).isdisjoint(info.attrs):
        return False
    if not asked.selectors or not info.entities:
        return True
    return any(_entity_matches(entity, selector) for entity in info.entities for selector in asked.selectors)


def _entity_matches(entity: EntityInfo, selector: Selector) -> bool:
    if not types_match(entity.types, selector.types):
        return False
    if not selector.ids and selector.id_pattern is None:
        return True
    if entity.id is not None:
        return entity.id in selector.ids or (
            selector.id_pattern is not None and pattern(selector.id_pattern).found(entity.id)
        )
    if entity.id_pattern is None or selector.id_pattern is not None:
        return True
    return any(pattern(entity.id_pattern).found(one) for one in selector.ids)


def types_match(types: tuple[str, ...], node: Node) -> bool:
    """Say whether a type selection (4.17) selects an entity of these types, none: of types not known."""
    match node:
        case TypeIs(type=name):
            return not types or name in types
        case And(items=items):
            return all(types_match(types, item) for item in items)
        case Or(items=items):
            return any(types_match(types, item) for item in items)
    raise TypeError(f"not a type selection: {node!r}")


def _in_time(one: Registration, asked: TemporalQuery | None) -> bool:
    if asked is None:
        return one.observed is None and one.managed is None
    interval = one.observed if asked.property == "observedAt" else one.managed
    return interval is not None and interval.meets(asked)


def _in_place(one: Registration, asked: GeoRel) -> bool:
    found = one.spaces.get(asked.attr)
    return found is not None and possible(asked, geo.geometry(dict(found)))


def possible(asked: GeoRel, area: BaseGeometry) -> bool:
    """Say whether the area stands in the relation, or some place inside it could (5.10.2.4).

    For `overlaps` and for distances it is the area's extent that is looked at: it may say yes too often, never no.
    """
    other = geo.reference(asked.geometry)
    if area.is_empty:
        return False
    match asked.rel:
        case "within" | "intersects":
            return geo.relates("intersects", area, other)
        case "contains":
            return geo.relates("contains", area, other)
        case "equals":
            return geo.relates("equals", area, other) or geo.relates("contains", area, other)
        case "disjoint":
            return not geo.relates("within", area, other)
        case "overlaps":
            return geo.relates("intersects", area, other) and not geo.relates("within", area, other)
    if asked.max_m is not None and geo.distance_m(area, other) > asked.max_m:
        return False
    return asked.min_m is None or any(geo.distance_m(corner, other) > asked.min_m for corner in _corners(area))


def _corners(area: BaseGeometry) -> Iterator[BaseGeometry]:
    return (shapely.Point(*at) for at in shapely.get_coordinates(area))


# ---- from the stored document


def compiled(id: str, party: str, doc: Mapping[str, Any]) -> Registration:
    """Make a stored registration ready for matching."""
    datasets, scope = doc.get("datasetId"), doc.get("scope", ())
    auxiliary = doc.get("mode") == "auxiliary"
    return Registration(
        id=id,
        party=party,
        endpoint=doc["endpoint"],
        information=tuple(_info(one) for one in doc["information"]),
        mode=doc.get("mode", "inclusive"),
        operations=operations(doc.get("operations", ("retrieveOps" if auxiliary else "federationOps",))),
        alias=doc.get("contextSourceAlias"),
        tenant=doc.get("tenant"),
        datasets=None if datasets is None else frozenset(datasets),
        scopes=tuple(scope),
        spaces={name: doc[member] for name, member in SPACES.items() if member in doc},
        observed=_interval(doc.get("observationInterval")),
        managed=_interval(doc.get("managementInterval")),
        expires_at=doc.get("expiresAt"),
        properties=described(id, doc),
    )


def operations(names: list[str] | tuple[str, ...]) -> frozenset[str]:
    """Give the operations that names of operations and of groups stand for."""
    return frozenset(one for name in names for one in GROUPS.get(name, (name,)))


def described(id: str, doc: Mapping[str, Any]) -> Doc:
    """Give a registration as a document of Properties, which a context source filter (4.9, csf) is put to.

    Its members have the core @context's names, its own additional properties theirs. contextSourceInfo is not among
    them: it may hold what only the broker is to know.
    """
    found: Doc = {"id": id, "type": [CORE + "ContextSourceRegistration"]}
    for name in (*_PLAIN, *_PLAIN_TOO):
        if name in doc:
            found[CORE + name] = {"type": "Property", "value": doc[name]}
    for name, member in SPACES.items():
        if member in doc:
            found[name] = {"type": "GeoProperty", "value": doc[member]}
    for name in ("observationInterval", "managementInterval", "management"):
        if name in doc:
            found[CORE + name] = {"type": "Property", "value": doc[name]}
    for name, value in doc.get("properties", {}).items():
        found[name] = value if _is_instance(value) else {"type": "Property", "value": value}
    return found


def _is_instance(value: Any) -> bool:
    """Say whether an additional property is written as a whole Property or Relationship, not as its value."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "Property":
        return value.get("value") is not None
    return value.get("type") == "Relationship" and isinstance(value.get("object"), str)


def _info(one: Mapping[str, Any]) -> RegistrationInfo:
    return RegistrationInfo(
        tuple(
            EntityInfo(tuple(entity.get("type", ())), entity.get("id"), entity.get("idPattern"))
            for entity in one.get("entities", ())
        ),
        tuple(one.get("propertyNames", ())),
        tuple(one.get("relationshipNames", ())),
    )


def _interval(value: Mapping[str, str] | None) -> Interval | None:
    return None if value is None else Interval(value["startAt"], value.get("endAt"))
