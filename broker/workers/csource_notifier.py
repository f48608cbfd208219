"""The notifier of registrations: what subscribers to context source registrations are owed (CIM 009 V1.9.1, 5.11.7).

Theory of operation. One worker at a time leads: it holds a lock for as long as its connection lives, and works on that
connection alone, so who has lost the lock can commit nothing. A round is one transaction: it claims changes of
registrations, enters every notification that they make due into the ledger, and deletes the changes. A kill at any
instant loses and doubles nothing. Delivery (`broker.workers.delivery`) follows from the ledger, as partition -1 of it;
the notifications of one subscription go out in the order in which they were entered.

A subscription that is new or was changed is first told of all registrations that match. These are read before the
changes are claimed, and the changes are then applied to what was read: that is the state after the last change claimed,
whatever was committed in between, and every later change is told by itself. A round that leaves changes behind tells no
such subscription yet.

Subscribers see a registration, before and after its change, as discovery would show it to them now; the ledger keeps
both states whole, because that is decided anew when the notification is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
import orjson
import structlog
from prometheus_client import Counter

from broker.core import times
from broker.core.access import Access
from broker.core.csource_subscription import CsourceSubscription, reason, relevant
from broker.core.registration_access import Reach
from broker.core.subscription import Subscription
from broker.ops.csource_subscriptions import compiled, seen
from broker.store import csource_subscriptions as rows
from broker.store import ledger, registrations
from broker.store.csource_subscriptions import Watched, as_tenant, ledger_name
from broker.store.ledger import Debt, Due, State
from broker.store.pool import Conn, Pool
from broker.store.registrations import Changed, Stored
from broker.workers.delivery import Delivery
from policies import EngineUnavailable

__all__ = ["PARTITION", "AccessOf", "CsourceBook", "CsourceNotifier", "Told", "of_state"]

_log = structlog.get_logger(__name__)
_DUE = Counter("datapolis_csource_notify_due", "Notifications of registrations entered into the ledger")

PARTITION: Final = -1
"""The ledger's partition of these notifications: none of Kafka's."""

AccessOf = Callable[[Subscription], Awaitable[Access | None]]
"""Decides what a subscription's party may see now; None: nothing. Raises EngineUnavailable."""

_FRESH_S: Final = 0.25
_STANDBY_S: Final = 1.0


class CsourceBook:
    """All subscriptions to registrations, by tenant.

    Not older than the last notification entered, and before one is sent not older than `_FRESH_S`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._revisions: dict[str, int] = {}
        self._found: dict[str, dict[str, CsourceSubscription]] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def fresh(self) -> None:
        """Read again the tenants whose subscriptions have changed, if the last time is too long ago."""
        if time.monotonic() - self._read_at > _FRESH_S:
            async with self._reading:
                if time.monotonic() - self._read_at > _FRESH_S:
                    await self.refresh()

    async def refresh(self) -> None:
        """Read again the tenants whose subscriptions have changed."""
        started = time.monotonic()
        async with self._pool.lend(None) as conn:
            found = await ledger.revisions(conn)
        for tenant, (schema, revision) in found.items():
            if self._revisions.get(tenant) != revision:
                async with self._pool.lend(schema) as conn:
                    watched = await rows.every(conn)
                self._found[tenant] = {ledger_name(one.stored.id): compiled(tenant, one) for one in watched}
                self._revisions[tenant] = revision
        self._read_at = started

    def one(self, debt: Debt) -> CsourceSubscription | None:
        """Return the subscription that a notification is owed to."""
        return self._found.get(debt.tenant, {}).get(debt.subscription)


@dataclass(frozen=True, slots=True)
class Told:
    """What a notification tells of: a change (`was`, `now`), or `all` that matches, which is told `first` or again.

    `of` is when its subscription was made: one that was made later under the same id is not told.
    """

    of: str
    was: Stored | None = None
    now: Stored | None = None
    all: tuple[Stored, ...] | None = None
    first: bool = True

    def state(self, tenant: str, subscription: str, number: int, at: datetime) -> State:
        """Put it as the ledger keeps it."""
        text = orjson.dumps(
            {
                "of": self.of,
                "was": registrations.written(self.was),
                "now": registrations.written(self.now),
                "all": None if self.all is None else [registrations.written(one) for one in self.all],
                "first": self.first,
            }
        ).decode()
        return State(tenant, subscription, number, at, None, text, PARTITION)


def of_state(state: State) -> Told:
    """Read what the ledger keeps."""
    found = orjson.loads(state.after)
    everything = found["all"]
    return Told(
        found["of"],
        registrations.read(found["was"]),
        registrations.read(found["now"]),
        None if everything is None else tuple(one for text in everything if (one := registrations.read(text))),
        found["first"],
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A notification that falls due, and the subscription as it was read if all that matches is told."""

    tenant: str
    id: str
    told: Told | None
    telling: Watched | None = None
    next_at: datetime | None = None


