"""Purge: delete what a query finds, or attributes of it, in one transaction (CIM 009 V1.9.1, 5.6.21).

The ids are read a page at a time in the order in which rows are locked, and written by the write engine a page at a
time, so memory stays bounded. What changes between the reading and the lock is looked at again under it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from broker.core.access import Access
from broker.core.errors import NgsiLdError, ResourceNotFound
from broker.core.narrow import narrow
from broker.core.query import Query
from broker.ops.authorise import Refuse, guard
from broker.store.pool import Pool
from broker.store.purge import ids
from broker.store.write import Change, apply
from policies.audit import Prepared, append

__all__ = ["Purged", "purge_entities"]

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Purged:
    """How many entities were deleted or changed, and which were refused."""

    count: int
    errors: Sequence[tuple[str, NgsiLdError]]
    success: Sequence[str]


async def purge_entities(
    pool: Pool,
    tenant: str,
    schema: str,
    access: Access,
    query: Query,
    change: Callable[[str], Change],
    refuse: Refuse,
    seal: Callable[[Purged], Prepared],
) -> tuple[Purged, Prepared]:
    """Apply to each entity that the caller sees and the query finds the change made of its id."""
    errors: list[tuple[str, NgsiLdError]] = []
    success: list[str] = []
    where = narrow(query, access).where
    after = ""
    async with pool.tx(schema) as conn:
        now = datetime.now(UTC)
        while True:
            found = await ids(conn, where, after, _PAGE)
            changes = [change(one) for one in found]
            guards = [guard(access, one, refuse, where=where) for one in changes]
            for outcome in await apply(conn, tenant, changes, now, guards) if changes else ():
                if outcome.result in ("deleted", "updated"):
                    success.append(outcome.entity)
                elif outcome.error is not None and not isinstance(outcome.error, ResourceNotFound):
                    errors.append((outcome.entity, outcome.error))
            if len(found) < _PAGE:
                break
            after = found[-1]
        purged = Purged(len(success), errors, success)
        prepared = seal(purged)
        await append(conn, [prepared])
    return purged, prepared
