"""The audit of reads: one insert per group of concurrent answers, committed before the first byte of any of them.

One insert runs at a time, and what arrives meanwhile goes out together in the next: a large group costs each of its
members less than a small one. Where more than `_CROWD` wait, a second insert is worth its connection.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from broker.http.problems import unavailable
from broker.store.pool import Pool
from policies.audit import Prepared, append

__all__ = ["LANES", "AuditGroup"]

LANES: Final = 2
"""Most inserts at a time."""
_CROWD = 64


class AuditGroup:
    """Commits audit records; those that arrive while an insert runs go out together in the next."""

    def __init__(self, pool: Pool, *, lanes: int = LANES, most: int = 500) -> None:
        self._pool = pool
        self._lanes = lanes
        self._most = most
        self._running = 0
        self._waiting: list[tuple[Prepared, asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def commit(self, record: Prepared) -> asyncio.Future[None]:
        """Commit a record; await what this returns. Raises an HttpProblem (503) if it cannot be committed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, future))
        if not self._running or (len(self._waiting) >= _CROWD and self._running < self._lanes):
            self._running += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def close(self) -> None:
        """Wait until every record is committed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._insert(group)
        finally:
            self._running -= 1

    async def _insert(self, group: list[tuple[Prepared, asyncio.Future[None]]]) -> None:
        try:
            async with self._pool.lend(None) as conn:
                await append(conn, [record for record, _ in group])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            problem = unavailable(f"the audit record cannot be written: {type(error).__name__}")
            for _, future in group:
                if not future.done():
                    future.set_exception(problem)
        else:
            for _, future in group:
                if not future.done():
                    future.set_result(None)
