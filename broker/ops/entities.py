"""Operations on single entities, and the query (CIM 009 V1.9.1, 5.6.1, 5.6.6, 5.7.1, 5.7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from broker.core import times
from broker.core.access import Access
from broker.core.errors import BadRequestData, NgsiLdError, ResourceNotFound
from broker.core.match import Meta, matches
from broker.core.narrow import AttrMask, narrow, types_only
from broker.core.query import Node, Query
from broker.ops.alive import alive, alive_joined
from broker.ops.masks import RowMasks
from broker.ops.sight import guessable, sight
from broker.ops.view import Joined, View, split
from broker.store.observed import note
from broker.store.pages import Statement, collation_of, page, rows_by_id, statement
from broker.store.pool import Conn, Pool

__all__ = [
    "Page",
    "PageQuery",
    "joined",
    "known_collation",
    "not_found",
    "page_query",
    "query_entities",
    "retrieve_entity",
    "seen",
]


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A query (5.7.2) made ready for one access; it can be asked again as long as the access stands.

    `statement` is None where a collation has to be looked up first; `anew`: to be planned for its values each time.
    `usual` holds the names of its last page's rows, joined: those that have them again are read without.
    """

    query: Query
    narrowed: Query
    masks: RowMasks
    sys_attrs: bool
    statement: Statement | None
    anew: bool
    usual: list[str] = field(default_factory=lambda: [""])


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what the caller may see: rows as read (arrays joined unless `whole`), each with its mask.

    `count`: of all matches, or None. `usual`: the joined names of rows that have None there.
    """

    rows: Sequence[Any]
    masks: Sequence[AttrMask]
    more: bool
    count: int | None
    whole: bool
    usual: str

    def views(self) -> list[View | Joined]:
        """Give the rows as what they show."""
        pairs = zip(self.rows, self.masks, strict=True)
        if self.whole:
            return [_view(row, mask) for row, mask in pairs]
        return [joined(row, mask, self.usual) for row, mask in pairs]


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


def page_query(access: Access, query: Query, *, sys_attrs: bool) -> PageQuery:
    """Make a query ready for an access."""
    narrowed = narrow(query, access)
    masks = RowMasks(sight(access).filters.among(narrowed.where))
    made = None
    if query.collation is None:
        made = statement(narrowed, masks.asked, short=not sys_attrs)
    anew = not types_only(query.where) or not guessable(narrowed.where)
    return PageQuery(query, narrowed, masks, sys_attrs, made, anew)


async def query_entities(pool: Pool, schema: str, asked: PageQuery) -> Page:
    """Query entities (5.7.2): the page of those that the caller may see, each with its mask."""
    made, usual = asked.statement, asked.usual[0]
    async with pool.lend(schema, anew=asked.anew) as conn:
        if made is None:
            collation = await known_collation(conn, asked.query.collation)
            made = statement(asked.narrowed, asked.masks.asked, short=not asked.sys_attrs, collation=collation)
        found = await page(conn, made, split(usual))
    if made.short and found.rows and found.rows[0][3] is not None:
        asked.usual[0] = found.rows[0][3]
    note(schema, asked.query)
    rows, masks = asked.masks.of(found.rows, whole=asked.sys_attrs)
    return Page(rows, masks, found.more, found.count, asked.sys_attrs, usual)


async def known_collation(conn: Conn, tag: str | None) -> str:
    """Return the quoted name of an ICU collation (None: ICU's root). BadRequestData where ICU has no such one."""
    found = await collation_of(conn, tag)
    if found is None:
        raise BadRequestData(f"collation: ICU knows no language {tag:.80} (RFC 6067)")
    return found


def joined(row: Any, mask: AttrMask, usual: str) -> Joined:
    """Give a row whose arrays are joined to one text each as what it shows; `usual`: its names if it has None."""
    names = usual if row[3] is None else row[3]
    return Joined(row[0], row[1], row[2], *alive_joined(names, row[4]), mask)


def _view(row: Any, mask: AttrMask) -> View:
    return View(row[0], row[1], row[2], *alive(row[3], row[4]), mask, orjson.loads(row[5]), row[6], row[7], row[8])
