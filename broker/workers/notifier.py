"""The notifier: consumes `changes`, enters what subscribers are owed into the ledger, and has it delivered.

Theory of operation. One transaction moves the positions and enters every notification that the changes make due, so a
kill at any instant loses and doubles nothing. Delivery (`broker.workers.delivery`) follows from the ledger alone.

Which state does a change show? The event carries the attributes that changed, before and after; the rest of the entity
comes from its row, which may be younger than the change. So the row's version is looked up among the events in hand and
the row is taken back (or forward) from there, event by event, to right before and right after each change. If the row
is younger than all events in hand, those in between are under way: they are in the outbox or already in the topic (a
version is never stored without its event), and the batch waits for them. An entity with nothing in the outbox whose
row is younger than everything up to the topic's end can only be a repeat of changes that were consumed before; its
events are dropped.

What periodic subscriptions are owed (5.8.6) is entered by whichever notifier finds them due (`broker.store.beats`), for
one of its own partitions, and delivered like everything else. So is what throttled ones are owed: their changes are
judged like others', but only which entities they are of is kept.

A subscriber sees a change if the entity is visible to it before and after, and triggers, `q` and data are taken from
the visible attributes only. The ledger keeps both states until the notification is settled, because access is decided
anew at delivery, when an agreement may have ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zlib import crc32

import asyncpg
import orjson
import structlog
from prometheus_client import Counter, Gauge

from broker.bus.consume import Batch, Consumer, Source
from broker.bus.produce import BusUnavailable
from broker.core import change as change_event
from broker.core import times
from broker.core.access import Access
from broker.core.change import ChangeEvent
from broker.core.entity import Doc
from broker.core.narrow import AttrMask, mask
from broker.core.subscription import Index, Subscription, fires, redo, undo
from broker.ops.subscriptions import compiled
from broker.store import beats, ledger, offsets, outbox, subscriptions
from broker.store.ledger import Due, State
from broker.store.offsets import Fenced
from broker.store.pool import Pool
from broker.workers.delivery import Delivery
from policies import EngineUnavailable

__all__ = ["AccessOf", "Book", "Notifier", "visible"]

_log = structlog.get_logger(__name__)
_DUE = Counter("datapolis_notify_due", "Notifications entered into the ledger")
_LAG = Gauge("datapolis_notify_lag", "Changes that wait on this worker's partitions")

AccessOf = Callable[[Subscription], Awaitable[Access | None]]
"""Decides what a subscription's party may see now; None: nothing. Raises EngineUnavailable."""

EntityKey = tuple[str, str]
"""Tenant, entity id."""


