"""What feeds may publish, as the agreements in force say, and the tenants there are."""

from __future__ import annotations

import orjson

from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["grants", "schemas"]

_SQL = load("admission")


async def grants(conn: Conn) -> dict[tuple[str, str, str], frozenset[str]]:
    """Return the types that each (feed, tenant, domain) may publish."""
    found: dict[tuple[str, str, str], frozenset[str]] = {}
    for row in await conn.fetch(_SQL["publish"]):
        types = frozenset(orjson.loads(row["types"] or "[]"))
        for feed in orjson.loads(row["feeds"] or "[]"):
            key = (feed, row["tenant"], row["domain"])
            found[key] = found.get(key, frozenset()) | types
    return found


async def schemas(conn: Conn) -> dict[str, str]:
    """Return the schema of each tenant."""
    return {row["tenant"]: row["schema"] for row in await conn.fetch(_SQL["tenants"])}
