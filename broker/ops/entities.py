"""Operations on single entities, and the query (CIM 009 V1.9.1, 5.6.1, 5.6.6, 5.7.1, 5.7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from broker.core import times
from broker.core.access import Access
from broker.core.errors import BadRequestData, NgsiLdError, ResourceNotFound
from broker.core.match import Meta, matches
from broker.core.narrow import AttrMask, narrow
from broker.core.query import Node, Query
from broker.ops.alive import alive, alive_joined
from broker.ops.sight import sight
from broker.ops.view import Joined, View
from broker.store.observed import note
from broker.store.pages import collation_of, page, rows_by_id
from broker.store.pool import Pool

__all__ = ["Page", "not_found", "query_entities", "retrieve_entity", "seen"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what the caller may see, joined unless it has system times. `count`: of all matches, or None."""

    views: Sequence[View | Joined]
    more: bool
    count: int | None


def not_found(entity_id: str) -> NgsiLdError:
    """Say that there is no such entity, or none that the caller may see: the same words for both."""
    return ResourceNotFound(f"{entity_id} was not found")


async def retrieve_entity(pool: Pool, schema: str, access: Access, entity_id: str, types: Node | None = None) -> View:
    """Retrieve an entity (5.7.1); ResourceNotFound also where it is hidden or its type is another."""
    async with pool.lend(schema) as conn:
        rows = await rows_by_id(conn, [entity_id])
    view = seen(access, rows[0]) if rows else None
    if view is None or (types is not None and not matches(types, {"id": view.id, "type": view.types})):
        raise not_found(entity_id)
    return view


def seen(access: Access, row: Any) -> View | None:
    """Give what the caller sees of a row read by id; None if it is hidden."""
    meta = orjson.loads(row[5])
    names, segs = alive(row[3], row[4])
    mask = sight(access).mask(
        row[0], row[1], row[2], names, segs, lambda: Meta(times.of(row[6]), times.of(row[7]), meta)
    )
    return None if mask is None else View(row[0], row[1], row[2], names, segs, mask, meta, row[6], row[7], row[8])


async def query_entities(pool: Pool, schema: str, access: Access, query: Query, *, sys_attrs: bool) -> Page:
    """Query entities (5.7.2): the page of those that the caller may see, each with its mask."""
    narrowed = narrow(query, access)
    filters = sight(access).filters.among(narrowed.where)
    async with pool.lend(schema) as conn:
        collation = await collation_of(conn, query.collation)
        if collation is None:
            raise BadRequestData(f"collation: ICU knows no language {query.collation:.80} (RFC 6067)")
        found = await page(conn, narrowed, filters.nodes, short=not sys_attrs, collation=collation)
    note(schema, query)
    width = 9 if sys_attrs else 5
    made = _view if sys_attrs else _joined
    views: list[View | Joined] = []
    for row in found.rows:
        mask = filters.mask(row[width:])
        if mask is not None:
            views.append(made(row, mask))
    return Page(views, found.more, found.count)


def _joined(row: Any, mask: AttrMask) -> Joined:
    return Joined(row[0], row[1], row[2], *alive_joined(row[3], row[4]), mask)


def _view(row: Any, mask: AttrMask) -> View:
    return View(row[0], row[1], row[2], *alive(row[3], row[4]), mask, orjson.loads(row[5]), row[6], row[7], row[8])
