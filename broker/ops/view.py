"""One entity as found, with what its reader may see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.core.narrow import AttrMask

__all__ = ["View"]


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
