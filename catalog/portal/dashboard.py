"""How data are used, summed for the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.dataset import local_name, words

__all__ = ["Summary", "summary"]

_DAYS = 30


@dataclass(frozen=True, slots=True)
class Summary:
    """Requests by day (the newest thirty), by domain and by purpose, each split into allowed and refused."""

    days: dict[str, int]
    refused: dict[str, int]
    domains: tuple[tuple[str, int, int, int], ...]
    purposes: tuple[tuple[str, int, int], ...]
    requests: int
    entities: int
    denied: int


def summary(rows: Sequence[Mapping[str, Any]]) -> Summary:
    """Sum the rows of `/use`. Domains are (name, allowed, refused, entities); purposes (words, allowed, refused)."""
    days: dict[str, int] = {}
    refused: dict[str, int] = {}
    domains: dict[str, list[int]] = {}
    purposes: dict[str, list[int]] = {}
    for row in rows:
        n, no = row["requests"], int(row["outcome"] != "allowed")
        days[row["day"]] = days.get(row["day"], 0) + n
        refused[row["day"]] = refused.get(row["day"], 0) + n * no
        of = domains.setdefault(row["domain"], [0, 0, 0])
        of[no] += n
        of[2] += row["entities"] or 0
        said = words(local_name(row["purpose"] or ""))
        purposes.setdefault(said, [0, 0])[no] += n
    newest = sorted(days)[-_DAYS:]
    return Summary(
        {d: days[d] for d in newest},
        {d: refused[d] for d in newest},
        tuple((name, a, b, c) for name, (a, b, c) in sorted(domains.items(), key=lambda item: -sum(item[1][:2]))),
        tuple((name, a, b) for name, (a, b) in sorted(purposes.items(), key=lambda item: -sum(item[1]))),
        sum(days.values()),
        sum(row["entities"] or 0 for row in rows),
        sum(refused.values()),
    )
