"""What an answer shows of entities: the caller's mask and the request's projection, over rows of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.core.narrow import AttrMask

__all__ = ["ALL", "Projection", "View"]


@dataclass(frozen=True, slots=True)
class Projection:
    """What the request wants of each entity (4.21): `pick` and `omit` name members and attribute IRIs, `attrs` IRIs.

    None stands for all. `attrs` touches attributes only: id, type and scope stay.
    """

    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    attrs: frozenset[str] | None = None

    def wants(self, member: str) -> bool:
        """Say whether a member of the entity (id, type, scope, expiresAt, ...) is wanted."""
        return (self.pick is None or member in self.pick) and member not in self.omit

    def wants_attr(self, attr: str) -> bool:
        """Say whether an attribute is wanted."""
        return self.wants(attr) and (self.attrs is None or attr in self.attrs)


ALL = Projection()


@dataclass(frozen=True, slots=True)
class View:
    """One entity as found, and what its reader may see. `meta`, `created_at` and the others only where asked for."""

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
