"""Provide and withdraw the temporal evolution of entities and its instances (CIM 009 V1.9.1, 5.6.11 to 5.6.16).

Each operation is one transaction with its audit record. A caller may touch an evolution where the decision's grants
cover the entity as it stands and the attributes concerned; what the caller may not see is missing, not refused. A
grant's window is of what histories show: who may change an attribute may change every instance of it.

An entity that is known from its evolution alone (each key of its state comes from this operation) goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from broker.core import patch, segments, times
from broker.core.access import Access
from broker.core.entity import Instance, dataset_of
from broker.core.errors import AlreadyExists, NgsiLdError, ResourceNotFound
from broker.core.match import Meta
from broker.core.state import HistoryRow
from broker.core.temporal import SCOPE
from broker.core.temporal_access import of_departed
from broker.core.temporal_input import Contribution
from broker.core.validate import is_null
from broker.ops.authorise import Refuse, guard
from broker.ops.entities import not_found
from broker.ops.sight import sight
from broker.store import entities, history, write
from broker.store.named import load
from broker.store.pool import Conn, Pool
from broker.store.write import Change, Outcome, Row
from policies.audit import Prepared, append

__all__ = ["EVENT", "Door", "add", "forget", "forget_attribute", "forget_instance", "modify_instance"]

_SQL: Final = load("temporal")

EVENT: Final = "temporal/"
"""What the event of a key starts with that comes from the provision of an evolution."""

Seal = Callable[[Outcome], Prepared]


@dataclass(frozen=True, slots=True)
class Door:
    """Through which caller an evolution is written. `departed`: who manages what is gone, None nobody."""

    pool: Pool
    tenant: str
    schema: str
    access: Access
    refuse: Refuse
    seal: Seal
    cause: str
    departed: Access | None = None


async def add(door: Door, given: Contribution, now: datetime, event: str, *, create: bool) -> tuple[Outcome, Prepared]:
    """Add instances; with `create` the evolution may be new, and the outcome is then `created` (5.6.11, 5.6.12)."""
    entity: str = given.state["id"]
    async with door.pool.tx(door.schema) as conn:
        known = await conn.fetchval(_SQL["known"], entity)
        rows, _ = await entities.lock(conn, [entity], now)
        row = rows.get(entity)
        if not create and not known:
            outcome = _missing(entity)
        elif not create and row is None:
            outcome = await _add_to_departed(conn, door, given, entity)
        else:
            if not known and given.scope_at is None:
                given.scope_at = given.begins  # a new evolution that does not say since when has its scope all along
            outcome = await _add(conn, door, given, row, now, event, create=create)
        if outcome.error is None:
            await history.append(conn, door.tenant, patch.distinct(given.history))
            outcome = Outcome(entity, "updated" if known else "created", outcome.version)
        prepared = door.seal(outcome)
        await append(conn, [prepared])
    return outcome, prepared


async def _add(
    conn: Conn, door: Door, given: Contribution, row: Row | None, now: datetime, event: str, *, create: bool
) -> Outcome:
    doc = given.state
    if "type" not in doc and row is not None:
        doc["type"] = list(row.types)
    change = Change("ingest_merge", given.state["id"], doc, times.of(now), event, door.cause, scope_at=given.scope_at)
    covered = {**doc, **dict.fromkeys(given.attributes - doc.keys())}
    # Where it may be new, an id that what is hidden has taken is refused, not missing: nobody learns that it is.
    check = guard(door.access, Change("upsert_update" if create else "ingest_merge", change.id, covered), door.refuse)
    (outcome,) = await write.apply(conn, door.tenant, [change], now, [check])
    return outcome


async def _add_to_departed(conn: Conn, door: Door, given: Contribution, entity: str) -> Outcome:
    """Add to the evolution of an entity that is gone: history only."""
    error = await _of_departed(conn, door, entity, given.attributes)
    if error is not None:
        return Outcome(entity, "refused", None, error)
    for name, value in given.state.items():
        if name in given.attributes:
            for one in value if isinstance(value, list) else [value]:
                given.history.append(_row(entity, name, one, datetime.now(UTC)))
    return Outcome(entity, "updated")


def _row(entity: str, name: str, one: Instance, now: datetime) -> HistoryRow:
    received = times.of(now)
    observed = times.canonical(one.get("observedAt")) or received
    return HistoryRow(entity, name, dataset_of(one), observed, received, "", segments.segment(one))


async def forget(door: Door, entity: str) -> tuple[Outcome, Prepared]:
    """Delete an evolution (5.6.16)."""

    async def run(conn: Conn, row: Row | None, now: datetime) -> NgsiLdError | None:
        await conn.execute(_SQL["forget_entity"], entity)
        await conn.execute(_SQL["forget_departed"], entity)
        if row is not None and _provided(row):
            await write.apply(conn, door.tenant, [Change("delete", entity, cause=door.cause)], now)
            await conn.execute(_SQL["forget_entity"], entity)
            await conn.execute(_SQL["forget_departed"], entity)
            await conn.execute(_SQL["forget_floor"], entity)
        return None

    return await _change(door, entity, None, run)


def _provided(row: Row) -> bool:
    """Say whether all that is known of an entity was provided as its evolution."""
    keys = [key for entries in row.meta.values() for key in entries.values()]
    return all(key[-1].startswith(EVENT) for key in keys)


async def forget_attribute(
    door: Door, entity: str, attr: str, dataset_id: str, *, everything: bool
) -> tuple[Outcome, Prepared]:
    """Delete an attribute's instances: of one dataset ("" the default one), or all of them (5.6.13)."""

    async def run(conn: Conn, row: Row | None, now: datetime) -> NgsiLdError | None:
        gone = await conn.fetchval(_SQL["forget_attribute"], entity, attr, None if everything else dataset_id)
        return None if gone else _no_attribute(entity, attr, dataset_id)

    return await _change(door, entity, attr, run)


