"""Charts as plain geometry; templates draw them as SVG, with a table of the same figures beside each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["Bar", "Line", "Strip", "bars", "line", "strips"]

_WIDTH = 600.0
_HEIGHT = 120.0


@dataclass(frozen=True, slots=True)
class Line:
    """A step line in a box of 600 by 120: its path, its scale, and where the target lies."""

    path: str
    low: float
    high: float
    target_y: float | None
    last_x: float
    last_y: float
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a history: stretches as (start, width, status, label), in shares of the window."""

    name: str
    stretches: tuple[tuple[float, float, bool, str], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its value, and its height as a share of the tallest."""

    label: str
    value: int
    share: float


def line(points: Sequence[Mapping[str, Any]], target: float | None = None) -> Line:
    """Measured shares over time; the scale starts below the lowest value or target, so that small changes show."""
    values = [float(p["value"]) for p in points] + ([target] if target is not None else [])
    low = max(0, math.floor(round((min(values) - 0.05) * 20, 6))) / 20
    first, last = points[0]["from"], max(points[-1]["to"], points[-1]["from"])
    span = max((last - first).total_seconds(), 1.0)

    def y(value: float) -> float:
        return round(_HEIGHT - (value - low) / max(1.0 - low, 0.01) * _HEIGHT, 2)

    def x(at: datetime) -> float:
        return round(float((at - first).total_seconds() / span * _WIDTH), 2)

    steps = []
    for i, point in enumerate(points):
        until = points[i + 1]["from"] if i + 1 < len(points) else last
        steps.append(f"{'L' if i else 'M'}{x(point['from'])} {y(point['value'])}H{max(x(until), 2.0 if not i else 0)}")
    if span <= 1.0:
        steps = [f"M0 {y(values[0])}H{_WIDTH:g}"]
    return Line(
        "".join(steps),
        low,
        1.0,
        y(target) if target is not None else None,
        _WIDTH,
        y(float(points[-1]["value"])),
        first,
        last,
    )


def strips(runs: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime | None = None) -> tuple[Strip, ...]:
    """What each gate found over time, each row over the same window."""
    now = now or datetime.now(UTC)
    first = min((each[0]["from"] for each in runs.values() if each), default=now)
    span = max((now - first).total_seconds(), 1.0)
    found = []
    for name, each in runs.items():
        stretches = []
        for i, run in enumerate(each):
            until = each[i + 1]["from"] if i + 1 < len(each) else run["to"]
            start = (run["from"] - first).total_seconds() / span
            width = max((until - run["from"]).total_seconds() / span, 0.004)
            stretches.append((round(start, 4), round(width, 4), bool(run["passed"]), str(run["reason"])))
        found.append(Strip(name, tuple(stretches)))
    return tuple(found)


def bars(counts: Mapping[str, int]) -> tuple[Bar, ...]:
    """Counts as bars, in the order given."""
    top = max(counts.values(), default=0) or 1
    return tuple(Bar(label, n, round(n / top, 4)) for label, n in counts.items())
