"""Coalesced reads by id: look-ups that arrive while the connections are busy go out as one statement.

A look-up joins only a statement that has not been sent, so it never sees data older than its own arrival. One
statement of a tenant runs at a time, which makes the next one large and so cheaper for each look-up; where more than
`_CROWD` ids wait, up to `lanes` run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from broker.store.named import load
from broker.store.pool import Pool

__all__ = ["Reads"]

_JOINED = load("reads")["by_id_joined"]
_CROWD = 64


@dataclass(slots=True)
class _Lane:
    waiting: dict[str, list[asyncio.Future[Any]]] = field(default_factory=dict)
    running: int = 0


class Reads:
    """Look-ups of current state by id: (id, types, scopes, names, segs), None where there is no such entity.

    Types, names and segs are joined to one text each (`broker.ops.view`).

    A look-up raises ConnectionError if the database cannot be read.
    """

    def __init__(self, pool: Pool, *, lanes: int = 2, most: int = 256) -> None:
        self._pool = pool
        self._lanes = lanes
        self._most = most
        self._tenants: dict[str, _Lane] = {}

    def read(self, schema: str, entity_id: str) -> asyncio.Future[Any]:
        """Look an entity up; await what this returns."""
        lane = self._tenants.get(schema)
        if lane is None:
            lane = self._tenants[schema] = _Lane()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = lane.waiting.get(entity_id)
        if waiting is None:
            lane.waiting[entity_id] = [future]
        else:
            waiting.append(future)
        if not lane.running or (len(lane.waiting) >= _CROWD and lane.running < self._lanes):
            lane.running += 1
            task = asyncio.ensure_future(self._run(schema, lane))
            task.add_done_callback(_raise)
        return future

    async def _run(self, schema: str, lane: _Lane) -> None:
        batch: dict[str, list[asyncio.Future[Any]]] = {}
        try:
            async with self._pool.lend(schema) as conn:
                while lane.waiting:
                    batch, lane.waiting = self._cut(lane.waiting)
                    rows = {row[0]: row for row in await conn.fetch(_JOINED, "\x1f".join(batch))}
                    for entity_id, futures in batch.items():
                        row = rows.get(entity_id)
                        for future in futures:
                            if not future.done():
                                future.set_result(row)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            # Every look-up of this statement gets the error; those that wait are taken by the next lane.
            away = ConnectionError(f"the entities cannot be read: {type(error).__name__}")
            for futures in batch.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(away)
        finally:
            lane.running -= 1
        if lane.waiting and lane.running == 0:
            lane.running += 1
            task = asyncio.ensure_future(self._run(schema, lane))
            task.add_done_callback(_raise)

    def _cut(
        self, waiting: dict[str, list[asyncio.Future[Any]]]
    ) -> tuple[dict[str, list[asyncio.Future[Any]]], dict[str, list[asyncio.Future[Any]]]]:
        if len(waiting) <= self._most:
            return waiting, {}
        items = list(waiting.items())
        return dict(items[: self._most]), dict(items[self._most :])


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
