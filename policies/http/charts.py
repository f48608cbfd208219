"""A bar chart as numbers for the page to draw: no script, no style, readable without either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log10

from policies.language import Language

__all__ = ["HEIGHT", "WIDTH", "Bar", "Chart", "bars"]

WIDTH, HEIGHT = 960.0, 220.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: place and size, the part of it that was refused, and what it says."""

    x: float
    width: float
    y: float
    height: float
    refused: float
    label: str
    requests: int
    denied: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, lines of the scale, and the first and last moment."""

    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, str], ...]
    first: str
    last: str


def _top(most: int) -> int:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10 ** int(log10(most)) if most else 1
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most)


def bars(points: Sequence[tuple[str, int, int]], hourly: bool, lang: Language) -> Chart | None:
    """Lay out (moment, requests, of which refused) for readers of a language; None without any."""
    if not points:
        return None
    top = _top(max(requests for _, requests, _ in points))
    slot = WIDTH / max(len(points), 8)
    found = []
    for n, (moment, requests, denied) in enumerate(points):
        height = HEIGHT * requests / top
        label = lang.moment(datetime.fromisoformat(moment), "d MMM, HH:mm" if hourly else "d MMM y")
        refused = HEIGHT * denied / top
        found.append(
            Bar(
                round(n * slot + slot * 0.12, 2), round(slot * 0.76, 2), round(HEIGHT - height, 2), round(height, 2),
                round(refused, 2), label, requests, denied,
            )
        )  # fmt: skip
    steps = 4 if top >= 4 else top
    lines = tuple((round(HEIGHT - HEIGHT * n / steps, 2), lang.number(ceil(top * n / steps))) for n in range(steps + 1))
    return Chart(tuple(found), lines, found[0].label, found[-1].label)
