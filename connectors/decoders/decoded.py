"""The outcome of decoding one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.errors import Rejection

__all__ = ["Decoded", "rejected"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record, or why there is none. `raw` is hashed in dead letters, never kept.

    `position` says where it stood, by names and numbers of places: it leaves the process, so nothing of the record
    itself is in it.
    """

    position: str
    record: dict[str, Any] | None
    rejection: Rejection | None = None
    raw: bytes = b""


def rejected(position: str, rule: str, field: str, suggestion: str, raw: bytes) -> Decoded:
    """Say that the bytes at `position` are no record."""
    return Decoded(position, None, Rejection("decode", rule, field, suggestion), raw)
