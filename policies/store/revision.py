"""The revision watch: LISTEN for the notice, poll in case one is lost, and know how old the knowledge is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from policies.store.connect import connect

__all__ = ["RevisionWatch"]

_CHANNEL = "policies_revision"


class RevisionWatch:
    """Follows `policies.revision` on a connection of its own, which it opens again whenever it breaks."""

    def __init__(self, dsn: str, every_s: float, on_change: Callable[[int], None]) -> None:
        self._dsn = dsn
        self._every_s = every_s
        self._on_change = on_change
        self._conn: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self.revision = 0
        self.seen_at = float("-inf")
        """Monotonic time at which the last poll that succeeded was begun."""

    async def poll(self) -> None:
        """Read the revision now; errors of the connection are raised and the next poll opens it again."""
        async with self._lock:
            await self._poll()

    async def _poll(self) -> None:
        begun = time.monotonic()
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._dsn, timeout_s=2.0)
                await self._conn.add_listener(_CHANNEL, self._told)
            revision = await self._conn.fetchval("SELECT revision FROM policies.revision", timeout=1.0)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._drop()
            raise
        self.seen_at = begun
        self._set(revision)

    async def run(self) -> None:
        """Poll until cancelled; while the database is away `seen_at` simply grows old."""
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.poll()
            await asyncio.sleep(self._every_s)

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.terminate()

    def _told(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        self._set(int(str(payload)))

    def _set(self, revision: int) -> None:
        if revision != self.revision:
            self.revision = revision
            self._on_change(revision)
