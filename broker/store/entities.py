"""The rows of entities that the write engine locks and writes, one statement per table."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from broker.core.patch import Row, Tombstone
from broker.store.named import load
from broker.store.pool import Conn

__all__ = [
    "ROW_SEPARATOR",
    "SEPARATOR",
    "Geometry",
    "bury",
    "exhume",
    "insert",
    "lock",
    "place",
    "remove",
    "settle",
    "untype",
    "update",
]

_SQL = load("entities")

SEPARATOR = "\x1f"
ROW_SEPARATOR = "\x1e"
_NULL = "\x1d"
_joined = ROW_SEPARATOR.join

Geometry: TypeAlias = bytes | None
"""EWKB of a geometry, None where there is none."""


async def lock(conn: Conn, ids: Sequence[str], now: datetime) -> tuple[dict[str, Row], dict[str, Tombstone]]:
    """Lock and read entities (`ids` sorted), and the tombstones of those that are absent.

    What has expired is removed and counts as absent; its version lives on in a tombstone with no floor.
    """
    rows: dict[str, Row] = {}
    tombstones: dict[str, Tombstone] = {}
    for record in await conn.fetch(_SQL["lock"], _joined(ids)):
        row = _row(record)
        if row.expires_at is not None and row.expires_at <= now:
            tombstones[row.id] = Tombstone(("", "", ""), row.version)
        else:
            rows[row.id] = row
    if tombstones:
        await remove(conn, list(tombstones), now)
    absent = [one for one in ids if one not in rows and one not in tombstones]
    if absent:
        for record in await conn.fetch(_SQL["tombstones"], _joined(absent)):
            tombstones[record[0]] = _tombstone(record)
    return rows, tombstones


def _row(record: Any) -> Row:
    """Read a row; its arrays come joined, as the driver reads a text many times faster than an array."""
    entity_id, types, scopes, names, segs, vals, meta, created_at, modified_at, version, expires_at = record
    return Row(
        entity_id,
        _split(types),
        scopes,
        _split(names),
        _split(segs),
        orjson.loads(vals),
        orjson.loads(meta),
        created_at,
        modified_at,
        version,
        expires_at,
    )


def _split(joined: str) -> list[str]:
    return joined.split(SEPARATOR) if joined else []


def _tombstone(record: Any) -> Tombstone:
    observed, received, event = record[1]
    return Tombstone((observed, received, event), record[2])


async def insert(conn: Conn, rows: Sequence[tuple[Row, Geometry]]) -> set[str]:
    """Insert new entities with their location; return the ids that nobody else had inserted before."""
    return {record[0] for record in await conn.fetch(_SQL["insert"], *_columns(rows))}


async def exhume(conn: Conn, ids: Sequence[str]) -> dict[str, Tombstone]:
    """Remove the tombstones of entities that exist again; return them."""
    return {record[0]: _tombstone(record) for record in await conn.fetch(_SQL["exhume"], _joined(ids))}


async def update(conn: Conn, rows: Sequence[tuple[Row, Geometry]], moved: Container[str]) -> None:
    """Write changed entities; the location is written for the ids in `moved` only."""
    if rows:
        await conn.execute(
            _SQL["update"], *_columns(rows), _joined(["1" if row.id in moved else "0" for row, _ in rows])
        )


def _columns(rows: Sequence[tuple[Row, Geometry]]) -> tuple[str, ...]:
    """Lay rows out as the columns that the statements unnest, each joined to one text.

    The driver inspects every element of an array; a text it takes as it is. Neither an IRI nor a JSON text can hold the
    control characters that part elements (U+001F) and rows (U+001E) and stand for NULL (U+001D).
    """
    shown: dict[datetime, str] = {}
    for row, _ in rows:
        for instant in (row.created_at, row.modified_at):
            if instant not in shown:
                shown[instant] = instant.isoformat()
    return (
        _joined([row.id for row, _ in rows]),
        _joined([SEPARATOR.join(row.types) for row, _ in rows]),
        _joined([_NULL if row.scopes is None else _array(row.scopes) for row, _ in rows]),
        _joined([SEPARATOR.join(row.names) for row, _ in rows]),
        _joined([SEPARATOR.join(row.segs) for row, _ in rows]),
        _joined([orjson.dumps(row.vals).decode() for row, _ in rows]),
        _joined([_NULL if location is None else location.hex() for _, location in rows]),
        _joined([orjson.dumps(row.meta).decode() for row, _ in rows]),
        _joined([shown[row.created_at] for row, _ in rows]),
        _joined([shown[row.modified_at] for row, _ in rows]),
        _joined([_NULL if row.expires_at is None else row.expires_at.isoformat() for row, _ in rows]),
        _joined([str(row.version) for row, _ in rows]),
    )


def _array(texts: Iterable[str]) -> str:
    """Write an array of any texts as PostgreSQL reads it."""
    escaped = (one.replace("\\", "\\\\").replace('"', '\\"') for one in texts)
    return "{" + ",".join(f'"{one}"' for one in escaped) + "}"


async def remove(conn: Conn, ids: Sequence[str], at: datetime | None) -> None:
    """Remove entities with their side rows; keep what is to be known of those that went `at` an instant.

    None: nobody has seen them.
    """
    if ids:
        await conn.execute(_SQL["remove"], ids, at)


async def bury(conn: Conn, tombstones: Iterable[tuple[str, Tombstone]]) -> None:
    """Keep what is left of entities that are gone."""
    rows = [(one, list(left.floor), left.version) for one, left in tombstones]
    if rows:
        await conn.executemany(_SQL["bury"], rows)


async def untype(conn: Conn, dropped: Sequence[tuple[str, str]]) -> None:
    """Drop pairs of (type, id) from the side table of types."""
    if dropped:
        await conn.execute(_SQL["drop_types"], [pair[0] for pair in dropped], [pair[1] for pair in dropped])


async def place(conn: Conn, geometries: Iterable[tuple[str, str, Geometry]]) -> None:
    """Keep the geometries of GeoProperties other than `location`; (id, attribute, EWKB or None to drop)."""
    keep: list[tuple[str, str, bytes]] = []
    drop: list[tuple[str, str]] = []
    for one, attr, geometry in geometries:
        if geometry is None:
            drop.append((one, attr))
        else:
            keep.append((one, attr, geometry))
    if drop:
        await conn.execute(_SQL["drop_geometries"], [one[0] for one in drop], [one[1] for one in drop])
    if keep:
        columns = [list(column) for column in zip(*keep, strict=True)]
        await conn.execute(_SQL["add_geometries"], *columns)


async def settle(
    conn: Conn, tenant: str, ids: Sequence[str], types: Sequence[tuple[str, str]], events: Sequence[tuple[str, str]]
) -> dict[str, Tombstone]:
    """Keep the side table of types (type, id), and owe change events (entity, payload) to the relay.

    `ids`: entities just inserted, whose tombstone nobody knew of. Those that have one are returned, without it, and
    nothing is kept or owed for them.
    """
    columns = [_joined(column) for column in (*_pairs(types), *_pairs(events))]
    if ids:
        records = await conn.fetch(_SQL["settle"], tenant, *columns, _joined(ids))
        return {record[0]: _tombstone(record) for record in records}
    if events or types:
        await conn.execute(_SQL["tell"], tenant, *columns)
    return {}


def _pairs(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [one for one, _ in pairs], [other for _, other in pairs]
