"""The masks of a page's rows, from their types and the booleans that the database adds to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from broker.core.match import matches
from broker.core.narrow import AttrMask, RowFilters, types_only
from broker.ops.view import split
from broker.store.pages import FLAGS, SHORT_WIDTH, WIDTH

__all__ = ["RowMasks"]

_MAX_KNOWN = 4096


class RowMasks:
    """What decides the masks of rows: conditions on types are told here, `asked` by the database, in `FLAGS` each."""

    def __init__(self, filters: RowFilters) -> None:
        self._filters = filters
        self.asked = tuple(node for node in filters.nodes if not types_only(node))
        columns = range(SHORT_WIDTH, SHORT_WIDTH + -(-len(self.asked) // FLAGS))
        self._key: Callable[[Any], Any] = itemgetter(1, *columns)
        self._known: dict[Any, AttrMask | None] = {}

    def of(self, rows: Sequence[Any], *, whole: bool) -> tuple[Sequence[Any], Sequence[AttrMask]]:
        """Give the rows that are seen, and the mask of each; `whole`: with all columns, arrays not joined."""
        if not self._filters.nodes:
            mask = self._filters.mask(())
            return (rows, [mask] * len(rows)) if mask is not None else ((), ())
        if whole:
            keys: list[Any] = [(tuple(row[1]), *row[WIDTH:]) for row in rows]
        else:
            keys = list(map(self._key, rows))
        if keys and keys.count(keys[0]) == len(keys):
            mask = self._mask(keys[0])
            return (rows, [mask] * len(rows)) if mask is not None else ((), ())
        seen = [(row, mask) for row, key in zip(rows, keys, strict=True) if (mask := self._mask(key)) is not None]
        return [row for row, _ in seen], [mask for _, mask in seen]

    def _mask(self, key: Any) -> AttrMask | None:
        try:
            return self._known[key]
        except KeyError:
            return self._find(key)

    def _find(self, key: Any) -> AttrMask | None:
        first, *flags = key if isinstance(key, tuple) else (key,)
        types = split(first) if isinstance(first, str) else first
        told = {node: bool(flags[place // FLAGS] >> place % FLAGS & 1) for place, node in enumerate(self.asked)}
        entity = {"id": "", "type": list(types)}
        found = self._filters.mask([told[one] if one in told else matches(one, entity) for one in self._filters.nodes])
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[key] = found
        return found
