"""The masks of a page's rows, from their types and the booleans that the database adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from broker.core.match import matches
from broker.core.narrow import AttrMask, RowFilters
from broker.ops.sight import types_only
from broker.ops.view import split
from broker.store.pages import FLAGS, SHORT_WIDTH, WIDTH

__all__ = ["RowMasks"]

_MAX_KNOWN = 4096


class RowMasks:
    """What decides the masks of rows: conditions on types are told here, `asked` by the database, in `FLAGS` each."""

    def __init__(self, filters: RowFilters) -> None:
        self._filters = filters
        self.asked = tuple(node for node in filters.nodes if not types_only(node))
        self._known: dict[tuple[Any, ...], AttrMask | None] = {}

    def of(self, rows: Sequence[Any], *, whole: bool) -> tuple[Sequence[Any], Sequence[AttrMask]]:
        """Give the rows that are seen, and the mask of each; `whole`: with all columns, arrays not joined."""
        if not self._filters.nodes:
            mask = self._filters.mask(())
            return (rows, [mask] * len(rows)) if mask is not None else ((), ())
        known = self._known
        if whole:
            keys = [(tuple(row[1]), *row[WIDTH:]) for row in rows]
        elif self.asked:
            keys = [(row[1], *row[SHORT_WIDTH:]) for row in rows]
        else:
            keys = [(row[1],) for row in rows]
        masks = [known[key] if key in known else self._find(key) for key in keys]
        if None in masks:
            seen = [(row, mask) for row, mask in zip(rows, masks, strict=True) if mask is not None]
            return [row for row, _ in seen], [mask for _, mask in seen]
        return rows, [mask for mask in masks if mask is not None]

    def _find(self, key: tuple[Any, ...]) -> AttrMask | None:
        types = split(key[0]) if isinstance(key[0], str) else key[0]
        told = {node: bool(key[1 + place // FLAGS] >> place % FLAGS & 1) for place, node in enumerate(self.asked)}
        entity = {"id": "", "type": list(types)}
        found = self._filters.mask([told[one] if one in told else matches(one, entity) for one in self._filters.nodes])
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[key] = found
        return found
