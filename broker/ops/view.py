"""One entity as found, with what its reader may see of it.

Most answers show stored texts as they are. For those a row comes with its arrays joined to one text each, which the
driver reads many times faster than an array: `Joined`. The separator is a control character, which neither an IRI nor
a JSON text can hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from broker.core.narrow import AttrMask

__all__ = ["SEPARATOR", "Joined", "View", "split"]

SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class View:
    """A row of segments and the reader's mask. `meta`, `created_at` and the others only where asked for."""

    id: str
    types: Sequence[str]
    scopes: Sequence[str] | None
    names: Sequence[str]
    segs: Sequence[str]
    mask: AttrMask
    meta: Mapping[str, Any] | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    expires_at: datetime | None = None


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str, ...]:
    """Take joined names or types apart; the same ones come again and again."""
    return tuple(text.split(SEPARATOR)) if text else ()


class Joined(NamedTuple):
    """A row whose types, names and segments are joined by SEPARATOR, and the reader's mask."""

    id: str
    types: str
    scopes: Sequence[str] | None
    names: str
    segs: str
    mask: AttrMask

    def view(self) -> View:
        """Take it apart."""
        segs = self.segs.split(SEPARATOR) if self.names else ()
        return View(self.id, split(self.types), self.scopes, split(self.names), segs, self.mask)
