"""Metadata quality as it was scored, with its history: one row per run of equal scores of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.mqa import Score
from catalog.store.connect import Conn
from catalog.store.named import statement

__all__ = ["Scored", "history", "save"]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score that held from a first to a last scoring."""

    score: Score
    first_at: datetime
    last_at: datetime
    current: bool


async def save(conn: Conn, scores: Mapping[str, Score], at: datetime) -> None:
    """Keep the scores of these datasets, by their ids (`domain/slug`)."""
    given = [
        {"dataset": id_, "domain": id_.partition("/")[0], "total": s.total, "fulfilled": sorted(s.fulfilled)}
        for id_, s in scores.items()
    ]
    async with conn.transaction():
        await conn.execute(statement("close_scores"), given)
        await conn.execute(statement("save_scores"), given, at)


async def history(conn: Conn, domain: str, since: datetime) -> dict[str, Sequence[Scored]]:
    """The scores of each dataset of a domain since a moment, in order of time."""
    found: dict[str, list[Scored]] = {}
    for row in await conn.fetch(statement("load_scores"), domain, since):
        score = Score(row["dataset"], frozenset(row["fulfilled"]))
        found.setdefault(row["dataset"], []).append(Scored(score, row["first_at"], row["last_at"], row["current"]))
    return dict(found)
