"""The write engine: many changes, one transaction, set-based SQL around a pure function.

Theory of operation. `apply` locks the rows of all changed entities in the order of their ids, so that two engines
never wait for each other in a circle. Each change then goes through `broker.core.patch.apply` in the order given, one
entity's changes one upon the other. What comes out is written by one statement per table: state, side tables, history,
outbox. A large batch is cut into parts: while the database stores one, the next one is computed.

An entity that does not exist has no row to lock. Its INSERT may find that somebody else made it meanwhile, or that it
was made and deleted (its tombstone has changed): then only the changes of that entity are undone and run again on what
is there now. A tombstone keeps the floor below which nothing comes back, and the last version, so that the versions
of an entity never repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from broker.core import change as change_event
from broker.core import patch, times
from broker.core.entity import LOCATION
from broker.core.errors import AlreadyExists, NgsiLdError, ResourceNotFound
from broker.core.patch import Change, Row, Shows, Tombstone
from broker.core.state import moved
from broker.store import entities, history, transient
from broker.store.pool import Conn

__all__ = ["Change", "Guard", "Outcome", "Row", "Unread", "apply"]

_PART: Final = 125
"""Entities that are stored together."""

_SLICE: Final = 25
"""Entities that are computed before whoever else waits (the part being stored among them) may go on."""


class Guard(Protocol):
    """Decides on a change under the row's lock; an error refuses it."""

    def admit(self, before: Row | None) -> NgsiLdError | Shows | None:
        """Look at the entity before the change (None: absent). Say what of it the writer sees, None: everything."""

    def conclude(self, after: Row | None) -> NgsiLdError | None:
        """Look at the entity after the change (None: absent)."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A change that is read when its turn comes, so that the first of a batch are stored while the last are read.

    `read` gives the change and its guard, or raises the error that refuses it; it may be called again.
    """

    id: str
    read: Callable[[], tuple[Change, Guard | None]]


class Outcome(NamedTuple):
    """What became of one change. `result` is patch's, or `refused`; `version` is the entity's afterwards.

    `noop` is a replay or late data: nothing new entered the current state, though history may have grown. `refused`:
    by its guard, or because the change does not fit what is stored. `skipped`: attributes that stayed as they were.
    """

    entity: str
    result: str
    version: int | None = None
    error: NgsiLdError | None = None
    skipped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Work:
    """One entity while its changes run: as stored, and as it will be."""

    stored: Row | None
    tombstone: Tombstone | None
    row: Row | None
    found: Tombstone | None
    geo: dict[str, bytes | None] = field(default_factory=dict)
    history: list[patch.HistoryRow] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


async def apply(
    conn: Conn,
    tenant: str,
    changes: Sequence[Change | Unread],
    now: datetime,
    guards: Sequence[Guard | None] | None = None,
) -> list[Outcome]:
    """Apply the changes in the caller's transaction, in the order given per entity; outcomes in the order given.

    `conn` is lent to the tenant (`Pool.lend(schema)`) and is inside a transaction. `tenant` is the tenant's name, for
    the change events. `now` (aware) is the instant of the write. `guards` go with `changes` one to one; an `Unread`
    brings its own. Raises only the database's errors.
    """
    outcomes: dict[int, Outcome] = {}
    by_entity: dict[str, list[int]] = {}
    for at, change in enumerate(changes):
        by_entity.setdefault(change.id, []).append(at)
    todo = sorted(by_entity)
    while todo:
        rows, tombstones = await entities.lock(conn, todo, now)
        lost: list[str] = []
        async with _Behind(lost) as behind:
            for start in range(0, len(todo), _PART):
                work: dict[str, _Work] = {}
                for one in todo[start : start + _PART]:
                    row, tombstone = rows.get(one), tombstones.get(one)
                    work[one] = found = _Work(row, tombstone, row, tombstone)
                    for at in by_entity[one]:
                        guard = guards[at] if guards is not None else None
                        outcomes[at] = _step(found, tenant, changes[at], now, guard)
                    if len(by_entity[one]) > 1:
                        found.history = patch.distinct(found.history)
                    if len(work) % _SLICE == 0:
                        await behind.yield_to()
                await behind.run(_store(conn, tenant, work, now), last=start + _PART >= len(todo))
        todo = sorted(lost)
    return [outcomes[at] for at in range(len(changes))]


