"""How data are used, in numbers: the newest records of the log counted by party, domain, purpose and outcome.

No record leaves the log here, and nothing of a person: parties are organisations, and the public is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from policies.store.connect import Conn

__all__ = ["Use", "counted"]


@dataclass(frozen=True, slots=True)
class Use:
    """How many requests of a party there were on a day, in a domain, for a purpose, with an outcome."""

    day: date
    party: str
    domain: str | None
    purpose: str
    action: str
    outcome: str
    requests: int
    entities: int


async def counted(conn: Conn, most: int = 100_000) -> list[Use]:
    """Count the newest `most` sealed records. The domain is that of the type that was asked for, else
    the one of all agreements that applied; a request of which neither says it, such as one by id, has none."""
    rows = await conn.fetch(
        """
        WITH newest AS (
            SELECT record::jsonb AS r FROM policies.audit_leaf
            WHERE record IS NOT NULL AND seq > (SELECT max(seq) FROM policies.audit_leaf) - $1::bigint
        ), used AS (
            SELECT r, coalesce(
                (SELECT t.domain FROM policies.domain_types t WHERE t.tenant = r ->> 'tenant'
                   AND t.type = split_part(substring(r ->> 'request' from '[?&]type=([^& ]+)'), ',', 1)),
                (SELECT min(a.domain) FROM policies.agreements a
                 WHERE a.current AND a.uid IN (SELECT e ->> 0 FROM jsonb_array_elements(r -> 'agreements') e)
                 HAVING count(DISTINCT a.domain) = 1)) AS domain
            FROM newest WHERE r ->> 'door' <> 'steward'
        )
        SELECT left(r ->> 'at', 10)::date AS day, r ->> 'caller' AS party, domain, r ->> 'purpose' AS purpose,
               r ->> 'action' AS action, r ->> 'outcome' AS outcome, count(*) AS requests,
               sum((r ->> 'entities')::bigint)::bigint AS entities
        FROM used GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        """,
        most,
    )
    return [Use(*row.values()) for row in rows]
