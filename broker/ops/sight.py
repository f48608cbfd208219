"""What one caller sees of rows, by the paragraph 'Meaning' (broker.core.access), worked out once per decision.

Most agreements name types and attributes and have no filter that looks into the entity. For those the mask depends on
the entity's types alone and is kept by them, so that a read by id costs one dictionary look-up. A filter that looks
further makes the attributes that it names be parsed, and what it comes to is kept by their texts while these are short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from broker.core import segments
from broker.core.access import Access
from broker.core.kept import Kept
from broker.core.match import Meta, matches
from broker.core.narrow import AttrMask, RowFilters, row_filters, types_only
from broker.core.query import And, AnyAttr, Compare, Exists, GeoRel, Matches, Node, Not, Or, TypeIs
from broker.core.terms import system_time
from broker.ops.view import SEPARATOR, split

__all__ = ["Sight", "guessable", "sight"]

_MAX_TYPES = 4096
_MAX_SIGHTS = 1024
_MAX_KEPT = 8192
_SHORT = 256


class Sight:
    """The masks of one `Access`."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.filters: RowFilters = row_filters(access)
        self.by_types = all(types_only(node) for node in self.filters.nodes)
        self.needs_meta = any(_system_times(node) for node in self.filters.nodes)
        self._known: dict[tuple[str, ...], AttrMask | None] = {}
        self._joined: dict[str, AttrMask | None] = {}
        wanted = [_attrs(node) for node in self.filters.nodes]
        self._wanted = None if None in wanted else frozenset(name for names in wanted for name in names or ())
        self._kept: dict[tuple[Any, ...], AttrMask | None] = {}

    def mask(
        self,
        entity_id: str,
        types: Sequence[str],
        scopes: Sequence[str] | None,
        names: Sequence[str],
        segs: Sequence[str],
        meta: Callable[[], Meta] | None = None,
    ) -> AttrMask | None:
        """Give the mask of a row, None if the entity is hidden; `meta` is asked only if a filter needs the entity."""
        if self.by_types:
            key = tuple(types)
            try:
                return self._known[key]
            except KeyError:
                found = self._evaluate({"id": entity_id, "type": list(types)}, None)
                if len(self._known) < _MAX_TYPES:
                    self._known[key] = found
                return found
        doc = segments.doc(entity_id, types, scopes, names, segs)
        return self._evaluate(doc, meta() if meta is not None else None)

    def mask_joined(
        self, entity_id: str, types: str, scopes: Sequence[str] | None, names: str, segs: str
    ) -> AttrMask | None:
        """Give what `mask` gives, of a row whose arrays are joined to one text each."""
        if self.by_types:
            try:
                return self._joined[types]
            except KeyError:
                found = self.mask(entity_id, split(types), scopes, (), ())
                if len(self._joined) < _MAX_TYPES:
                    self._joined[types] = found
                return found
        parts = split(names)
        texts = segs.split(SEPARATOR) if names else []
        if self._wanted is None:
            return self.mask(entity_id, split(types), scopes, parts, texts)
        needed = [(name, text) for name, text in zip(parts, texts, strict=True) if name in self._wanted]
        key = types, *needed
        if key in self._kept:
            return self._kept[key]
        doc: dict[str, Any] = {"id": entity_id, "type": list(split(types))}
        doc.update((name, orjson.loads(text)) for name, text in needed)
        found = self._evaluate(doc, None)
        if sum(len(text) for _, text in needed) <= _SHORT:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found

    def _evaluate(self, doc: dict[str, Any], meta: Meta | None) -> AttrMask | None:
        return self.filters.mask([matches(node, doc, meta) for node in self.filters.nodes])


def _attrs(node: Node) -> frozenset[str] | None:
    """Give the attributes that a condition looks at; None where it looks at id, scopes or something else."""
    if isinstance(node, Exists | Compare | Matches):
        return frozenset({node.path.attr})
    if isinstance(node, GeoRel):
        return frozenset({node.attr})
    if isinstance(node, AnyAttr):
        return frozenset(node.attrs)
    if isinstance(node, TypeIs):
        return frozenset()
    items = node.items if isinstance(node, And | Or) else (node.item,) if isinstance(node, Not) else None
    if items is None:
        return None
    found = [_attrs(item) for item in items]
    return None if None in found else frozenset(name for names in found for name in names or ())


def guessable(node: Node) -> bool:
    """Say whether the planner can guess how many meet a condition without its values: types and equality alone.

    A caller's row filter mostly is such a one, and comes with every page; planning it each time would cost its read.
    """
    if isinstance(node, And | Or):
        return all(guessable(item) for item in node.items)
    if isinstance(node, Not):
        return guessable(node.item)
    return isinstance(node, TypeIs | Exists) or (isinstance(node, Compare) and node.op == "==")


def _system_times(node: Node) -> bool:
    if isinstance(node, Exists | Compare | Matches):
        return system_time(node.path)
    if isinstance(node, And | Or):
        return any(_system_times(item) for item in node.items)
    return isinstance(node, Not) and _system_times(node.item)


sight: Final = Kept(Sight, _MAX_SIGHTS)
"""Gives the sight of an access; decisions are kept, so their `Access` objects are too."""