class CsourceNotifier:
    """Runs until `stop` is set."""

    def __init__(
        self,
        pool: Pool,
        book: CsourceBook,
        access: AccessOf,
        delivery: Delivery,
        *,
        limit: int = 500,
        wait_s: float = 0.2,
    ) -> None:
        self._pool = pool
        self._book = book
        self._access = access
        self._delivery = delivery
        self._limit = limit
        self._wait_s = wait_s
        self._revisions: dict[str, int] = {}
        self._next: dict[str, datetime] = {}
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Lead or stand by until `stop`."""
        while not stop.is_set():
            try:
                async with self._pool.lend(None) as conn:
                    leads = await rows.lead(conn)
                    self.ready.set()
                    if leads:
                        await self._lead(conn, stop)
                if not leads:
                    await _pause(stop, _STANDBY_S)
            except* (
                EngineUnavailable,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # of a connection that breaks in the middle of a call
                OSError,
                TimeoutError,
            ) as errors:
                _log.warning("csource_notify.waiting", reason=repr(errors.exceptions[0]))
                await _pause(stop, 0.5)

    async def _lead(self, conn: Conn, stop: asyncio.Event) -> None:
        self._revisions.clear()
        self._next.clear()
        try:
            await self._book.refresh()
            async with asyncio.TaskGroup() as group:
                delivering = group.create_task(self._delivery.run())
                await self._delivery.own({PARTITION})
                while not stop.is_set():
                    if not await self._round(conn, datetime.now(UTC)):
                        await _pause(stop, self._wait_s)
                await self._delivery.drain()
                delivering.cancel()
            await self._delivery.own(())
            await rows.resign(conn)
        except BaseException:
            conn.terminate()  # the lock ends with it
            await self._delivery.own(())
            raise

    async def _round(self, conn: Conn, now: datetime) -> bool:
        """Take what there is; say whether there may be more."""
        async with conn.transaction():
            tenants = await ledger.revisions(conn)
            looked_at = {
                tenant
                for tenant, (_, revision) in tenants.items()
                if self._revisions.get(tenant) != revision or self._next.get(tenant, now) < now
            }
            standing: dict[str, list[Stored]] = {}
            for tenant in sorted(looked_at):
                async with as_tenant(conn, tenants[tenant][0]):
                    standing[tenant] = await registrations.every(conn, now)
            changes = await registrations.claim(conn, self._limit)
            whole = len(changes) < self._limit
            if not changes and not looked_at:
                return False
            entries, following = await self._judge(conn, tenants, standing if whole else {}, changes, now)
            debts = await self._enter(conn, tenants, entries, now)
            await registrations.settle(conn, [one.seq for one in changes])
        if whole:
            self._revisions |= {tenant: tenants[tenant][1] for tenant in looked_at}
        self._next |= following
        if debts:
            await self._book.refresh()
        _DUE.inc(len(debts))
        self._delivery.add(debts, ())
        return not whole

    async def _judge(
        self,
        conn: Conn,
        tenants: Mapping[str, tuple[str, int]],
        standing: Mapping[str, list[Stored]],
        changes: Sequence[Changed],
        now: datetime,
    ) -> tuple[list[_Entry], dict[str, datetime]]:
        entries: list[_Entry] = []
        following: dict[str, datetime] = {}
        by_tenant: dict[str, list[Changed]] = {tenant: [] for tenant in standing}
        for change in changes:
            by_tenant.setdefault(change.tenant, []).append(change)
        for tenant in sorted(by_tenant.keys() & tenants.keys()):
            async with as_tenant(conn, tenants[tenant][0]):
                watched = await rows.every(conn)
            found = _after(standing[tenant], by_tenant[tenant], now) if tenant in standing else None
            mine = [entry for one in watched for entry in await self._owed(tenant, one, by_tenant[tenant], found, now)]
            entries += mine
            moments = {one.stored.id: one.next_at for one in watched}
            moments |= {one.id: one.next_at for one in mine if one.telling is not None}
            ahead = [moment for moment in moments.values() if moment is not None]
            following[tenant] = min(ahead, default=datetime.max.replace(tzinfo=UTC))
        return entries, following

    async def _owed(
        self, tenant: str, watched: Watched, changes: Sequence[Changed], found: Sequence[Stored] | None, now: datetime
    ) -> list[_Entry]:
        """Say what one subscription is owed of these changes and, if its turn has come, of all that stands."""
        one = compiled(tenant, watched)
        id, of = one.base.id, one.base.created_at
        untold = watched.told < watched.revision
        periodic = watched.next_at is not None and watched.next_at <= now
        active = one.base.status(times.of(now)) == "active"
        access = await self._access(one.base) if active and (changes or untold or periodic) else None
        reach, party = Reach(access or Access()), one.base.subscriber.party
        owed: list[_Entry] = []
        if access is not None and watched.told and one.every is None:
            owed += [
                _Entry(tenant, id, Told(of, change.was, change.now))
                for change in changes
                if reason(one, seen(change.was, reach, party), seen(change.now, reach, party)) is not None
            ]
        if found is not None and (untold or periodic):
            matching = tuple(each for each in found if relevant(one, seen(each, reach, party)) is not None)
            told = Told(of, all=matching, first=untold) if matching else None
            owed.append(_Entry(tenant, id, told, watched, None if one.every is None else now + one.every))
        return owed

    async def _enter(
        self, conn: Conn, tenants: Mapping[str, tuple[str, int]], entries: Sequence[_Entry], now: datetime
    ) -> list[Debt]:
        due: list[tuple[_Entry, Told]] = []
        for entry in entries:
            if entry.telling is not None:
                async with as_tenant(conn, tenants[entry.tenant][0]):
                    if not await rows.tell(conn, entry.telling, entry.next_at):
                        continue
            if entry.told is not None and (entry.told.first or not await _waits(conn, entry)):
                due.append((entry, entry.told))
        drawn = await rows.numbers(conn, len(due))
        kept, dues = [], []
        for number, (entry, told) in zip(drawn, due, strict=True):
            name = ledger_name(entry.id)
            kept.append(told.state(entry.tenant, name, number, now))
            dues.append(Due(entry.tenant, name, name, number, PARTITION))
        return await ledger.owe(conn, kept, dues)


async def _waits(conn: Conn, entry: _Entry) -> bool:
    """Say whether something waits for a subscription: another periodic notification would tell no more."""
    return bool(await ledger.waiting_of(conn, entry.tenant, ledger_name(entry.id), [PARTITION], 0, 1))


def _after(standing: Iterable[Stored], changes: Iterable[Changed], now: datetime) -> list[Stored]:
    """Apply changes to registrations as they stood, which may have some of them in already."""
    found: dict[str, Stored | None] = {one.id: one for one in standing}
    found |= {change.id: change.now for change in changes}
    left = [one for _, one in sorted(found.items()) if one is not None]
    return [one for one in left if one.expires_at is None or one.expires_at > now]


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
