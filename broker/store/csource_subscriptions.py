"""The subscriptions to context source registrations of a tenant; `conn` is lent to the tenant where none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from broker.core.subscription import Subscriber
from broker.store.named import load
from broker.store.pool import Conn
from broker.store.subscriptions import Stored

__all__ = [
    "Watched",
    "as_tenant",
    "count",
    "delete",
    "every",
    "insert",
    "lead",
    "ledger_name",
    "lock",
    "numbers",
    "one",
    "page",
    "resign",
    "tell",
    "update",
]

_SQL = load("csource_subscriptions")


@dataclass(frozen=True, slots=True)
class Watched:
    """A subscription with what its notifier keeps of it.

    `revision` counts its changes; `told` is the revision whose notification with all matching registrations is in the
    ledger, 0 for none; `next_at` is when the next periodic one is due.
    """

    stored: Stored
    revision: int
    told: int
    next_at: datetime | None


def ledger_name(id: str) -> str:
    """Name a subscription in the ledger as no other subscription can be: it is no URI."""
    return f"csourceSubscriptions/{id}"


async def insert(conn: Conn, stored: Stored) -> bool:
    """Store a new subscription; False if its id is taken."""
    who = stored.subscriber
    row = await conn.fetchval(
        _SQL["insert"],
        stored.id,
        orjson.dumps(stored.doc).decode(),
        who.party,
        who.sub,
        who.tier,
        list(who.roles),
        who.purpose,
        stored.created_at,
        stored.expires_at,
    )
    return row is not None


async def one(conn: Conn, id: str) -> Stored | None:
    """Return a subscription."""
    row = await conn.fetchrow(_SQL["one"], id)
    return None if row is None else _stored(row)


async def lock(conn: Conn, id: str) -> Stored | None:
    """Return a subscription, locked until the transaction ends."""
    row = await conn.fetchrow(_SQL["lock"], id)
    return None if row is None else _stored(row)


async def page(conn: Conn, party: str, limit: int, offset: int) -> list[Stored]:
    """Return a page of a party's subscriptions, by id."""
    return [_stored(row) for row in await conn.fetch(_SQL["page"], party, limit, offset)]


async def count(conn: Conn, party: str) -> int:
    """Count a party's subscriptions."""
    return int(await conn.fetchval(_SQL["count"], party))


async def every(conn: Conn) -> list[Watched]:
    """Return all subscriptions of the tenant, by id."""
    rows = await conn.fetch(_SQL["every"])
    return [Watched(_stored(row), row["revision"], row["told"], row["next_at"]) for row in rows]


async def update(conn: Conn, id: str, doc: dict[str, Any], at: datetime, expires_at: datetime | None) -> None:
    """Replace a subscription's document: all that matches it then is told anew."""
    await conn.execute(_SQL["update"], id, orjson.dumps(doc).decode(), at, expires_at)


async def delete(conn: Conn, id: str) -> bool:
    """Drop a subscription; False if there is none."""
    return await conn.execute(_SQL["delete"], id) == "DELETE 1"


@asynccontextmanager
async def as_tenant(conn: Conn, schema: str) -> AsyncIterator[None]:
    """Act as a tenant inside a transaction of the login role."""
    await conn.execute(f"SET LOCAL ROLE {schema}; SET LOCAL search_path = {schema}, public")
    yield
    await conn.execute("SET LOCAL ROLE NONE; SET LOCAL search_path = broker, public")


async def tell(conn: Conn, one: Watched, next_at: datetime | None) -> bool:
    """Note that all that matches was told of this revision; False if the subscription is not as it was read."""
    done = await conn.execute(_SQL["tell"], one.stored.id, one.revision, next_at, one.told, one.next_at)
    return done == "UPDATE 1"


async def numbers(conn: Conn, count: int) -> list[int]:
    """Draw the numbers of so many notifications, rising. `conn` is the login role's."""
    return [row[0] for row in await conn.fetch(_SQL["numbers"], count)] if count else []


async def lead(conn: Conn) -> bool:
    """Become the only notifier for as long as the connection lives, or until `resign`; False if another is."""
    return bool(await conn.fetchval(_SQL["lead"]))


async def resign(conn: Conn) -> None:
    """Let another notifier follow."""
    await conn.execute(_SQL["resign"])


def _stored(row: Any) -> Stored:
    who = Subscriber(row["party"], row["sub"], row["tier"], tuple(row["roles"]), row["purpose"])
    doc = orjson.loads(row["doc"])
    return Stored(row["id"], doc, who, row["created_at"], row["modified_at"], row["expires_at"])
