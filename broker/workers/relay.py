"""The relay: carries committed changes from the outbox to the topic `changes`, and dead letters to their topics.

The only producer to Kafka in the broker. Per tenant one relay at a time (advisory lock); it takes the oldest rows that
nobody else holds, sends them in order, waits for every acknowledgement and deletes them, in one transaction. A kill
between acknowledgement and commit sends them again: consumers drop a version they have seen. Rows of one entity are
drawn under its lock, so their ids are in the order of its versions, and one partition keeps that order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import structlog
from prometheus_client import Counter, Gauge

from broker.bus.produce import BusUnavailable, Producer, Record, UnknownTopic
from broker.core import topics
from broker.store import outbox
from broker.store.pool import Pool

__all__ = ["Relay"]

_log = structlog.get_logger(__name__)
_RELAYED = Counter("datapolis_relay_records", "Records that Kafka acknowledged", ["kind"])
_DEPTH = Gauge("datapolis_relay_waiting", "Records that wait for Kafka", ["kind"])

Drain: TypeAlias = Callable[[], Awaitable[int]]


class Relay:
    """Runs until `stop` is set. `limit` is the most rows in one transaction."""

    def __init__(
        self,
        pool: Pool,
        bootstrap: str,
        *,
        prefix: str = "",
        limit: int = 1000,
        idle_s: float = 0.05,
        login: Mapping[str, Any] | None = None,
    ) -> None:
        self._pool = pool
        self._prefix = prefix
        self._limit = limit
        self._idle_s = idle_s
        self._changes = Producer(bootstrap, client_id="datapolis-relay", login=login)
        self._letters = Producer(bootstrap, client_id="datapolis-relay-dead", login=login)
        self._topic = topics.prefixed(topics.CHANGES, prefix)

    async def run(self, stop: asyncio.Event) -> None:
        """Carry until `stop`; what Kafka refuses stays and is tried again."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._loop(stop, self.drain, self._idle_s))
                group.create_task(self._loop(stop, self.drain_owed, 4 * self._idle_s))
                group.create_task(self._measure(stop))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections to Kafka."""
        await self._changes.close()
        await self._letters.close()

    async def drain(self) -> int:
        """Carry one group of changes per tenant; return how many. Raises BusUnavailable, UnknownTopic."""
        async with self._pool.lend(None) as conn:
            tenants = await outbox.tenants(conn)
        return sum([await self._tenant(tenant) for tenant in tenants])

    async def drain_owed(self) -> int:
        """Carry one group of dead letters per topic; one that is not declared keeps its letters and stops no other."""
        async with self._pool.lend(None) as conn:
            names = await outbox.owed_topics(conn)
        carried = 0
        missing: UnknownTopic | None = None
        for name in names:
            try:
                carried += await self._letters_of(name)
            except UnknownTopic as error:
                missing = error
        if missing is not None and not carried:
            raise missing
        return carried

    async def _tenant(self, tenant: str) -> int:
        async with self._pool.tx(None) as conn:
            if not await outbox.lock(conn, tenant):
                return 0
            rows = await outbox.claim(conn, tenant, self._limit)
            records: list[Record] = [
                (self._topic, topics.key(tenant, row.entity), row.payload.encode()) for row in rows
            ]
            await self._changes.send(records)
            await outbox.delete(conn, [row.id for row in rows])
        _RELAYED.labels("change").inc(len(rows))
        return len(rows)

    async def _letters_of(self, topic: str) -> int:
        async with self._pool.tx(None) as conn:
            rows = await outbox.claim_owed(conn, topic, self._limit)
            name = topics.prefixed(topic, self._prefix)
            await self._letters.send([(name, row.key.encode(), row.value.encode()) for row in rows])
            await outbox.delete_owed(conn, [row.id for row in rows])
        _RELAYED.labels("dead").inc(len(rows))
        return len(rows)

    async def _loop(self, stop: asyncio.Event, drain: Drain, idle_s: float) -> None:
        pause = idle_s
        while not stop.is_set():
            try:
                carried = await drain()
                pause = idle_s
            except (BusUnavailable, UnknownTopic) as error:
                carried = 0
                pause = min(5.0, max(0.2, pause * 2))
                _log.warning("relay.waiting", reason=str(error), retry_s=pause)
            if not carried:
                await _pause(stop, pause)

    async def _measure(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._pool.lend(None) as conn:
                changes, owed = await outbox.depth(conn)
            _DEPTH.labels("change").set(changes)
            _DEPTH.labels("dead").set(owed)
            await _pause(stop, 5.0)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
