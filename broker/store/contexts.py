"""Fetched JSON-LD contexts, kept for a start with the network off (CIM 009 V1.9.1, 5.5.5)."""

from __future__ import annotations

from broker.store.named import load
from broker.store.pool import Pool

__all__ = ["ContextStorage"]

_SQL = load("contexts")


class ContextStorage:
    """The durable storage of `broker.ld.contexts.Contexts`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load_context(self, url: str) -> bytes | None:
        """Return the document stored for this URL, None if there is none."""
        async with self._pool.lend(None) as conn:
            found: str | None = await conn.fetchval(_SQL["load"], url)
        return found.encode() if found is not None else None

    async def store_context(self, url: str, body: bytes) -> None:
        """Keep the document of this URL, in the place of what was there."""
        async with self._pool.lend(None) as conn:
            await conn.execute(_SQL["store"], url, body.decode())
