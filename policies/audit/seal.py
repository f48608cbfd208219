"""The sealer: orders pending records, grows the tree, signs a checkpoint. One at a time, by an advisory lock.

Records enter in the order in which they are seen here; a record is one leaf. Leaves, nodes and checkpoint of one round
share a transaction, so a kill between any two steps leaves the last checkpoint true.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from policies.audit import tree
from policies.audit.checkpoint import LogKey
from policies.store import log
from policies.store.connect import Conn, connect

__all__ = ["MOST", "Sealer", "seal_once"]

MOST = 10_000


async def seal_once(conn: Conn, key: LogKey, most: int = MOST) -> int:
    """Seal what is pending, up to `most` records; how many were sealed."""
    async with conn.transaction():
        records = await log.pending(conn, most)
        if not records:
            return 0
        first = await log.size(conn)
        size = first + len(records)
        known = await log.nodes(conn, tree.frontier(first))
        leaves = [tree.leaf_hash(record.c) for record in records]
        made = tree.append(first, known, leaves)
        root = tree.root(size, {**known, **made})
        await log.sequence(conn, first, records, leaves)
        await log.put_nodes(conn, made)
        await log.put_checkpoint(conn, size, root, key.sign(size, root))
    return len(records)


class Sealer:
    """Seals every `every_s` while it holds the lock; waits for the lock otherwise."""

    def __init__(self, dsn: str, key: LogKey, every_s: float) -> None:
        self._dsn = dsn
        self._key = key
        self._every_s = every_s
        self._conn: asyncpg.Connection | None = None
        self.sealed = 0
        self.holds = False
        self.seen_at = float("-inf")
        self.trouble = ""

    @property
    def ready(self) -> bool:
        """Tell whether the database answered lately (also while another sealer holds the lock)."""
        return time.monotonic() - self.seen_at < self._every_s + 10

    async def run(self, stop: asyncio.Event) -> None:
        """Seal until `stop` is set, then once more what is pending."""
        while not stop.is_set():
            try:
                await self._round()
                self.trouble = ""
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                await self._drop()
            try:
                await asyncio.wait_for(stop.wait(), self._every_s)
            except TimeoutError:
                continue
        if self._conn is not None and self.holds:
            self.sealed += await seal_once(self._conn, self._key)
        await self._drop()

    async def _round(self) -> None:
        if self._conn is None or self._conn.is_closed():
            self._conn = await connect(self._dsn, timeout_s=30.0)
            self.holds = False
        if not self.holds and await log.lock(self._conn):
            self.holds = True
            await log.put_key(self._conn, self._key.vkey)
        if self.holds:
            while count := await seal_once(self._conn, self._key):
                self.sealed += count
                self.seen_at = time.monotonic()
        self.seen_at = time.monotonic()

    async def _drop(self) -> None:
        conn, self._conn, self.holds = self._conn, None, False
        if conn is not None:
            conn.terminate()
