"""The write engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from broker.store.change import Change, Outcome
from broker.store.pool import Conn

__all__ = ["Change", "Outcome", "apply"]


async def apply(conn: Conn, tenant: str, changes: Sequence[Change], now: datetime) -> list[Outcome]:
    """Apply the changes in the caller's transaction, in the order given per entity.

    `conn` is lent to the tenant (`Pool.lend(schema)`) and inside a transaction. `tenant` is the tenant's name, which
    goes into the outbox.
    """
    raise NotImplementedError
