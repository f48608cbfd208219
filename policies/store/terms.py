"""What the trust publishes: domains and the agreements in them."""

from __future__ import annotations

from typing import Any

from policies.store.connect import Conn

__all__ = ["agreement", "agreements", "domain", "domains", "parties"]


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
        WHERE current AND status <> 'applied' AND ($1::text IS NULL OR domain = $1)
        ORDER BY domain, uid
        """,
        domain_name,
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