async def forget_instance(door: Door, entity: str, attr: str, instance: str) -> tuple[Outcome, Prepared]:
    """Delete one instance (5.6.15)."""

    async def run(conn: Conn, row: Row | None, now: datetime) -> NgsiLdError | None:
        gone = await conn.fetchval(_SQL["forget_instance"], entity, attr, instance)
        return None if gone else _no_instance(entity, attr, instance)

    return await _change(door, entity, attr, run)


async def modify_instance(
    door: Door, entity: str, attr: str, instance: str, body: Instance
) -> tuple[Outcome, Prepared]:
    """Replace one instance; it keeps its identity and createdAt (5.6.14). AlreadyExists where another has its key."""

    async def run(conn: Conn, row: Row | None, now: datetime) -> NgsiLdError | None:
        found = await conn.fetchrow(_SQL["instance"], entity, attr, instance)
        if found is None:
            return _no_instance(entity, attr, instance)
        text = times.canonical(body.get("observedAt"))
        observed = times.to_datetime(text) if text is not None else found[0]
        dataset_id = dataset_of(body)
        if await conn.fetchval(_SQL["taken"], entity, attr, instance, dataset_id, observed):
            return AlreadyExists(f"{entity}: another instance of {attr} has this datasetId and observedAt")
        kind = "deleted" if is_null(body) else "value"
        values = (entity, attr, instance, dataset_id, observed, now, kind, segments.segment(body))
        await history.replace(conn, door.tenant, _SQL["replace_instance"], observed, *values)
        return None

    return await _change(door, entity, attr, run)


Run = Callable[[Conn, Row | None, datetime], Coroutine[object, object, NgsiLdError | None]]


async def _change(door: Door, entity: str, attr: str | None, run: Run) -> tuple[Outcome, Prepared]:
    """Run one change of an evolution (`attr` None: of all of it), if the caller may make it."""
    now = datetime.now(UTC)
    async with door.pool.tx(door.schema) as conn:
        rows, _ = await entities.lock(conn, [entity], now)
        row = rows.get(entity)
        error = await _allowed(conn, door, entity, row, attr)
        if error is None:
            error = await run(conn, row, now)
        outcome = Outcome(entity, "refused" if error is not None else "updated", None, error)
        prepared = door.seal(outcome)
        await append(conn, [prepared])
    return outcome, prepared


async def _allowed(conn: Conn, door: Door, entity: str, row: Row | None, attr: str | None) -> NgsiLdError | None:
    names = [record[0] for record in await conn.fetch(_SQL["attributes"], entity)]
    if not names:
        return not_found(entity)
    touched = [one for one in names if one != SCOPE] if attr is None else [attr]
    if row is None:
        return await _of_departed(conn, door, entity, touched)
    meta = Meta(times.of(row.created_at), times.of(row.modified_at), row.meta)
    mask = sight(door.access).mask(row.id, row.types, row.scopes, row.names, row.segs, lambda: meta)
    if mask is None:
        return not_found(entity)
    hidden = sorted(one for one in touched if not mask.shows(one))
    if not hidden:
        return None
    if attr is not None:
        return _no_attribute(entity, attr, "")
    return door.refuse(f"{entity}: no grant covers all attributes of its evolution")


async def _of_departed(conn: Conn, door: Door, entity: str, touched: Sequence[str] | set[str]) -> NgsiLdError | None:
    types = await conn.fetchval(_SQL["departed"], entity)
    if types is None or door.departed is None:
        return not_found(entity)
    seen = sight(of_departed(door.departed, door.access.prohibitions))
    mask = seen.mask(entity, types, None, [], [])
    return None if mask is not None and all(mask.shows(one) for one in touched) else not_found(entity)


def _missing(entity: str) -> Outcome:
    return Outcome(entity, "missing", None, not_found(entity))


def _no_attribute(entity: str, attr: str, dataset_id: str) -> NgsiLdError:
    of = f" of the dataset {dataset_id}" if dataset_id else ""
    return ResourceNotFound(f"{entity}: its evolution has no instance of {attr}{of}")


def _no_instance(entity: str, attr: str, instance: str) -> NgsiLdError:
    return ResourceNotFound(f"{entity}: {attr} has no instance urn:ngsi-ld:Instance:{instance}")
