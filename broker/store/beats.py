"""When periodic subscriptions are due: the beats, and their entries in the ledger (CIM 009 V1.9.1, 5.8.6).

An instant is entered once, by whoever moves the beat on, in the same transaction. Instants that passed meanwhile are
left out, as are those at which the notification before is not settled yet, so nothing piles up.
"""

from __future__ import annotations

from collections.abc import Callable

from broker.store import ledger
from broker.store.ledger import Debt, Due
from broker.store.named import load
from broker.store.pool import Conn

__all__ = ["enter", "pause"]

_SQL = load("beats")


async def enter(conn: Conn, partition_of: Callable[[str], int], limit: int) -> list[Debt]:
    """Enter what is due now for at most `limit` subscriptions, and return it. `conn` is in a transaction.

    `partition_of` chooses the partition whose owner is to deliver. Several workers may do this at a time.
    """
    rows = await conn.fetch(_SQL["take"], limit)
    dues = [
        Due(row["tenant"], row["subscription"], "", -row["instant"], partition_of(row["subscription"]))
        for row in rows
        if not row["behind"]
    ]
    return await ledger.owe(conn, [], dues)


async def pause(conn: Conn) -> float | None:
    """Say in how many seconds the next beat is due (it may be over); None where there is none."""
    found: float | None = await conn.fetchval(_SQL["pause"])
    return found
