"""The register's entries by version: never changed, only followed by a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from catalog.register import System
from catalog.store.connect import Conn

__all__ = ["Entry", "Source", "Writer", "changed", "history", "newest", "only_writer", "save"]

Source: TypeAlias = Literal["file", "api"]

_COLUMNS = "id, version, entry, at, entered_by, source, note, receipt"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who entered a version, from where, why, and the receipt of its audit record."""

    party: str
    source: Source
    note: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an entry."""

    id: str
    version: int
    body: dict[str, Any]
    at: datetime
    writer: Writer


def _entry(row: Any) -> Entry:
    # Versions from before writers were kept are of files, entered for their owners.
    party = row["entered_by"] or row["entry"]["owner"]
    writer = Writer(party, row["source"], row["note"], row["receipt"])
    return Entry(row["id"], row["version"], row["entry"], row["at"], writer)


async def newest(conn: Conn, source: Source | None = None) -> list[Entry]:
    """The newest version of each entry, by id; of those from one source, if one is named."""
    rows = await conn.fetch(
        f"SELECT DISTINCT ON (id) {_COLUMNS} FROM catalog.systems "  # noqa: S608 - our own columns
        "WHERE $1::text IS NULL OR source = $1 ORDER BY id, version DESC",
        source,
    )
    return [_entry(row) for row in rows]


async def history(conn: Conn, id_: str) -> list[Entry]:
    """All versions of an entry, the newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM catalog.systems WHERE id = $1 ORDER BY version DESC",  # noqa: S608 - our own columns
        id_,
    )
    return [_entry(row) for row in rows]


async def changed(conn: Conn, systems: Sequence[System]) -> list[tuple[int, System]]:
    """The files that differ from what they said last, with the version that they would be. A file that stays as it is
    undoes nothing that was entered by the API since."""
    said = {e.id: e for e in await newest(conn, "file")}
    versions = {e.id: e.version for e in await newest(conn)}
    found = []
    for system in systems:
        entry = said.get(system.id)
        if entry is None or entry.body != system.model_dump(mode="json"):
            found.append((versions.get(system.id, 0) + 1, system))
    return found


async def only_writer(conn: Conn, id_: str) -> None:
    """Wait until nobody else writes this entry; it holds until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('catalog.systems/' || $1, 0))", id_)


async def save(conn: Conn, system: System, version: int, writer: Writer) -> bool:
    """Add a version; False where another process was first."""
    return bool(
        await conn.fetchval(
            "INSERT INTO catalog.systems (id, version, entry, at, entered_by, source, note, receipt) "
            "VALUES ($1, $2, $3, now(), $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true",
            system.id,
            version,
            system.model_dump(mode="json"),
            writer.party,
            writer.source,
            writer.note,
            writer.receipt,
        )
    )
