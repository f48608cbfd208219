"""Counts of use, and the sealed records that they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from policies.store.connect import Conn

__all__ = [
    "add",
    "by",
    "counted",
    "domain_of_agreements",
    "public_days",
    "records",
    "requesters",
    "set_counted",
    "types_of_domains",
]


async def counted(conn: Conn) -> int:
    """Read how many leaves are counted, and lock it: one counts at a time."""
    found: int = await conn.fetchval("SELECT seq FROM policies.usage_counted FOR UPDATE")
    return found


async def set_counted(conn: Conn, seq: int) -> None:
    """Write down how many leaves are counted."""
    await conn.execute("UPDATE policies.usage_counted SET seq = $1", seq)


async def records(conn: Conn, first: int, most: int) -> list[tuple[int, str | None]]:
    """Read sealed records from a place on; None for one that has been erased."""
    rows = await conn.fetch(
        "SELECT seq, record FROM policies.audit_leaf WHERE seq >= $1 ORDER BY seq LIMIT $2", first, most
    )
    return [(row["seq"], row["record"]) for row in rows]


async def domain_of_agreements(conn: Conn) -> dict[str, str]:
    """Read the domain of each agreement."""
    return {
        row["uid"]: row["domain"] for row in await conn.fetch("SELECT DISTINCT uid, domain FROM policies.agreements")
    }


async def types_of_domains(conn: Conn) -> dict[str, set[str]]:
    """Read the short names of each domain's types."""
    rows = await conn.fetch(
        """
        SELECT domain, array_agg(regexp_replace(type, '^.*[/#]', '')) AS types FROM policies.domain_types
        GROUP BY domain
        """
    )
    return {row["domain"]: set(row["types"]) for row in rows}


async def add(conn: Conn, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add counts to their hours."""
    columns = list(zip(*rows, strict=True)) or [()] * 10
    await conn.execute(
        """
        INSERT INTO policies.usage AS u
            (hour, tenant, domain, agreement, party, purpose, action, outcome, requests, entities)
        SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::text[], $9::bigint[], $10::bigint[])
        ON CONFLICT (hour, tenant, domain, agreement, party, purpose, action, outcome)
        DO UPDATE SET requests = u.requests + excluded.requests, entities = u.entities + excluded.entities
        """,
        *[list(column) for column in columns],
    )


async def by(conn: Conn, column: str, domains: Sequence[str], since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Sum up use by a column: agreement, party, purpose, domain, action, outcome, or by day or hour."""
    names = {
        "agreement": "agreement",
        "party": "party",
        "purpose": "purpose",
        "domain": "domain",
        "action": "action",
        "outcome": "outcome",
        "day": "date_trunc('day', hour, 'UTC')",
        "hour": "hour",
    }
    chosen = names[column]
    each = "<>" if column == "agreement" else "="
    rows = await conn.fetch(
        f"""
        SELECT {chosen} AS key, sum(requests)::bigint AS requests, sum(entities)::bigint AS entities,
               coalesce(sum(requests) FILTER (WHERE outcome = 'denied'), 0)::bigint AS denied
        FROM policies.usage
        WHERE domain = ANY ($1) AND agreement {each} '' AND hour >= $2 AND hour < $3
        GROUP BY 1 ORDER BY 1
        """,  # noqa: S608 - from the closed list above
        list(domains),
        since,
        until,
    )
    return [dict(row) for row in rows]


async def public_days(conn: Conn, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Sum up what was allowed by domain, purpose and day, with how many parties it was."""
    rows = await conn.fetch(
        """
        SELECT domain, purpose, date_trunc('day', hour, 'UTC') AS day, sum(requests)::bigint AS requests,
               count(DISTINCT party) AS parties
        FROM policies.usage
        WHERE domain <> '' AND agreement = '' AND outcome = 'allowed' AND hour >= $1 AND hour < $2
        GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
        """,
        since,
        until,
    )
    return [dict(row) for row in rows]


async def requesters(conn: Conn, last: int) -> list[dict[str, Any]]:
    """Read who asked for what in the last audited decisions, sealed or not: the distinct askers, with how often."""
    rows = await conn.fetch(
        """
        WITH recent AS (
            (SELECT record::jsonb AS r, 1 AS late, 0 AS seq FROM policies.audit_pending WHERE record IS NOT NULL
             ORDER BY at DESC LIMIT $1)
            UNION ALL
            (SELECT record::jsonb, 0, seq FROM policies.audit_leaf WHERE record IS NOT NULL ORDER BY seq DESC LIMIT $1)
        ), latest AS (
            SELECT r FROM recent WHERE r ->> 'door' <> 'steward' AND r ->> 'outcome' <> 'error'
            ORDER BY late DESC, seq DESC LIMIT $1
        )
        SELECT r ->> 'caller' AS party, coalesce(nullif(r ->> 'tier', ''), 'public') AS tier,
               coalesce(r -> 'roles', '[]') AS roles, r ->> 'purpose' AS purpose, r ->> 'action' AS action,
               r ->> 'tenant' AS tenant, count(*) AS requests, min(r ->> 'at') AS since, max(r ->> 'at') AS until
        FROM latest GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7 DESC, 1, 4, 5
        """,
        last,
    )
    return [dict(row) for row in rows]
