"""What the trust publishes: domains and the agreements in them."""

from __future__ import annotations

from typing import Any

from policies.store.connect import Conn

__all__ = ["agreement", "agreements", "domain", "domains", "offers", "parties", "proposals"]


async def domains(conn: Conn) -> list[dict[str, Any]]:
    """Read all domains, in order of their names."""
    rows = await conn.fetch("SELECT body FROM policies.domains ORDER BY name")
    return [row["body"] for row in rows]


async def domain(conn: Conn, name: str) -> dict[str, Any] | None:
    """Read one domain."""
    found: dict[str, Any] | None = await conn.fetchval("SELECT body FROM policies.domains WHERE name = $1", name)
    return found


async def agreements(conn: Conn, domain_name: str | None = None) -> list[dict[str, Any]]:
    """Read the current agreements (of one domain), with their status now; applications in progress are not public."""
    rows = await conn.fetch(
        """
        SELECT body || jsonb_build_object('status', CASE WHEN status = 'active' AND valid_until <= now()
                                                         THEN 'expired' ELSE status END) AS body
        FROM policies.agreements
        WHERE current AND status NOT IN ('applied', 'offered') AND ($1::text IS NULL OR domain = $1)
        ORDER BY domain, uid
        """,
        domain_name,
    )
    return [row["body"] for row in rows]


async def offers(conn: Conn, domain_name: str | None = None) -> list[dict[str, Any]]:
    """Read the offers (of one domain) that one may apply to now."""
    rows = await conn.fetch(
        """
        SELECT body || '{"status": "offered"}' AS body FROM policies.agreements
        WHERE current AND status = 'offered' AND valid_until > now() AND ($1::text IS NULL OR domain = $1)
        ORDER BY domain, uid
        """,
        domain_name,
    )
    return [row["body"] for row in rows]


async def proposals(conn: Conn, domain_names: list[str], party: str) -> list[dict[str, Any]]:
    """Read the versions that wait for approval in these domains, and those of the party; oldest first."""
    rows = await conn.fetch(
        """
        SELECT body || jsonb_build_object('status', status) AS body FROM policies.agreements
        WHERE status = 'applied' AND NOT current AND (domain = ANY ($1) OR assignee = $2) ORDER BY applied_at
        """,
        domain_names,
        party,
    )
    return [row["body"] for row in rows]


async def agreement(conn: Conn, uid: str) -> dict[str, Any] | None:
    """Read the current version of an agreement as it was written, with its status now."""
    found: dict[str, Any] | None = await conn.fetchval(
        """
        SELECT source || jsonb_build_object('status', status) FROM policies.agreements
        WHERE uid = $1 AND current AND status <> 'applied'
        """,
        uid,
    )
    return found


async def parties(conn: Conn) -> dict[str, str]:
    """Read the parties' names."""
    return {row["party"]: row["name"] for row in await conn.fetch("SELECT party, name FROM policies.parties")}
