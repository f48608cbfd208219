"""Types and attributes in use (CIM 009 V1.9.1, 5.7.5 to 5.7.10), among what the caller may see.

A type that stands on no visible entity, and an attribute that is visible on none, does not exist; every count is of
what is visible. Names are IRIs, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker.core.access import Access
from broker.core.errors import ResourceNotFound
from broker.core.narrow import RowFilters, narrow
from broker.core.query import TRUE, AnyAttr, Node, Query, TypeIs
from broker.ops.sight import sight
from broker.store import discovery
from broker.store.pool import Pool

__all__ = [
    "AttributeInfo",
    "TypeInfo",
    "attribute_info",
    "attributes",
    "type_info",
    "types",
    "types_with_attributes",
]


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """An entity type: how many entities have it, and the kinds of each attribute of theirs (5.2.26)."""

    type: str
    count: int
    attributes: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """An attribute: how many instances of it there are, their kinds, and the types of their entities (5.2.28)."""

    name: str
    count: int
    kinds: Sequence[str]
    types: Sequence[str]


async def types(pool: Pool, schema: str, access: Access) -> list[str]:
    """Return the types in use (5.7.5)."""
    async with pool.lend(schema) as conn:
        return await discovery.types(conn, _seen(access))


async def types_with_attributes(pool: Pool, schema: str, access: Access) -> dict[str, list[str]]:
    """Return the attributes of each type in use (5.7.6)."""
    found: dict[str, list[str]] = {}
    for type_, name, shown in await _uses(pool, schema, access):
        names = found.setdefault(type_, [])
        if shown and name not in names[-1:]:
            names.append(name)
    return found


async def type_info(pool: Pool, schema: str, access: Access, type_: str) -> TypeInfo:
    """Return what there is of a type (5.7.7); ResourceNotFound where no entity has it."""
    filters = sight(access).filters
    where = _seen(access, TypeIs(type_))
    async with pool.lend(schema) as conn:
        count = await discovery.count(conn, where)
        if not count:
            raise ResourceNotFound(f"no entity has the type {type_}")
        rows = await discovery.kinds(conn, where, filters.nodes)
    kinds: dict[str, list[str]] = {}
    for name, kind, bits in rows:
        if _shows(filters, bits, name) and kind not in kinds.setdefault(name, []):
            kinds[name].append(kind)
    return TypeInfo(type_, count, kinds)


async def attributes(pool: Pool, schema: str, access: Access) -> dict[str, list[str]]:
    """Return the attributes in use, each with the types of the entities that show it (5.7.8, 5.7.9)."""
    found: dict[str, list[str]] = {}
    for type_, name, shown in await _uses(pool, schema, access):
        if shown and type_ not in found.setdefault(name, [])[-1:]:
            found[name].append(type_)
    return dict(sorted(found.items()))


async def attribute_info(pool: Pool, schema: str, access: Access, name: str) -> AttributeInfo:
    """Return what there is of an attribute (5.7.10); ResourceNotFound where no entity has it."""
    async with pool.lend(schema) as conn:
        rows = await discovery.attribute(conn, _seen(access, AnyAttr((name,))), name)
    if not rows:
        raise ResourceNotFound(f"no entity has the attribute {name}")
    kinds = sorted({kind for _, kind, _ in rows})
    of = sorted({type_ for types_, _, _ in rows for type_ in types_})
    return AttributeInfo(name, sum(count for _, _, count in rows), kinds, of)


async def _uses(pool: Pool, schema: str, access: Access) -> Iterable[tuple[str, Any, bool]]:
    """Return (type, attribute, whether it is visible there), sorted; a pair may come several times."""
    filters = sight(access).filters
    async with pool.lend(schema) as conn:
        rows = await discovery.attributes_of_types(conn, _seen(access), filters.nodes)
    return [(type_, name, name is not None and _shows(filters, bits, name)) for type_, name, bits in rows]


def _shows(filters: RowFilters, bits: Sequence[bool], name: str) -> bool:
    mask = filters.mask(bits)
    return mask is not None and mask.shows(name)


def _seen(access: Access, where: Node = TRUE) -> Node:
    return narrow(Query(where), access).where
