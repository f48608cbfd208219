"""A small world for the workers: a tenant, topics, writes, subscriptions, and a notifier in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from broker.bus.consume import Source, topic_pattern
from broker.core import topics
from broker.core.access import EVERYTHING, Access
from broker.core.egress import ranges
from broker.core.entity import Doc
from broker.core.patch import Change, ChangeKind
from broker.core.subscription import Subscriber, Subscription
from broker.ld.contexts import Contexts
from broker.ops import subscriptions
from broker.remote.client import Client
from broker.store import ledger, write
from broker.store.pool import Pool
from broker.workers.delivery import Delivery, Limits
from broker.workers.notifier import Book, Notifier
from broker.workers.notify import Sender
from broker.workers.relay import Relay

__all__ = ["LEVEL", "NS", "PLATE", "TYPE", "World", "notifying", "vehicle"]

NS = "https://datapolis.example/ns#"
TYPE = NS + "Vehicle"
LEVEL = NS + "level"
PLATE = NS + "plate"
QUICK = Limits(tries=3, first_s=0.02, longest_s=0.05)


@dataclass(slots=True)
class World:
    """Writes and subscriptions of the default tenant. `access` is what every subscriber may see; None: nothing."""

    pool: Pool
    schema: str
    kafka: str
    prefix: str
    access: Access | None = EVERYTHING
    limits: Limits = field(default=QUICK)
    page: int = 500

    async def write(self, kind: ChangeKind, *docs: Doc) -> None:
        """Apply one change per document in one transaction."""
        changes = [Change(kind, doc["id"], None if kind == "delete" else doc) for doc in docs]
        async with self.pool.tx(self.schema) as conn:
            for outcome in await write.apply(conn, "default", changes, datetime.now(UTC)):
                assert outcome.error is None

    async def subscribe(self, uri: str, **members: Any) -> str:
        """Subscribe to vehicles and return the subscription's id."""
        endpoint = {"uri": uri, **members.pop("endpoint", {})}
        data = {
            "type": "Subscription",
            "entities": [{"type": TYPE}],
            **members,
            "notification": {**members.get("notification", {}), "endpoint": endpoint},
        }
        doc = subscriptions.read(data, str, "2026-01-01T00:00:00.000000Z")
        who = Subscriber("urn:party:test", "", "vendor", (), "")
        async with self.pool.tx(self.schema) as conn:
            return await subscriptions.create(conn, doc, who, datetime.now(UTC))

    async def relay(self) -> None:
        """Carry everything that waits in the outbox to Kafka."""
        relay = Relay(self.pool, self.kafka, prefix=self.prefix)
        try:
            while await relay.drain():
                pass
        finally:
            await relay.close()

    async def balance(self) -> ledger.Balance:
        """Sum the ledger up."""
        async with self.pool.lend(None) as conn:
            return await ledger.balance(conn)

    async def owed(self, due: int) -> None:
        """Wait until so many notifications fell due."""
        async with asyncio.timeout(15):
            while (await self.balance()).due < due:  # noqa: ASYNC110 - a database is watched
                await asyncio.sleep(0.02)

    async def settled(self, due: int, *, within_s: float = 15.0) -> ledger.Balance:
        """Wait until so many notifications fell due and none waits."""
        async with asyncio.timeout(within_s):
            while (found := await self.balance()).due < due or found.waiting:  # noqa: ASYNC110 - a database is watched
                await asyncio.sleep(0.02)
        return found

    async def decide(self, _: Subscription) -> Access | None:
        """Say what a subscriber may see."""
        return self.access


@asynccontextmanager
async def notifying(world: World) -> AsyncIterator[Notifier]:
    """Run relay and notifier until the block ends."""
    stop = asyncio.Event()
    client = Client(ranges("127.0.0.0/8"), timeout_s=2.0)
    book = Book(world.pool)
    sender = Sender(world.pool, book, client, world.decide, Contexts(), page=world.page)
    source = Source(
        bootstrap=world.kafka,
        consumer="notify",
        group=f"{world.prefix}notify",
        owner=str(uuid4()),
        pattern=topic_pattern(world.prefix, topics.CHANGES),
        session_ms=6000,
    )
    notifier = Notifier(world.pool, source, book, world.decide, Delivery(world.pool, sender.send, world.limits))
    relay = Relay(world.pool, world.kafka, prefix=world.prefix, idle_s=0.01)
    tasks = [asyncio.create_task(notifier.run(stop)), asyncio.create_task(relay.run(stop))]
    try:
        yield notifier
    finally:
        stop.set()
        await asyncio.wait(tasks, timeout=10)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


def vehicle(number: int, level: object, **more: object) -> Doc:
    """Make a vehicle with a level and other Properties, names in the test namespace."""
    values: Sequence[tuple[str, object]] = [("level", level), *more.items()]
    return {
        "id": f"urn:ngsi-ld:Vehicle:{number}",
        "type": [TYPE],
        **{NS + name: {"type": "Property", "value": value} for name, value in values if value is not None},
    }
