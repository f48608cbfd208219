"""The register's entries by version: never changed, only followed by a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.register import System
from catalog.store.connect import Conn

__all__ = ["Entry", "changed", "history", "newest", "save"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an entry."""

    id: str
    version: int
    body: dict[str, Any]
    at: datetime


async def newest(conn: Conn) -> list[Entry]:
    """The newest version of each entry, by id."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (id) id, version, entry, at FROM catalog.systems ORDER BY id, version DESC"
    )
    return [Entry(row["id"], row["version"], row["entry"], row["at"]) for row in rows]


async def history(conn: Conn, id_: str) -> list[Entry]:
    """All versions of an entry, the newest first."""
    rows = await conn.fetch(
        "SELECT id, version, entry, at FROM catalog.systems WHERE id = $1 ORDER BY version DESC", id_
    )
    return [Entry(row["id"], row["version"], row["entry"], row["at"]) for row in rows]


async def changed(conn: Conn, systems: Sequence[System]) -> list[tuple[int, System]]:
    """The entries that differ from what stands, with the version that they would be."""
    known = {e.id: e for e in await newest(conn)}
    found = []
    for system in systems:
        entry = known.get(system.id)
        if entry is None or entry.body != system.model_dump(mode="json"):
            found.append((entry.version + 1 if entry else 1, system))
    return found


async def save(conn: Conn, system: System, version: int) -> bool:
    """Add a version; False where another process was first."""
    return bool(
        await conn.fetchval(
            "INSERT INTO catalog.systems (id, version, entry, at) VALUES ($1, $2, $3, now()) "
            "ON CONFLICT DO NOTHING RETURNING true",
            system.id,
            version,
            system.model_dump(mode="json"),
        )
    )