class Book:
    """All subscriptions, by tenant, as of the revision last read.

    Before changes are judged it is read anew; before a notification is sent it is not older than `_FRESH_S`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._revisions: dict[str, int] = {}
        self._indexes: dict[str, Index] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self.schemas: dict[str, str] = {}

    async def fresh(self) -> None:
        """Refresh, if the last time is too long ago."""
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
            self.schemas[tenant] = schema
            if self._revisions.get(tenant) == revision:
                continue
            async with self._pool.lend(schema) as conn:
                stored = await subscriptions.every(conn)
            self._indexes[tenant] = Index(compiled(tenant, one) for one in stored)
            self._revisions[tenant] = revision
        self._read_at = started

    def index(self, tenant: str) -> Index:
        """Return the subscriptions of a tenant."""
        return self._indexes.get(tenant, _EMPTY)

    def one(self, tenant: str, id: str) -> Subscription | None:
        """Return a subscription."""
        return self.index(tenant).by_id.get(id)


_EMPTY = Index(())
_FRESH_S = 0.25
_LOOK_S = 1.0
"""Pause between looks for periodic subscriptions. No interval is shorter, so none is overlooked."""
_BEATS = 200


@dataclass(frozen=True, slots=True)
class _Event:
    """A change as it came, and the subscriptions that may be owed it."""

    event: ChangeEvent
    partition: int
    candidates: Sequence[Subscription]


class Notifier:
    """Runs until `stop` is set."""

    def __init__(
        self,
        pool: Pool,
        source: Source,
        book: Book,
        access: AccessOf,
        delivery: Delivery,
        *,
        limit: int = 500,
        wait_s: float = 0.1,
    ) -> None:
        self._pool = pool
        self._source = source
        self._book = book
        self._access = access
        self._delivery = delivery
        self._limit = limit
        self._wait_s = wait_s
        self._look_at = 0.0
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume and deliver until `stop`."""
        while not stop.is_set():
            consumer = Consumer(self._source, self._pool)
            try:
                await consumer.start()
                self.ready.set()
                async with asyncio.TaskGroup() as group:
                    delivering = group.create_task(self._delivery.run())
                    await self._consume(consumer, stop)
                    await self._delivery.drain()
                    delivering.cancel()
            except* Fenced as errors:
                _log.warning("notify.fenced", owner=self._source.owner, detail=str(errors.exceptions[0]))
            except* (
                BusUnavailable,
                EngineUnavailable,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                OSError,
                TimeoutError,
            ) as errors:
                _log.warning("notify.waiting", reason=repr(errors.exceptions[0]))
                await asyncio.sleep(0.5)
            finally:
                self.ready.clear()
                await self._delivery.own(())
                await consumer.close()

    async def _consume(self, consumer: Consumer, stop: asyncio.Event) -> None:
        generation = 0
        while not stop.is_set():
            if consumer.generation != generation:
                generation = consumer.generation
                await self._delivery.own({partition for _, partition in consumer.held})
            await self._beat(consumer)
            batch = await consumer.fetch(self._limit, self._wait_s)
            _LAG.set(consumer.lag())
            if batch.messages:
                await self._take(consumer, batch)

    async def _beat(self, consumer: Consumer) -> None:
        """Enter what periodic and throttled subscriptions are owed now, if it is time to look."""
        if time.monotonic() < self._look_at or not consumer.held:
            return
        async with self._pool.lend(None) as conn:
            pause_s = await beats.pause(conn)
        if pause_s is None or pause_s > 0:
            self._look_at = time.monotonic() + min(pause_s or _LOOK_S, _LOOK_S)
            return
        held = sorted((topic, partition, at.generation) for (topic, partition), at in consumer.held.items())

        def partition_of(subscription: str) -> int:
            return held[crc32(subscription.encode()) % len(held)][1]

        if held:
            async with self._pool.tx(None) as conn:
                await offsets.hold(conn, self._source.consumer, self._source.owner, held)
                debts = await beats.enter(conn, partition_of, _BEATS)
            _DUE.inc(len(debts))
            self._delivery.add(debts, ())

    async def _take(self, consumer: Consumer, batch: Batch) -> None:
        await self._book.refresh()
        batch, events, rows = await self._complete(consumer, batch)
        kept, dues, throttled = await self._judge(events, rows)
        async with self._pool.tx(None) as conn:
            await offsets.advance(conn, self._source.consumer, self._source.owner, batch.steps())
            await beats.pend(conn, throttled)
            debts = await ledger.owe(conn, kept, dues)
        consumer.moved(batch.steps())
        _DUE.inc(len(debts))
        self._delivery.add(debts, kept)
        if throttled:
            self._look_at = 0.0

    async def _complete(
        self, consumer: Consumer, batch: Batch
    ) -> tuple[Batch, list[_Event], Mapping[EntityKey, tuple[Doc | None, int]]]:
        """Extend the batch until it holds every event up to the version of each row that it needs."""
        while True:
            events = self._read(batch)
            wanted = {(one.event.tenant, one.event.entity) for one in events if one.candidates}
            rows = await self._rows(wanted)
            missing = _missing(events, rows)
            if not missing:
                return batch, events, rows
            underway = await self._pending(missing)
            if underway != missing:
                ends = await consumer.end_offsets(batch.messages)
                if all(found[-1].offset + 1 >= ends[place] for place, found in batch.messages.items()):
                    repeats = missing - underway
                    kept = [one for one in events if (one.event.tenant, one.event.entity) not in repeats]
                    _log.info("notify.repeats", entities=len(repeats))
                    if not underway:
                        return batch, kept, rows
            more = await consumer.fetch(self._limit, self._wait_s)
            batch = batch.extended(more)

    def _read(self, batch: Batch) -> list[_Event]:
        """Parse the changes, dropping repeats of a version; per entity in the order of versions."""
        found: list[_Event] = []
        last: dict[EntityKey, int] = {}
        for message in batch.all():
            try:
                event = change_event.parse(message.value)
            except ValueError as error:
                _log.error("notify.unreadable", partition=message.partition, offset=message.offset, error=str(error))
                continue
            if event.version <= last.get((event.tenant, event.entity), 0):
                continue
            last[event.tenant, event.entity] = event.version
            found.append(_Event(event, message.partition, self._book.index(event.tenant).candidates(event)))
        return found

    async def _rows(self, wanted: Iterable[EntityKey]) -> dict[EntityKey, tuple[Doc | None, int]]:
        by_tenant: dict[str, list[str]] = {}
        for tenant, entity in wanted:
            by_tenant.setdefault(tenant, []).append(entity)
        rows: dict[EntityKey, tuple[Doc | None, int]] = {}
        for tenant, ids in by_tenant.items():
            async with self._pool.lend(self._book.schemas[tenant]) as conn:
                found = await subscriptions.current(conn, ids)
            for entity in ids:
                rows[tenant, entity] = found.get(entity, (None, 0))
        return rows

    async def _pending(self, missing: Iterable[EntityKey]) -> set[EntityKey]:
        by_tenant: dict[str, list[str]] = {}
        for tenant, entity in missing:
            by_tenant.setdefault(tenant, []).append(entity)
        underway: set[EntityKey] = set()
        async with self._pool.lend(None) as conn:
            for tenant, ids in by_tenant.items():
                underway |= {(tenant, entity) for entity in await outbox.pending(conn, tenant, ids)}
        return underway

    async def _judge(
        self, events: Sequence[_Event], rows: Mapping[EntityKey, tuple[Doc | None, int]]
    ) -> tuple[list[State], list[Due], list[Due]]:
        """Say what is owed: the states of the entities, whom they are to be told, and what waits as it is throttled."""
        kept: list[State] = []
        dues: list[Due] = []
        throttled: list[Due] = []
        decided: dict[str, Access | None] = {}
        now = times.of(datetime.now(UTC))
        for one, (before, after) in _linked(events, rows):
            owed = False
            for subscription in one.candidates:
                if subscription.status(now) != "active" or one.event.at < subscription.created_at:
                    continue
                key = f"{subscription.tenant}\0{subscription.subscriber}"
                if key not in decided:
                    decided[key] = await self._access(subscription)
                access = decided[key]
                if access is not None and due(subscription, one.event, before, after, access):
                    event = one.event
                    owed = owed or subscription.throttling_s is None
                    (dues if subscription.throttling_s is None else throttled).append(
                        Due(event.tenant, subscription.id, event.entity, event.version, one.partition)
                    )
            if owed:
                kept.append(_state(one, before, after))
        return kept, dues, throttled


