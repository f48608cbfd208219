"""Group commit: single writes that arrive together share a transaction, and no caller sees another's error.

While a tenant's transaction runs, what arrives for the tenant waits; the next transaction takes all of it. So a lone
write waits for nobody, and under load the wait is the length of one transaction. Where many wait, two groups run at a
time: while the database stores one and waits for its disk, the other is worked out here. Within a group writes stand in
the order of arrival, and what is for an entity that the other group writes waits for that group to end, so writes to
one entity apply in the order of arrival, and groups never wait for each other's locks.

What a change comes to is a row (`Outcome`), not an exception, so one member cannot fail another. If the group's
transaction fails all the same, it is rolled back and its members run again, each in a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import asyncpg

from broker.store import write
from broker.store.pool import Conn, Pool
from broker.store.write import Change, Guard, Outcome
from policies.audit import Prepared, append

__all__ = ["Seal", "WriteGroup"]

Seal = Callable[[Outcome], Prepared]
"""Makes the audit record of a write once its outcome is known; it is committed with the write."""


_MANY: Final = 16
"""Writes that have to wait before a second group runs beside the first."""


@dataclass(slots=True)
class _Item:
    change: Change
    guard: Guard | None
    seal: Seal
    done: asyncio.Future[tuple[Outcome, Prepared]] = field(default_factory=asyncio.Future)


@dataclass(slots=True)
class _Queue:
    """What waits, the entities that are being written, and who writes them: a task for each group."""

    items: list[_Item] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class WriteGroup:
    """The single writes of one process. `most` bounds a group."""

    def __init__(self, pool: Pool, *, most: int = 256) -> None:
        self._pool = pool
        self._most = most
        self._queues: dict[tuple[str, str], _Queue] = {}

    async def write(
        self, tenant: str, schema: str, change: Change, guard: Guard | None, seal: Seal
    ) -> tuple[Outcome, Prepared]:
        """Apply one change and append its audit record in one transaction; both are durable when this returns."""
        queue = self._queues.setdefault((tenant, schema), _Queue())
        item = _Item(change, guard, seal)
        queue.items.append(item)
        if not queue.tasks or (len(queue.tasks) == 1 and len(queue.items) >= _MANY and change.id not in queue.busy):
            task = asyncio.create_task(self._run(tenant, schema, queue))
            queue.tasks.add(task)
        return await item.done  # whose caller goes away is written all the same

    async def close(self) -> None:
        """Wait until nothing is queued."""
        while tasks := [task for queue in self._queues.values() for task in queue.tasks]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, tenant: str, schema: str, queue: _Queue) -> None:
        task = asyncio.current_task()
        await asyncio.sleep(0)
        try:
            while group := self._next(queue):
                ids = {item.change.id for item in group}
                queue.busy |= ids
                try:
                    await self._commit(tenant, schema, group)
                finally:
                    queue.busy -= ids
        finally:
            # What is left is for entities that the other group writes, which takes it when it ends.
            queue.tasks = {one for one in queue.tasks if one is not task}

    def _next(self, queue: _Queue) -> list[_Item]:
        """Take what may be written now: all that waits, or half where another task is about to take its share."""
        waiting, most = queue.items, self._most
        if len(queue.tasks) > 1 and not queue.busy:
            most = min(most, (len(waiting) + 1) // 2)
        group: list[_Item] = []
        queue.items = []
        for item in waiting:
            if len(group) < most and item.change.id not in queue.busy:
                group.append(item)
            else:
                queue.items.append(item)
        return group

    async def _commit(self, tenant: str, schema: str, group: list[_Item]) -> None:
        try:
            done = await self._transact(tenant, schema, group)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if len(group) > 1:
                for item in group:
                    await self._commit(tenant, schema, [item])
            elif not group[0].done.done():
                group[0].done.set_exception(error)
        except Exception as error:
            # A fault of ours must not leave callers waiting for ever; each gets it and the process goes on.
            for item in group:
                if not item.done.done():
                    item.done.set_exception(error)
        else:
            for item, result in zip(group, done, strict=True):
                if not item.done.done():
                    item.done.set_result(result)

    async def _transact(self, tenant: str, schema: str, group: list[_Item]) -> list[tuple[Outcome, Prepared]]:
        async with self._pool.tx(schema) as conn:
            outcomes = await self._apply(conn, tenant, group)
            sealed = [item.seal(outcome) for item, outcome in zip(group, outcomes, strict=True)]
            await append(conn, sealed)
        return list(zip(outcomes, sealed, strict=True))

    async def _apply(self, conn: Conn, tenant: str, group: list[_Item]) -> list[Outcome]:
        return await write.apply(
            conn, tenant, [item.change for item in group], datetime.now(UTC), [item.guard for item in group]
        )
