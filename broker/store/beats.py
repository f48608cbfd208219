"""When periodic and throttled subscriptions are due, and their entries in the ledger (CIM 009 V1.9.1, 5.2.12, 5.8.6).

An instant is entered once, by whoever moves the beat on, in the same transaction. Instants of a periodic subscription
that passed meanwhile are left out, as are those at which the notification before is not settled yet, so nothing piles
up. What changes for a throttled one waits as `pending`, each entity once, until the pause since the notification before
has passed; then all of it goes in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from broker.store import ledger
from broker.store.ledger import Debt, Due
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["enter", "pause", "pend", "pending"]

_SQL = load("beats")


async def enter(conn: Conn, partition_of: Callable[[str], int], limit: int) -> list[Debt]:
    """Enter what is due now for at most `limit` subscriptions, and return it. `conn` is in a transaction.

    `partition_of` chooses the partition whose owner is to deliver. Several workers may do this at a time.
    """
    rows = await conn.fetch(_SQL["take"], limit)
    throttled = [row for row in rows if row["throttled"]]
    if throttled:
        await conn.execute(
            _SQL["attach"],
            [row["tenant"] for row in throttled],
            [row["subscription"] for row in throttled],
            [-row["instant"] for row in throttled],
        )
    dues = [
        Due(row["tenant"], row["subscription"], "", -row["instant"], partition_of(row["subscription"])) for row in rows
    ]
    return await ledger.owe(conn, [], dues)


async def pend(conn: Conn, dues: Sequence[Due]) -> None:
    """Keep what changed for throttled subscriptions. To be done before anything is entered in the same transaction."""
    if not dues:
        return
    tenants, subscriptions = [one.tenant for one in dues], [one.subscription for one in dues]
    await conn.execute(_SQL["pend"], tenants, subscriptions, [one.entity for one in dues])
    await conn.execute(_SQL["wake"], tenants, subscriptions)


async def pending(conn: Conn, debt: Debt, limit: int) -> list[str]:
    """Return the entities that a throttled notification is about, by id, from where its page begins."""
    rows = await conn.fetch(_SQL["pending"], debt.tenant, debt.subscription, debt.version, debt.entity, limit)
    return [row["entity"] for row in rows]


async def pause(conn: Conn) -> float | None:
    """Say in how many seconds the next beat is due (it may be over); None where there is none."""
    found: float | None = await conn.fetchval(_SQL["pause"])
    return found
