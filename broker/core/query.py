"""The query AST: one language for users' queries, subscriptions and policy filters.

Two evaluators read it: `broker.core.match` (one entity in memory) and `broker.store.compile` (SQL). Names are
expanded IRIs throughout. Nodes are immutable, hashable and compared by value, so that a compiled form can be cached.

Three-valued logic is not used: a predicate on an absent target is false, and `Not` is plain negation of its item.
`!=` and `!~=` are predicates of their own (they need the target to exist), not `Not(Compare)` (CIM 009 V1.9.1, 4.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "FALSE",
    "TRUE",
    "And",
    "AnyAttr",
    "Boolean",
    "Compare",
    "DateTimeLiteral",
    "Exists",
    "GeoRel",
    "IdIn",
    "IdPattern",
    "Linked",
    "ListOf",
    "Literal_",
    "Matches",
    "Node",
    "Not",
    "Number",
    "Operand",
    "Or",
    "Order",
    "Path",
    "Query",
    "Range",
    "ScopeIs",
    "Text",
    "TypeIs",
    "Uri",
]

Operator: TypeAlias = Literal["==", "!=", ">", ">=", "<", "<="]
GeoRelation: TypeAlias = Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]


@dataclass(frozen=True, slots=True)
class Path:
    """What a query term points at: `attr`, then sub-attributes, then members inside its value (4.9, DottedPath).

    `lang` is the language of a LanguageProperty (`name[en]`, `*` for any).
    """

    attr: str
    sub: tuple[str, ...] = ()
    member: tuple[str, ...] = ()
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""

    value: bool


@dataclass(frozen=True, slots=True)
class DateTimeLiteral:
    """A date, time or dateTime of 4.6.3, kept as written; `kind` says which."""

    value: str
    kind: Literal["dateTime", "date", "time"]


@dataclass(frozen=True, slots=True)
class Uri:
    """An unquoted URI: compared with a Relationship's object, or with a Property's string value."""

    value: str


Literal_: TypeAlias = Number | Text | Boolean | DateTimeLiteral | Uri


@dataclass(frozen=True, slots=True)
class Range:
    """`low..high`, both ends included; with `==` and `!=` only."""

    low: Literal_
    high: Literal_


@dataclass(frozen=True, slots=True)
class ListOf:
    """`a,b,c`: any of them with `==`, none of them with `!=`."""

    values: tuple[Literal_, ...]


Operand: TypeAlias = Literal_ | Range | ListOf


@dataclass(frozen=True, slots=True)
class Exists:
    """The target exists."""

    path: Path


@dataclass(frozen=True, slots=True)
class Compare:
    """The target compares with the operand."""

    path: Path
    op: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Matches:
    """The target's string value matches the POSIX regular expression (`~=`), or with `negated` does not (`!~=`)."""

    path: Path
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TypeIs:
    """The entity has this type (an IRI). The selection language of 4.17 is And/Or over it."""

    type: str


@dataclass(frozen=True, slots=True)
class IdIn:
    """The entity's id is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdPattern:
    """The entity's id matches the regular expression."""

    pattern: str


@dataclass(frozen=True, slots=True)
class AnyAttr:
    """The entity has at least one of these attributes."""

    attrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScopeIs:
    """One of the entity's scopes is `pattern` (`/a/+/b`, `/a/#`: 4.19)."""

    pattern: str


@dataclass(frozen=True, slots=True)
class GeoRel:
    """A GeoProperty of the entity stands in the relation to the geometry (4.10).

    `geometry` is GeoJSON text, WGS 84, lon/lat. `max_m` and `min_m` are metres and are for `near` only.
    """

    attr: str
    rel: GeoRelation
    geometry: str
    max_m: float | None = None
    min_m: float | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A Relationship of the entity leads to an entity that meets the condition (4.9, `sensor{humidity}`).

    `types`: only targets that have one of these types count (`sensor{Device:humidity}`); none: of any type.
    """

    attr: str
    types: tuple[str, ...]
    item: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of them; the empty one is true."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; the empty one is false."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    item: Node


Node: TypeAlias = (
    Exists | Compare | Matches | TypeIs | IdIn | IdPattern | AnyAttr | ScopeIs | GeoRel | Linked | And | Or | Not
)

TRUE = And(())
FALSE = Or(())


@dataclass(frozen=True, slots=True)
class Order:
    """One term of an ordering (4.23): by what, and which way; what an entity lacks comes last either way.

    `by`: "id", "type", "scope", or a path. With `origin` (GeoJSON text) by the distance of the GeoProperty from it.
    `visible`: the condition under which the caller sees what is ordered by; elsewhere it counts as absent.
    """

    by: Path | Literal["id", "type", "scope"]
    descending: bool = False
    origin: str | None = None
    visible: Node = TRUE


@dataclass(frozen=True, slots=True)
class Query:
    """A query for entities: which (`where`), and which page of them, ordered by `order` and then by id.

    `collation`: the ICU locale that strings are ordered by (4.23.3), None for the root's. `after` is our documented
    walk parameter: only entities whose id sorts after it, so that a walk neither misses nor repeats while others write.
    """

    where: Node = TRUE
    limit: int = 20
    offset: int = 0
    count: bool = False
    after: str | None = None
    order: tuple[Order, ...] = ()
    collation: str | None = None
