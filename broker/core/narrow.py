"""Narrowing of a query to what a caller may see, and masks of what a found entity shows (see `broker.core.access`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.core.access import Access, AttrSet
from broker.core.entity import Doc
from broker.core.match import Meta
from broker.core.query import Node, Query

__all__ = ["AttrMask", "RowFilters", "attr_visible", "entity_visible", "mask", "narrow", "row_filters"]


@dataclass(frozen=True, slots=True)
class AttrMask:
    """Which attributes of one entity its reader sees; `all` when none is hidden."""

    attrs: AttrSet
    all: bool

    def shows(self, attr: str) -> bool:
        """Say whether the attribute is visible."""
        return self.all or attr in self.attrs


class RowFilters:
    """The conditions that decide the masks of a page's rows: one SQL boolean per node, in order, then `mask(bits)`."""

    nodes: tuple[Node, ...]

    def mask(self, bits: Sequence[bool]) -> AttrMask | None:
        """Return the mask of a row from the truth of `nodes` on it (cached); None if the entity is hidden."""
        raise NotImplementedError


def narrow(query: Query, access: Access) -> Query:
    """Return the query that finds what `query` finds among what the caller may see."""
    raise NotImplementedError


def entity_visible(access: Access) -> Node:
    """Return the condition under which an entity is visible."""
    raise NotImplementedError


def attr_visible(attr: str, access: Access) -> Node:
    """Return the condition under which an attribute of a visible entity is visible (for ordering and the like)."""
    raise NotImplementedError


def mask(doc: Doc, access: Access, meta: Meta | None = None) -> AttrMask | None:
    """Return what the caller sees of one whole entity; None if it is hidden."""
    raise NotImplementedError


def row_filters(access: Access) -> RowFilters:
    """Return the conditions that decide what a caller sees of each row of a page."""
    raise NotImplementedError
