"""Group commit: single writes that arrive together share a transaction, and no caller sees another's error.

While a tenant's transaction runs, what arrives for the tenant waits; the next transaction takes all of it. So a lone
write waits for nobody, and under load the wait is the length of one transaction. Within a group writes stand in the
order of arrival, and groups of a tenant follow each other, so writes to one entity apply in the order of arrival.

What a change comes to is a row (`Outcome`), not an exception, so one member cannot fail another. If the group's
transaction fails all the same, it is rolled back and its members run again, each in a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from broker.store import write
from broker.store.pool import Conn, Pool
from broker.store.write import Change, Guard, Outcome
from policies.audit import Prepared, append

__all__ = ["Seal", "WriteGroup"]

Seal = Callable[[Outcome], Prepared]
"""Makes the audit record of a write once its outcome is known; it is committed with the write."""


@dataclass(slots=True)
class _Item:
    change: Change
    guard: Guard | None
    seal: Seal
    done: asyncio.Future[tuple[Outcome, Prepared]] = field(default_factory=asyncio.Future)


@dataclass(slots=True)
class _Queue:
    items: list[_Item] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


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
        if queue.task is None:
            queue.task = asyncio.create_task(self._run(tenant, schema, queue))
        return await asyncio.shield(item.done)

    async def close(self) -> None:
        """Wait until nothing is queued."""
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, tenant: str, schema: str, queue: _Queue) -> None:
        await asyncio.sleep(0)
        while queue.items:
            group, queue.items = queue.items[: self._most], queue.items[self._most :]
            await self._commit(tenant, schema, group)
        queue.task = None

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
