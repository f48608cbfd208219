"""Access keys in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.store.connect import Conn

__all__ = ["AccessKey", "find", "insert", "listed", "revoke", "use"]

_COLUMNS = (
    "id, hash, party, tier, agreement, purpose, label, tenant, domain, created_by, created_at, expires_at, used_at, "
    "revoked_by, revoked_at"
)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key as stored: its secret part is known to its holder alone."""

    id: str
    hash: bytes
    party: str
    tier: str
    agreement: str
    purpose: str
    label: str
    tenant: str
    domain: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_by: str | None = None
    revoked_at: datetime | None = None


async def insert(conn: Conn, key: AccessKey) -> None:
    """Store a new key."""
    await conn.execute(
        "INSERT INTO policies.access_keys (id, hash, party, tier, agreement, purpose, label, tenant, domain, "
        "created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        key.id,
        key.hash,
        key.party,
        key.tier,
        key.agreement,
        key.purpose,
        key.label,
        key.tenant,
        key.domain,
        key.created_by,
        key.created_at,
        key.expires_at,
    )


async def find(conn: Conn, key_id: str) -> AccessKey | None:
    """Read a key by its public part."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM policies.access_keys WHERE id = $1",  # noqa: S608 - our own names
        key_id,
    )
    return AccessKey(**row) if row is not None else None


async def listed(conn: Conn, party: str | None, domains: Sequence[str]) -> list[AccessKey]:
    """Read the keys of a party (None: of all) and of domains, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM policies.access_keys "  # noqa: S608 - our own names
        "WHERE $1::text IS NULL OR party = $1 OR domain = ANY ($2::text[]) ORDER BY created_at DESC, id",
        party,
        list(domains),
    )
    return [AccessKey(**row) for row in rows]


async def revoke(conn: Conn, key_id: str, by: str) -> bool:
    """End a key; False where it has ended before. The statement tells every worker."""
    done: Any = await conn.fetchval(
        "UPDATE policies.access_keys SET revoked_at = now(), revoked_by = $2 "
        "WHERE id = $1 AND revoked_at IS NULL RETURNING true",
        key_id,
        by,
    )
    return bool(done)


async def use(conn: Conn, key_ids: Sequence[str]) -> None:
    """Note that keys have been used, at most once an hour each."""
    await conn.execute(
        "UPDATE policies.access_keys SET used_at = date_trunc('hour', now()) "
        "WHERE id = ANY ($1::text[]) AND (used_at IS NULL OR used_at < date_trunc('hour', now()))",
        list(key_ids),
    )
