"""The ledger of notifications: what is owed, its tries and its outcome.

At any time, in any transaction: due = delivered + dead + waiting rows, per subscription and in sum. What a periodic
or throttled subscription is owed (`broker.store.beats`) has a version below 0 and tells of no single change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from broker.store.named import load
from broker.store.pool import Conn

__all__ = [
    "Balance",
    "Debt",
    "Due",
    "Outcome",
    "State",
    "Status",
    "Totals",
    "balance",
    "overdue",
    "owe",
    "purge",
    "purge_beats",
    "revisions",
    "settle",
    "since_failure",
    "states",
    "totals",
    "waiting",
    "waiting_of",
]

_SQL = load("ledger")

Status: TypeAlias = Literal["waiting", "delivered", "dead"]
ChangeKey: TypeAlias = tuple[str, str, int]
"""Tenant, entity, version."""


@dataclass(frozen=True, slots=True)
class State:
    """An entity before and after a change, as JSON texts in internal form. `before` None: it did not exist."""

    tenant: str
    entity: str
    version: int
    at: datetime
    before: str | None
    after: str
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A notification to be entered: this subscription is owed this change."""

    tenant: str
    subscription: str
    entity: str
    version: int
    partition: int


@dataclass(frozen=True, slots=True)
class Debt:
    """A notification that waits. `name`: the UUID that it is sent under.

    One by the clock has the instant at which it was due (us since 1970, negative) as version, and as entity the one
    after which its page begins.
    """

    id: int
    name: str
    tenant: str
    subscription: str
    entity: str
    version: int
    tries: int = 0
    due_at: datetime | None = None
    retry_at: datetime | None = None

    @property
    def by_clock(self) -> bool:
        """Say whether it is one of a periodic or throttled subscription."""
        return self.version < 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to. `sent`: the receiver was called. Still `waiting`: it is tried again at `retry_at`.

    `rest`: of a notification by the clock, after which entity the next page begins; None if there is none.
    """

    id: int
    tenant: str
    subscription: str
    status: Status
    sent: bool
    tries: int
    at: datetime
    retry_at: datetime | None = None
    error: str | None = None
    rest: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one subscription; `sent` and `failed` count calls of the receiver."""

    due: int
    delivered: int
    dead: int
    waiting: int
    sent: int
    failed: int
    last_notification: datetime | None
    last_success: datetime | None
    last_failure: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums over everything."""

    due: int
    delivered: int
    dead: int
    waiting: int


async def revisions(conn: Conn) -> dict[str, tuple[str, int]]:
    """Return, per tenant, its schema and the revision of its subscriptions."""
    return {row["tenant"]: (row["schema"], row["revision"]) for row in await conn.fetch(_SQL["revisions"])}


async def owe(conn: Conn, kept: Sequence[State], dues: Sequence[Due]) -> list[Debt]:
    """Enter notifications with the states that they tell of; return those that were not entered before."""
    if not dues:
        return []
    await conn.execute(
        _SQL["keep_state"],
        [s.tenant for s in kept],
        [s.entity for s in kept],
        [s.version for s in kept],
        [s.at for s in kept],
        [s.partition for s in kept],
        [s.before for s in kept],
        [s.after for s in kept],
    )
    await _lock(conn, [(d.tenant, d.subscription) for d in dues])
    rows = await conn.fetch(
        _SQL["owe"],
        [d.tenant for d in dues],
        [d.subscription for d in dues],
        [d.entity for d in dues],
        [d.version for d in dues],
        [d.partition for d in dues],
    )
    fresh = [Debt(*row) for row in rows]
    if len(fresh) < len(dues):
        await _forget(conn, [(s.tenant, s.entity, s.version) for s in kept])
    return fresh


async def waiting(conn: Conn, partitions: Sequence[int], after: int, limit: int) -> list[Debt]:
    """Return waiting notifications of these partitions in the order in which they fell due, from id `after` on."""
    return [Debt(*row) for row in await conn.fetch(_SQL["waiting"], partitions, after, limit)]


async def waiting_of(
    conn: Conn, tenant: str, subscription: str, partitions: Sequence[int], after: int, limit: int
) -> list[Debt]:
    """Return the waiting notifications of one subscription, as `waiting` does."""
    rows = await conn.fetch(_SQL["waiting_of"], tenant, subscription, partitions, after, limit)
    return [Debt(*row) for row in rows]


async def overdue(conn: Conn, partitions: Sequence[int], before: datetime, limit: int) -> list[Debt]:
    """Return waiting notifications of these partitions that fell due before an instant."""
    return [Debt(*row) for row in await conn.fetch(_SQL["overdue"], partitions, before, limit)]


async def states(conn: Conn, keys: Sequence[ChangeKey]) -> dict[ChangeKey, State]:
    """Return the states that notifications tell of."""
    rows = await conn.fetch(_SQL["states"], [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys])
    return {(row["tenant"], row["entity"], row["version"]): State(*row) for row in rows}


async def settle(conn: Conn, outcomes: Sequence[Outcome]) -> list[Debt]:
    """Record what tries came to, in one transaction with the sums; what is settled already stays as it is.

    Return the next pages that follow, entered.
    """
    await _lock(conn, [(o.tenant, o.subscription) for o in outcomes])
    pages = [(o.id, o.rest) for o in outcomes if o.rest is not None]
    follow = await conn.fetch(_SQL["follow"], [p[0] for p in pages], [p[1] for p in pages]) if pages else ()
    rows = await conn.fetch(
        _SQL["settle"],
        [o.id for o in outcomes],
        [o.status for o in outcomes],
        [o.sent for o in outcomes],
        [o.tries for o in outcomes],
        [o.retry_at for o in outcomes],
        [o.error for o in outcomes],
        [o.at for o in outcomes],
    )
    await _forget(conn, [(row["tenant"], row["entity"], row["version"]) for row in rows])
    if any(row["version"] < 0 for row in rows):
        await conn.execute(_SQL["forget_pending"], [o.id for o in outcomes])
    return [Debt(*row) for row in follow]


async def totals(conn: Conn, tenant: str, subscriptions: Sequence[str]) -> dict[str, Totals]:
    """Return the sums of these subscriptions; one that was never owed anything is absent."""
    rows = await conn.fetch(_SQL["totals"], tenant, subscriptions)
    names = Totals.__dataclass_fields__
    return {row["subscription"]: Totals(**{name: row[name] for name in names}) for row in rows}


async def since_failure(conn: Conn, tenant: str, subscription: str) -> float | None:
    """Say how many seconds ago a call of the subscription's receiver failed last; None if none has."""
    found: float | None = await conn.fetchval(_SQL["since_failure"], tenant, subscription)
    return found


async def balance(conn: Conn) -> Balance:
    """Sum the ledger up, in one snapshot."""
    row = await conn.fetchrow(_SQL["balance"])
    return Balance(*row) if row is not None else Balance(0, 0, 0, 0)


async def purge(conn: Conn, before: datetime, limit: int) -> int:
    """Drop settled rows older than `before`, at most `limit`; the sums stay. Return how many."""
    return int((await conn.execute(_SQL["purge"], before, limit)).rpartition(" ")[2])


async def purge_beats(conn: Conn, before: datetime, limit: int) -> int:
    """Drop settled rows of periodic and throttled subscriptions as `purge` does."""
    return int((await conn.execute(_SQL["purge_beats"], before, limit)).rpartition(" ")[2])


async def _lock(conn: Conn, subscriptions: Sequence[tuple[str, str]]) -> None:
    """Lock the sums in one order, so that workers never wait for each other in a circle."""
    await conn.execute(_SQL["lock_totals"], [s[0] for s in subscriptions], [s[1] for s in subscriptions])


async def _forget(conn: Conn, keys: Sequence[ChangeKey]) -> None:
    if keys:
        await conn.execute(_SQL["forget_states"], [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys])
