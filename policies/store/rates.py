"""The shared levels of agreed rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.store.connect import Conn

__all__ = ["Poured", "pour"]

_POUR = """
INSERT INTO policies.rates AS r (agreement, value, level, per_s, at)
SELECT u.agreement, u.value, u.poured, u.per_s, clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[]) AS u (agreement, value, poured, per_s)
ORDER BY u.agreement, u.value
ON CONFLICT (agreement, value) DO UPDATE SET
    level = greatest(0, r.level - r.per_s * greatest(0, extract(epoch FROM excluded.at - r.at))) + excluded.level,
    at = excluded.at
RETURNING agreement, value, level
"""


@dataclass(frozen=True, slots=True)
class Poured:
    """So many requests added to the bucket of an agreement's rate."""

    agreement: str
    value: str
    requests: float
    per_s: float


async def pour(conn: Conn, added: Sequence[Poured]) -> dict[tuple[str, str], float]:
    """Add what this process let in, and read how full the buckets are with what all processes let in."""
    rows = await conn.fetch(
        _POUR,
        [one.agreement for one in added],
        [one.value for one in added],
        [float(one.requests) for one in added],
        [one.per_s for one in added],
    )
    return {(row["agreement"], row["value"]): row["level"] for row in rows}
