"""Tenants: which exist, and in which schema (CIM 009 V1.9.1, 4.14, 5.5.10)."""

from __future__ import annotations

from broker.store.named import load
from broker.store.pool import Pool

__all__ = ["Tenants"]

_SQL = load("tenants")


class Tenants:
    """The schemas of tenants, remembered: a tenant that exists never goes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._schemas: dict[str, str] = {}

    def known(self, tenant: str) -> str | None:
        """Give the tenant's schema if it is remembered; no I/O."""
        return self._schemas.get(tenant)

    async def schema(self, tenant: str) -> str | None:
        """Give the tenant's schema, None if there is no such tenant."""
        found = self._schemas.get(tenant)
        if found is None:
            async with self._pool.lend(None) as conn:
                found = await conn.fetchval(_SQL["schema"], tenant)
            if found is not None:
                self._schemas[tenant] = found
        return found

    async def create(self, tenant: str) -> str:
        """Make the tenant if it does not exist; give its schema."""
        async with self._pool.tx(None) as conn:
            schema: str = await conn.fetchval(_SQL["create"], tenant)
        self._schemas[tenant] = schema
        return schema
