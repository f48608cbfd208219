"""Stored JSON-LD contexts: fetched ones, for a start with the network off, and hosted ones (CIM 009, 5.5.5, 5.13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from broker.store.named import load
from broker.store.pool import Conn, Pool

__all__ = [
    "KINDS",
    "PATH",
    "ContextStorage",
    "Entry",
    "Kind",
    "count",
    "entries",
    "host",
    "keep",
    "one",
    "remove",
    "sweep",
    "use",
]

Kind: TypeAlias = Literal["Cached", "Hosted", "ImplicitlyCreated"]

KINDS: Final[tuple[Kind, ...]] = ("Cached", "Hosted", "ImplicitlyCreated")
PATH: Final = "/ngsi-ld/v1/jsonldContexts/"
"""Where the broker serves what it hosts; such a context's `url` is this and its local id."""

_SQL = load("contexts")
_MOST_WATCHED: Final = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored context without its content."""

    url: str
    local_id: str
    kind: Kind
    party: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used: datetime | None
    hits: int


class ContextStorage:
    """The durable storage of `broker.ld.contexts.Contexts`. `own_url`: where the broker is reached, without a path."""

    def __init__(self, pool: Pool, own_url: str = "") -> None:
        self._pool = pool
        self._own = own_url.rstrip("/") + PATH
        self._stamps: dict[str, tuple[str, datetime]] = {}

    def key(self, url: str) -> str:
        """Return the URL as the table has it: the path alone for what this broker hosts."""
        return PATH + url[len(self._own) :] if url.startswith(self._own) else url

    async def load_context(self, url: str) -> tuple[bytes, bool] | None:
        """Return the document stored for this URL and whether it is stale, None if there is none."""
        async with self._pool.lend(None) as conn:
            row = await conn.fetchrow(_SQL["load"], self.key(url))
        if row is None:
            return None
        self._stamps[url] = self.key(url), row[1]
        return row[0].encode(), bool(row[2])

    async def store_context(self, url: str, body: bytes, lives_s: float) -> None:
        """Keep a fetched document, in the place of what was there, fresh for so many seconds."""
        async with self._pool.lend(None) as conn:
            stamp: datetime = await conn.fetchval(_SQL["store"], url, body.decode(), lives_s)
        self._stamps[url] = url, stamp

    async def changed(self) -> list[str]:
        """Return the URLs whose document is not the one that this process has read, or not fresh any more."""
        watched = dict(self._stamps)
        keys = [key for key, _ in watched.values()]
        async with self._pool.lend(None) as conn:
            rows = await conn.fetch(_SQL["changed"], keys, [stamp for _, stamp in watched.values()])
        gone = {row[0] for row in rows}
        found = [url for url, (key, _) in watched.items() if key in gone or len(watched) > _MOST_WATCHED]
        for url in found:
            if self._stamps.get(url) == watched[url]:
                del self._stamps[url]
        return found


async def use(conn: Conn, uses: Mapping[str, int]) -> None:
    """Count uses of stored contexts, by their URLs."""
    await conn.execute(_SQL["use"], list(uses), list(uses.values()))


async def sweep(conn: Conn) -> None:
    """Remove implicitly created contexts whose time has passed."""
    await conn.execute(_SQL["sweep"])


async def host(
    conn: Conn, local_id: str, body: bytes, kind: Kind, tenant: str, party: str, lives_s: float | None = None
) -> None:
    """Store a context of a tenant; one that was created implicitly before lives on, for the longer time."""
    await conn.execute(_SQL["host"], PATH + local_id, body.decode(), local_id, kind, tenant, party, lives_s)


async def keep(conn: Conn, local_id: str) -> None:
    """Let an implicitly created context live on without end."""
    await conn.execute(_SQL["keep"], PATH + local_id)


async def count(conn: Conn, tenant: str, kind: Kind) -> int:
    """Count the contexts of a tenant."""
    found: int = await conn.fetchval(_SQL["count"], tenant, kind)
    return found


async def entries(conn: Conn, tenant: str, kinds: Sequence[Kind]) -> list[Entry]:
    """Return the stored contexts that a tenant has, oldest first; cached ones are everybody's."""
    return [Entry(*row) for row in await conn.fetch(_SQL["list"], tenant, list(kinds))]


async def one(conn: Conn, tenant: str, name: str) -> tuple[Entry, str] | None:
    """Return a context of a tenant, by local id or URL, with its document."""
    row = await conn.fetchrow(_SQL["one"], tenant, name)
    return None if row is None else (Entry(*row[:8]), row[8])


async def remove(conn: Conn, url: str) -> None:
    """Remove a context."""
    await conn.execute(_SQL["remove"], url)
