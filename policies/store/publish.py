"""Read who may publish what."""

from __future__ import annotations

from typing import Any

from policies.store.connect import Conn

__all__ = ["publishing"]


async def publishing(conn: Conn) -> list[dict[str, Any]]:
    """Give tenant, domain, types and feeds of every permission to publish that is in force now."""
    rows = await conn.fetch(
        """
        SELECT a.tenant, a.domain, p -> 'target' -> 'types' AS types, p -> 'target' -> 'feeds' AS feeds
        FROM policies.agreements a, jsonb_array_elements(a.body -> 'permission') p
        WHERE a.current AND a.status = 'active' AND now() >= a.valid_from AND now() < a.valid_until
          AND p -> 'action' ? 'publish'
        ORDER BY a.uid
        """
    )
    return [dict(row) for row in rows]