def due(subscription: Subscription, event: ChangeEvent, before: Doc | None, after: Doc | None, access: Access) -> bool:
    """Say whether the subscriber is owed a notification of the change, from what is visible to it."""
    masks = visible(before, after, access)
    state = before if after is None else after
    if masks is None or state is None:
        return False
    seen = tuple(one for one in event.attrs if all(m.shows(one.name) for m in masks))
    return fires(subscription, replace(event, attrs=seen), shown(state, masks[-1]))


def visible(before: Doc | None, after: Doc | None, access: Access) -> tuple[AttrMask, ...] | None:
    """Return the masks of the states that exist, the later last; None if any of them is hidden."""
    masks: list[AttrMask] = []
    for state in (before, after):
        if state is not None:
            found = mask(state, access)
            if found is None:
                return None
            masks.append(found)
    return tuple(masks)


def shown(doc: Doc, seen: AttrMask) -> Doc:
    """Return the document without what the mask hides."""
    if seen.all:
        return doc
    return {name: value for name, value in doc.items() if name in ("id", "type", "scope") or seen.shows(name)}


def _state(one: _Event, before: Doc | None, after: Doc | None) -> State:
    event = one.event
    return State(
        event.tenant,
        event.entity,
        event.version,
        times.to_datetime(event.at),
        None if before is None else orjson.dumps(before).decode(),
        orjson.dumps(after).decode(),
        one.partition,
    )


def _missing(events: Sequence[_Event], rows: Mapping[EntityKey, tuple[Doc | None, int]]) -> set[EntityKey]:
    """Return the entities whose row is younger than every event in hand."""
    last = {(one.event.tenant, one.event.entity): one.event for one in events}
    return {
        key
        for key, (doc, version) in rows.items()
        if (last[key].op != "deleted" if doc is None else version > last[key].version)
    }


def _linked(
    events: Sequence[_Event], rows: Mapping[EntityKey, tuple[Doc | None, int]]
) -> list[tuple[_Event, tuple[Doc | None, Doc | None]]]:
    """Return the events that somebody may be owed with the entity before and after each."""
    chains: dict[EntityKey, list[ChangeEvent]] = {}
    for one in events:
        key = (one.event.tenant, one.event.entity)
        if key in rows:
            chains.setdefault(key, []).append(one.event)
    states: dict[str, tuple[Doc | None, Doc | None]] = {}
    for key, chain in chains.items():
        states |= _states(chain, *rows[key])
    return [(one, states[one.event.id]) for one in events if one.candidates and one.event.id in states]


def _states(chain: Sequence[ChangeEvent], doc: Doc | None, version: int) -> dict[str, tuple[Doc | None, Doc | None]]:
    """Go back from the row to before the first event, and forward again to its last."""
    held = [event for event in chain if doc is None or event.version <= version]
    back = doc
    found: dict[str, tuple[Doc | None, Doc | None]] = {}
    for position in range(len(held) - 1, -1, -1):
        event = held[position]
        before = undo(back, event)
        if before is not None and position:
            before = before | {"type": list(held[position - 1].types)}
        found[event.id] = (before, back)
        back = before
    forth = doc
    for event in chain[len(held) :]:
        after = redo(forth, event)
        found[event.id] = (forth, after)
        forth = after
    return found
