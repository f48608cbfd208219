"""Figures as people say them: durations, shares and lists."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

__all__ = ["counted", "duration", "exact_percent", "floored", "listed", "percent"]


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 seconds`, `3 minutes`, `2 days`."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * (1 if unit == "day" else 2):
            return counted(round(seconds / size), unit)
    return counted(round(seconds), "second")


def counted(n: int, noun: str) -> str:
    """A number with its noun: `1 agreement`, `2 agreements`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def floored(share: float, places: int) -> Decimal:
    """A share cut, not rounded, to so many places: a part never counts as the whole, nor a miss as a hit."""
    return Decimal(repr(share)).quantize(Decimal(1).scaleb(-places), ROUND_FLOOR)


def percent(share: float) -> str:
    """A measured share as people read it, cut to one decimal: `99.6%`; only the whole is `100%`."""
    return exact_percent(float(floored(share, 3)))


def exact_percent(share: float) -> str:
    """A declared share with every decimal that it has: `99.5%`, `95%`."""
    return f"{(Decimal(repr(share)) * 100).normalize():f}%"


def listed(names: Sequence[str]) -> str:
    """Names as people list them: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
