"""Instants as text (CIM 009 V1.9.1, 4.6.3): UTC, ISO 8601 extended, ending in Z.

The canonical text always has six fractional digits, so that canonical texts order as the instants do and no code has
to parse one to compare it. `shown` drops the fraction's trailing zeros for answers.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from broker.core.errors import BadRequestData

__all__ = ["canonical", "of", "parse", "shown", "to_datetime"]

_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:[.,](\d{1,6}))?Z", re.ASCII)


def canonical(text: object) -> str | None:
    """Return the canonical form of a DateTime, or None if `text` is none."""
    return _canonical(text) if isinstance(text, str) else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    """Work it out; an entity's attributes share their times, so most are known."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    whole, fraction = found.groups()
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        return None
    return f"{whole}.{fraction or '':0<6}Z"


def parse(value: object, member: str) -> str:
    """Return the canonical form of a DateTime, else raise BadRequestData naming `member`."""
    found = canonical(value)
    if found is None:
        raise BadRequestData(f"{member}: {value!r:.80} is not a DateTime in UTC such as 2026-11-22T05:00:00Z")
    return found


@lru_cache(maxsize=256)
def of(instant: datetime) -> str:
    """Return the canonical text of an aware datetime; one is asked for with every entity of a batch."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_datetime(text: str) -> datetime:
    """Return the aware datetime of a canonical text."""
    return datetime.fromisoformat(text)


def shown(text: str) -> str:
    """Return a canonical text as answers show it: no trailing zeros, whole seconds without fraction."""
    body = text[:-1].rstrip("0")
    return (body[:-1] if body.endswith(".") else body) + "Z"
