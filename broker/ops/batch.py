"""Batch operations: one transaction, one outcome per item (CIM 009 V1.9.1, 5.6.7, 5.6.8, 5.6.10, 5.5.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from broker.store.pool import Pool
from broker.store.write import Change, Guard, Outcome, Unread, apply
from policies.audit import Prepared, append

__all__ = ["write_batch"]


async def write_batch(
    pool: Pool,
    tenant: str,
    schema: str,
    changes: Sequence[Change | Unread],
    guards: Sequence[Guard | None] | None,
    seal: Callable[[Sequence[Outcome]], Prepared],
) -> tuple[list[Outcome], Prepared]:
    """Apply a batch in the order given, and append the request's audit record, in one transaction."""
    async with pool.tx(schema) as conn:
        outcomes = await apply(conn, tenant, changes, datetime.now(UTC), guards)
        prepared = seal(outcomes)
        await append(conn, [prepared])
    return outcomes, prepared
