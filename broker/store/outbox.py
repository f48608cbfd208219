"""What is committed and Kafka does not have yet: change events (`outbox`) and dead letters (`owed`).

Rows are claimed with FOR UPDATE SKIP LOCKED and deleted after the acknowledgement. `id` orders the changes of one
entity (it is drawn under the entity's row lock), and is never a cursor: sequence order is not commit order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.store.named import load
from broker.store.pool import Conn

__all__ = [
    "Owed",
    "Row",
    "claim",
    "claim_owed",
    "delete",
    "delete_owed",
    "depth",
    "lock",
    "owe",
    "owed_topics",
    "pending",
    "tenants",
]

_SQL = load("outbox")


@dataclass(frozen=True, slots=True)
class Row:
    """A change event that waits for Kafka."""

    id: int
    entity: str
    payload: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A record that waits for Kafka. `topic` has no prefix; `id` is 0 until it is stored."""

    topic: str
    key: str
    value: str
    id: int = 0


async def tenants(conn: Conn) -> list[str]:
    """Name the tenants that have changes waiting."""
    return [row["tenant"] for row in await conn.fetch(_SQL["tenants"])]


async def lock(conn: Conn, tenant: str) -> bool:
    """Become the tenant's only relay until the transaction ends; False if another is."""
    return bool(await conn.fetchval(_SQL["lock"], tenant))


async def claim(conn: Conn, tenant: str, limit: int) -> list[Row]:
    """Lock and return the tenant's oldest changes that nobody else has locked."""
    return [Row(r["id"], r["entity"], r["payload"]) for r in await conn.fetch(_SQL["claim"], tenant, limit)]


async def delete(conn: Conn, ids: Sequence[int]) -> None:
    """Delete changes that Kafka has acknowledged."""
    await conn.execute(_SQL["delete"], ids)


async def pending(conn: Conn, tenant: str, entities: Sequence[str]) -> set[str]:
    """Return those of the entities that have a change which Kafka may not have yet."""
    return {row["entity"] for row in await conn.fetch(_SQL["pending"], tenant, entities)}


async def depth(conn: Conn) -> tuple[int, int]:
    """Count what waits: changes, other records."""
    row = await conn.fetchrow(_SQL["depth"])
    return (row["changes"], row["owed"]) if row is not None else (0, 0)


async def owe(conn: Conn, records: Sequence[Owed]) -> None:
    """Store records in the caller's transaction; the relay produces them."""
    if records:
        await conn.execute(
            _SQL["owe"], [r.topic for r in records], [r.key for r in records], [r.value for r in records]
        )


async def owed_topics(conn: Conn) -> list[str]:
    """Name the topics that records are owed to."""
    return [row["topic"] for row in await conn.fetch(_SQL["owed_topics"])]


async def claim_owed(conn: Conn, topic: str, limit: int) -> list[Owed]:
    """Lock and return the topic's oldest records that nobody else has locked."""
    rows = await conn.fetch(_SQL["claim_owed"], topic, limit)
    return [Owed(r["topic"], r["key"], r["value"], r["id"]) for r in rows]


async def delete_owed(conn: Conn, ids: Sequence[int]) -> None:
    """Delete records that Kafka has acknowledged."""
    await conn.execute(_SQL["delete_owed"], ids)
