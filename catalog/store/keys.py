"""The public keys that have signed verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.store.connect import Conn

__all__ = ["publish", "published"]


async def publish(conn: Conn, kid: str, jwk: Mapping[str, Any]) -> None:
    """Add a key; one that is published already stays."""
    await conn.execute("INSERT INTO catalog.keys (kid, jwk) VALUES ($1, $2) ON CONFLICT DO NOTHING", kid, jwk)


async def published(conn: Conn) -> list[dict[str, Any]]:
    """All keys, the oldest first."""
    return [row["jwk"] for row in await conn.fetch("SELECT jwk FROM catalog.keys ORDER BY since, kid")]
