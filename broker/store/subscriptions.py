"""The subscriptions of a tenant; `conn` is lent to the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from broker.core import segments
from broker.core.entity import Doc
from broker.core.subscription import Subscriber
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["Stored", "count", "current", "delete", "every", "insert", "lock", "one", "page", "update"]

_SQL = load("subscriptions")


@dataclass(frozen=True, slots=True)
class Stored:
    """A subscription as stored: `doc` in expanded form, and who it is for."""

    id: str
    doc: dict[str, Any]
    subscriber: Subscriber
    created_at: datetime
    modified_at: datetime
    expires_at: datetime | None


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


async def every(conn: Conn) -> list[Stored]:
    """Return all subscriptions of the tenant."""
    return [_stored(row) for row in await conn.fetch(_SQL["every"])]


async def update(conn: Conn, id: str, doc: dict[str, Any], at: datetime, expires_at: datetime | None) -> None:
    """Replace a subscription's document."""
    await conn.execute(_SQL["update"], id, orjson.dumps(doc).decode(), at, expires_at)


async def delete(conn: Conn, id: str) -> bool:
    """Drop a subscription; False if there is none."""
    return await conn.execute(_SQL["delete"], id) == "DELETE 1"


async def current(conn: Conn, ids: Sequence[str]) -> dict[str, tuple[Doc, int]]:
    """Return entities as they stand, with their versions."""
    rows = await conn.fetch(_SQL["current"], ids)
    return {row[0]: (segments.doc(row[0], row[1], row[2], row[3], row[4]), row[5]) for row in rows}


def _stored(row: Any) -> Stored:
    who = Subscriber(row["party"], row["sub"], row["tier"], tuple(row["roles"]), row["purpose"])
    doc = orjson.loads(row["doc"])
    return Stored(row["id"], doc, who, row["created_at"], row["modified_at"], row["expires_at"])