class _Behind:
    """Stores one part of a batch while the next one is computed; parts follow each other. `lost` collects what each
    gives.

    Leaving it waits for the last part; an exception stops the part that runs before it goes on, so that nobody else
    uses the connection.
    """

    def __init__(self, lost: list[str]) -> None:
        self._lost = lost
        self._running: asyncio.Task[list[str]] | None = None

    async def __aenter__(self) -> _Behind:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._settle()
        elif self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def yield_to(self) -> None:
        """Let the part that is being stored go on, if there is one."""
        if self._running is not None:
            await asyncio.sleep(0)

    async def run(self, storing: Coroutine[Any, Any, list[str]], *, last: bool) -> None:
        """Start to store a part, once the one before it is stored; the last part is waited for."""
        try:
            await self._settle()
        except BaseException:
            storing.close()
            raise
        if last:
            self._lost += await storing
        else:
            self._running = asyncio.create_task(storing)
            await asyncio.sleep(0)

    async def _settle(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            self._lost += await running


def _step(work: _Work, tenant: str, change: Change | Unread, now: datetime, guard: Guard | None) -> Outcome:
    """Run one change on the entity as it stands now."""
    before = work.row
    version = before.version if before else None
    if isinstance(change, Unread):
        try:
            change, guard = change.read()
        except NgsiLdError as error:
            return Outcome(change.id, "refused", version, error)
    seen = guard.admit(before) if guard is not None else None
    if isinstance(seen, NgsiLdError):
        return Outcome(change.id, "refused", version, seen)
    try:
        result = patch.apply(before, change, now, work.tombstone, seen)
    except NgsiLdError as error:
        return Outcome(change.id, "refused", version, error)
    if result.outcome == "conflict":
        return Outcome(change.id, "conflict", None, AlreadyExists(f"{change.id} already exists"))
    if result.outcome == "missing":
        return Outcome(change.id, "missing", None, ResourceNotFound(f"{change.id} was not found"))
    after = None if result.outcome == "deleted" else result.row or before
    refusal = guard.conclude(after) if guard is not None else None
    if refusal is not None:
        return Outcome(change.id, "refused", version, refusal)
    work.row = after
    work.history.extend(result.history)
    if result.tombstone is not None:
        work.tombstone = result.tombstone
    elif after is not None:
        work.tombstone = None
    if after is None:
        work.geo = dict.fromkeys(before.names) if before is not None else {}
    else:
        work.geo.update(result.geo)
    if result.op is not None:
        types = after.types if after is not None else before.types if before is not None else []
        event = change_event.text(
            tenant,
            change.id,
            types,
            result.version,
            times.of(now),
            result.op,
            result.attrs,
            change.cause,
            moved(before, after),
        )
        work.events.append(event)
    return Outcome(change.id, result.outcome, after.version if after else None, None, result.skipped)


async def _insert(conn: Conn, work: dict[str, _Work]) -> tuple[list[str], list[str]]:
    """Insert the entities that are new; return the ids that must run again because somebody else was quicker.

    And those of the others whose tombstone, of which nothing is known, is still to be looked for (`entities.settle`).
    """
    new = [(one.row, one.geo.get(LOCATION)) for one in work.values() if one.stored is None and one.row is not None]
    if not new:
        return [], []
    inserted = await entities.insert(conn, new)
    lost = [row.id for row, _ in new if row.id not in inserted] if len(inserted) < len(new) else []
    known = sorted(one for one in inserted if work[one].found is not None)
    if known:
        exhumed = await entities.exhume(conn, known)
        undone = {one: tombstone for one, tombstone in exhumed.items() if tombstone != work[one].found}
        await _undo(conn, undone)
        lost += undone
    return sorted(lost), sorted(one for one in inserted if work[one].found is None)


async def _undo(conn: Conn, undone: dict[str, Tombstone]) -> None:
    """Take back the insert of entities that were made and deleted meanwhile; their tombstones stay."""
    if undone:
        await entities.remove(conn, list(undone), None)
        await entities.bury(conn, undone.items())


async def _store(conn: Conn, tenant: str, work: dict[str, _Work], now: datetime) -> list[str]:
    """Write what a part's changes came to; return the ids that must run again."""
    lost, unsure = await _insert(conn, work)
    done = {one: found for one, found in work.items() if one not in lost} if lost else work
    types = [(name, one) for one, found in done.items() for name in _new_types(found)]
    events = [(one, event) for one, found in done.items() for event in found.events]
    undone = await entities.settle(conn, tenant, unsure, types, events)
    if undone:
        await _undo(conn, undone)
        lost += undone
        done = {one: found for one, found in done.items() if one not in undone}
    await _keep(conn, done, now)
    await history.append(conn, tenant, [row for found in done.values() for row in found.history])
    return lost


def _new_types(work: _Work) -> Sequence[str]:
    if work.row is None:
        return ()
    if work.stored is None:
        return work.row.types
    old = work.stored.types
    return () if work.row.types == old else [name for name in work.row.types if name not in old]


async def _keep(conn: Conn, done: dict[str, _Work], now: datetime) -> None:
    """Write rows, tombstones and side tables."""
    updated: list[tuple[Row, bytes | None]] = []
    moved: list[str] = []
    drop_types: list[tuple[str, str]] = []
    geometries: list[tuple[str, str, bytes | None]] = []
    ends: list[tuple[str, datetime | None]] = []
    for one, work in done.items():
        if work.row is None:
            continue
        old = work.stored.types if work.stored is not None else []
        new = work.row.types
        if old != new:
            drop_types.extend((name, one) for name in old if name not in new)
        geometries.extend((one, name, geometry) for name, geometry in work.geo.items() if name != LOCATION)
        end = transient.earliest(work.row)
        if end != transient.earliest(work.stored):
            ends.append((one, end))
        if work.stored is not None and work.row is not work.stored:
            updated.append((work.row, work.geo.get(LOCATION)))
            if LOCATION in work.geo:
                moved.append(one)
    await entities.update(conn, updated, moved)
    gone = [one for one, work in done.items() if work.stored is not None and work.row is None]
    await entities.remove(conn, gone, now)
    await entities.bury(
        conn,
        [
            (one, work.tombstone)
            for one, work in done.items()
            if work.row is None and work.tombstone is not None and work.tombstone != work.found
        ],
    )
    await entities.untype(conn, drop_types)
    await entities.place(conn, geometries)
    await transient.note(conn, ends)
