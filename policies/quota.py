"""What has been used of a licence's quota: counted in memory, added to the database a few times a second.

A quota is N requests per period; periods begin at multiples of their length since 1970-01-01Z. When the count reaches
N a trigger raises the revision, and the next decision refuses until the period ends. Between two additions requests
of up to one beat may pass beyond N.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from policies.decision import Decision
from policies.durations import parse
from policies.store.connect import Conn
from policies.store.quota import Use, add

__all__ = ["Usage", "period_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def period_of(value: str, now: datetime) -> tuple[int, datetime, datetime]:
    """Read `10000/P1D`: how many, and the period that `now` lies in."""
    allowed, _, length = value.partition("/")
    span: timedelta = parse(length)
    begin = _EPOCH + (now - _EPOCH) // span * span
    return int(allowed), begin, begin + span


class Usage:
    """Counts uses until they are written."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, decision: Decision, requests: int) -> None:
        """Count requests made under a decision."""
        for duty in decision.duties:
            if duty.kind == "quota":
                self._counts[duty.agreement, duty.value] += requests

    async def write(self, conn: Conn, now: datetime) -> None:
        """Add what was counted; on an error it is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        uses = [Use(agreement, *period_of(value, now), used) for (agreement, value), used in sorted(counts.items())]
        try:
            await add(conn, uses)
        except BaseException:
            self._counts.update(counts)
            raise
