"""Times as text: UTC, ISO 8601, ending in Z."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["epoch", "text"]


def text(moment: datetime) -> str:
    """Write a time with its zone in UTC, to the millisecond where it has any."""
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def epoch() -> float:
    """Seconds since 1970-01-01Z now."""
    return time.time()
