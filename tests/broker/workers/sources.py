"""A small world of context sources: registrations set in the store, subscriptions to them, and their notifier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.core import times
from broker.core.access import EVERYTHING, Access
from broker.core.egress import ranges
from broker.core.subscription import Subscriber, Subscription
from broker.ld.contexts import Contexts
from broker.ops import csource_subscriptions
from broker.remote.client import Client
from broker.store import ledger, registrations
from broker.store.csource_subscriptions import ledger_name
from broker.store.ledger import Totals
from broker.store.pool import Pool
from broker.store.registrations import Stored
from broker.workers.csource_notifier import CsourceBook, CsourceNotifier
from broker.workers.csource_notify import CsourceSender
from broker.workers.delivery import Delivery, Limits

__all__ = ["NS", "OWNER", "PARTY", "Sources", "info", "notifying", "told"]

NS = "https://datapolis.example/ns#"
OWNER = "urn:party:owner"
PARTY = "urn:party:subscriber"
QUICK = Limits(tries=3, first_s=0.02, longest_s=0.05)


@dataclass(slots=True)
class Sources:
    """Registrations and subscriptions of the default tenant. `access`: what every subscriber may see; None: nothing."""

    pool: Pool
    schema: str
    access: Access | None = EVERYTHING
    limits: Limits = field(default=QUICK)

    async def register(self, name: str, *information: dict[str, Any], **members: Any) -> None:
        """Register a source, or change it."""
        now = datetime.now(UTC)
        found = _registration(name, information, members, now)
        async with self.pool.tx(self.schema) as conn:
            was = await registrations.lock(conn, found.id)
            if was is None:
                assert await registrations.insert(conn, "default", found)
            else:
                await registrations.replace(conn, "default", was, found)

    async def remove(self, name: str) -> None:
        """Delete a registration."""
        async with self.pool.tx(self.schema) as conn:
            assert await registrations.delete(conn, "default", f"urn:source:{name}", datetime.now(UTC))

    async def subscribe(self, uri: str, name: str = "a", party: str = PARTY, **members: Any) -> str:
        """Subscribe to sources of vehicles."""
        endpoint = {"uri": uri, **members.pop("endpoint", {})}
        notification = {"endpoint": endpoint, **members.pop("notification", {})}
        data = {"id": f"urn:subscription:{name}", "type": "Subscription", "entities": [{"type": f"{NS}Vehicle"}]}
        now = datetime.now(UTC)
        doc = csource_subscriptions.read({**data, **members, "notification": notification}, str, times.of(now))
        who = Subscriber(party, "", "vendor", (), "")
        async with self.pool.tx(self.schema) as conn:
            return await csource_subscriptions.create(conn, doc, who, now)

    async def change(self, id: str, **members: Any) -> None:
        """Patch a subscription."""
        now = datetime.now(UTC)
        async with self.pool.tx(self.schema) as conn:
            await csource_subscriptions.update(
                conn, id, PARTY, lambda stored: csource_subscriptions.fragment(stored, members, str, times.of(now)), now
            )

    async def unsubscribe(self, id: str, party: str = PARTY) -> None:
        """Delete a subscription."""
        async with self.pool.tx(self.schema) as conn:
            await csource_subscriptions.delete(conn, id, party)

    async def totals(self, id: str) -> Totals | None:
        """Give the sums of a subscription."""
        async with self.pool.lend(None) as conn:
            return (await ledger.totals(conn, "default", [ledger_name(id)])).get(ledger_name(id))

    async def quiet(self) -> None:
        """Wait until every change is claimed, everyone is told, and nothing waits in the ledger."""
        async with asyncio.timeout(20):
            while True:
                async with self.pool.lend(self.schema) as conn:
                    untold = await conn.fetchval("SELECT count(*) FROM csource_subscriptions WHERE told < revision")
                async with self.pool.lend(None) as conn:
                    left = await conn.fetchval("SELECT count(*) FROM broker.registration_changes")
                    waits = (await ledger.balance(conn)).waiting
                if not untold and not left and not waits:
                    return
                await asyncio.sleep(0.02)

    async def decide(self, _: Subscription) -> Access | None:
        """Say what a subscriber may see."""
        return self.access


@asynccontextmanager
async def notifying(sources: Sources, *, limit: int = 500) -> AsyncIterator[CsourceNotifier]:
    """Run the notifier until the block ends."""
    stop = asyncio.Event()
    client = Client(ranges("127.0.0.0/8"), timeout_s=2.0)
    book = CsourceBook(sources.pool)
    delivery = Delivery(sources.pool, CsourceSender(book, client, sources.decide, Contexts()).send, sources.limits)
    notifier = CsourceNotifier(sources.pool, book, sources.decide, delivery, limit=limit, wait_s=0.02)
    task = asyncio.create_task(notifier.run(stop))
    try:
        yield notifier
    finally:
        stop.set()
        await asyncio.wait([task], timeout=10)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        await client.close()
        assert ended is None, repr(ended)


def info(*types: str, **members: Any) -> dict[str, Any]:
    """Make a RegistrationInfo about entities of each of these types."""
    entities = {"entities": [{"type": [NS + one]} for one in types]} if types else {}
    return {**entities, **members}


def told(body: dict[str, Any]) -> tuple[str, list[str]]:
    """Give a notification's reason, and the names of the registrations in it."""
    return body["triggerReason"], [one["id"].rpartition(":")[2] for one in body["data"]]


def _registration(name: str, information: Any, members: dict[str, Any], now: datetime) -> Stored:
    expires_s = members.pop("expires_s", None)
    party = members.pop("party", OWNER)
    doc = {"endpoint": "http://127.0.0.1:9", "information": list(information) or [info("Vehicle")], **members}
    expires_at = None if expires_s is None else now + timedelta(seconds=expires_s)
    if expires_at is not None:
        doc["expiresAt"] = times.of(expires_at)
    return Stored(f"urn:source:{name}", doc, party, now, now, expires_at)
