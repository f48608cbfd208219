"""Agreements in the database: what a decision reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policies.store.connect import Conn

__all__ = ["Concerning", "concerning"]

_CONCERNING = """
SELECT r.revision,
       d.names AS domains,
       a.agreements
FROM policies.revision r
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(a.body || jsonb_build_object('status', a.status, 'spent', u.until IS NOT NULL)
                              || CASE WHEN u.until IS NULL THEN '{}' ELSE jsonb_build_object('spent_until',
                                 to_char(u.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END
                              ORDER BY a.uid), '[]') AS agreements
    FROM policies.agreements a
    LEFT JOIN LATERAL (
        SELECT max(q.period_end) AS until
        FROM policies.duties q
        WHERE q.agreement = a.uid AND q.kind = 'quota' AND q.period_end > now() AND q.used >= q.allowed
    ) u ON true
    WHERE a.current AND a.tenant = $2 AND a.assignee = ANY ($1) AND a.status NOT IN ('offered', 'applied')
) a
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(name ORDER BY name), '{}') AS names FROM policies.domains WHERE tenant = $2
) d
"""


@dataclass(frozen=True, slots=True)
class Concerning:
    """The agreements that concern a caller in a tenant, at one revision, and the tenant's domains."""

    revision: int
    agreements: list[dict[str, Any]]
    domains: list[str]


async def concerning(conn: Conn, party: str, tier: str, tenant: str) -> Concerning:
    """Read the current agreements of the party, of its tier and of the public, with the revision they belong to."""
    assignees = [party, f"tier:{tier}", "tier:public"]
    row = await conn.fetchrow(_CONCERNING, assignees, tenant)
    if row is None:
        raise LookupError("policies.revision has no row: run the migrations")
    return Concerning(row["revision"], row["agreements"], list(row["domains"]))
