"""The running periods of quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.store.connect import Conn

__all__ = ["Use", "add"]


@dataclass(frozen=True, slots=True)
class Use:
    """So many requests under an agreement in one period."""

    agreement: str
    allowed: int
    begin: datetime
    end: datetime
    used: int


async def add(conn: Conn, uses: Sequence[Use]) -> None:
    """Add uses to their periods, agreements in one order so that writers do not wait in a circle."""
    await conn.execute(
        """
        INSERT INTO policies.duties AS d (agreement, kind, period, period_end, allowed, used)
        SELECT agreement, 'quota', period, period_end, max(allowed), sum(used)
        FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::bigint[])
            AS u (agreement, period, period_end, allowed, used)
        GROUP BY agreement, period, period_end
        ORDER BY agreement, period
        ON CONFLICT (agreement, kind, period) DO UPDATE SET used = d.used + excluded.used
        """,
        [use.agreement for use in uses],
        [use.begin for use in uses],
        [use.end for use in uses],
        [use.allowed for use in uses],
        [use.used for use in uses],
    )
