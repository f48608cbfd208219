"""What one caller sees of rows, by the paragraph 'Meaning' (broker.core.access), worked out once per decision.

Most agreements name types and attributes and have no filter that looks into the entity. For those the mask depends on
the entity's types alone and is kept by them, so that a read by id costs one dictionary look-up. Only a filter that
looks further makes the entity be parsed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from broker.core import segments
from broker.core.access import Access
from broker.core.match import Meta, matches
from broker.core.narrow import AttrMask, RowFilters, row_filters
from broker.core.query import And, Compare, Exists, Matches, Node, Not, Or, TypeIs
from broker.core.terms import system_time

__all__ = ["Sight", "sight"]

_MAX_TYPES = 4096
_MAX_SIGHTS = 1024


class Sight:
    """The masks of one `Access`."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.filters: RowFilters = row_filters(access)
        self.by_types = all(_types_only(node) for node in self.filters.nodes)
        self.needs_meta = any(_system_times(node) for node in self.filters.nodes)
        self._known: dict[tuple[str, ...], AttrMask | None] = {}

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

    def _evaluate(self, doc: dict[str, Any], meta: Meta | None) -> AttrMask | None:
        return self.filters.mask([matches(node, doc, meta) for node in self.filters.nodes])


def _types_only(node: Node) -> bool:
    if isinstance(node, TypeIs):
        return True
    if isinstance(node, And | Or):
        return all(_types_only(item) for item in node.items)
    return isinstance(node, Not) and _types_only(node.item)


def _system_times(node: Node) -> bool:
    if isinstance(node, Exists | Compare | Matches):
        return system_time(node.path)
    if isinstance(node, And | Or):
        return any(_system_times(item) for item in node.items)
    return isinstance(node, Not) and _system_times(node.item)


_sights: OrderedDict[int, Sight] = OrderedDict()


def sight(access: Access) -> Sight:
    """Give the sight of an access; decisions are kept, so their `Access` objects are too."""
    found = _sights.get(id(access))
    if found is not None and found.access is access:
        return found
    found = Sight(access)
    _sights[id(access)] = found
    if len(_sights) > _MAX_SIGHTS:
        _sights.popitem(last=False)
    return found
