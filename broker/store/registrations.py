"""The context source registrations of a tenant, and the changes of them; `conn` is lent to the tenant.

For who reads this from elsewhere:

- A row is a `Stored`: the document in expanded form (`broker.core.registration.compiled` makes it ready to be
  matched), the party that registered it, and its times. One that has expired is not given out, whether or not it has
  been removed yet.
- Every `insert`, `replace` and `delete`, also that of the sweeper, moves the tenant's `revision` and writes one row of
  broker.registration_changes in the same transaction: `was` and `now`, each a `Stored` or None. None before: it is
  new; None after: it was deleted or has expired.
- It is the whole registration, contextSourceInfo included: what a party may be told of it is what
  `broker.store.registration_search.seen` leaves.
- Who notifies claims changes as the login role (`Pool.tx(None)`): `claim` gives them in the order of their arrival and
  locks them, `settle` deletes them; in one transaction with what follows from them, each counts once. Several workers
  share the work. Changes nobody claims are dropped by the sweeper after a week.
- Two changes of one registration may be claimed by two workers at once, and the order in which rows arrive is that of
  their statements, not of commits; for one registration they agree, as each change locks its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from broker.core import segments, times
from broker.core.pattern import pattern
from broker.core.registration import SPACES, Registration, compiled
from broker.store.named import load
from broker.store.pool import Conn

__all__ = [
    "Changed",
    "Stored",
    "claim",
    "count",
    "delete",
    "due",
    "every",
    "guard",
    "info_rows",
    "insert",
    "lock",
    "one",
    "page",
    "purge",
    "read",
    "replace",
    "revision",
    "settle",
    "stored",
    "written",
]

_SQL = load("registrations")


@dataclass(frozen=True, slots=True)
class Stored:
    """A registration as stored: `doc` in expanded form, and whose it is."""

    id: str
    doc: dict[str, Any]
    party: str
    created_at: datetime
    modified_at: datetime
    expires_at: datetime | None = None

    @property
    def compiled(self) -> Registration:
        """The registration, ready to be matched."""
        return compiled(self.id, self.party, self.doc)


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of a registration: as it was and as it is; None: there was or is none."""

    seq: int
    tenant: str
    id: str
    was: Stored | None
    now: Stored | None
    at: datetime


async def insert(conn: Conn, tenant: str, stored: Stored) -> bool:
    """Store a new registration; False if its id is taken."""
    if not await _insert(conn, stored):
        return False
    await _changed(conn, tenant, None, stored)
    return True


async def guard(conn: Conn, tenant: str) -> None:
    """Let no other registration of the tenant be written until the transaction ends."""
    await conn.execute(_SQL["guard"], tenant)


async def replace(conn: Conn, tenant: str, was: Stored, now: Stored) -> None:
    """Put a registration into the place of the one that `lock` gave."""
    await conn.fetchrow(_SQL["delete"], was.id)
    await _insert(conn, now)
    await _changed(conn, tenant, was, now)


async def delete(conn: Conn, tenant: str, id: str, at: datetime) -> bool:
    """Drop a registration; False if there is none."""
    row = await conn.fetchrow(_SQL["delete"], id)
    if row is None:
        return False
    await _changed(conn, tenant, stored(row), None, at)
    return True


async def one(conn: Conn, id: str, now: datetime) -> Stored | None:
    """Return a registration that has not expired."""
    row = await conn.fetchrow(_SQL["one"], id, now)
    return None if row is None else stored(row)


async def lock(conn: Conn, id: str) -> Stored | None:
    """Return a registration, also one that has expired, locked until the transaction ends."""
    row = await conn.fetchrow(_SQL["lock"], id)
    return None if row is None else stored(row)


async def page(conn: Conn, party: str, limit: int, offset: int, now: datetime) -> list[Stored]:
    """Return a page of a party's registrations, by id."""
    return [stored(row) for row in await conn.fetch(_SQL["page"], party, limit, offset, now)]


async def every(conn: Conn, now: datetime) -> list[Stored]:
    """Return all registrations of the tenant that have not expired, by id."""
    return [stored(row) for row in await conn.fetch(_SQL["every"], now)]


async def count(conn: Conn, party: str) -> int:
    """Count a party's registrations."""
    return int(await conn.fetchval(_SQL["count"], party))


async def due(conn: Conn, now: datetime, limit: int) -> list[str]:
    """Return the ids of registrations that have expired, locked; those that others hold are left out."""
    return [row[0] for row in await conn.fetch(_SQL["due"], now, limit)]


async def revision(conn: Conn, schema: str) -> int:
    """Return the revision of a tenant's registrations."""
    return int(await conn.fetchval(_SQL["revision"], schema) or 0)


async def claim(conn: Conn, limit: int) -> list[Changed]:
    """Return changes that nobody has claimed, the oldest first, locked until the transaction ends."""
    return [
        Changed(row["seq"], row["tenant"], row["registration"], read(row["was"]), read(row["now"]), row["at"])
        for row in await conn.fetch(_SQL["claim"], limit)
    ]


async def settle(conn: Conn, seqs: Sequence[int]) -> None:
    """Drop changes that have been seen to."""
    await conn.execute(_SQL["settle"], seqs)


async def purge(conn: Conn, before: datetime) -> None:
    """Drop changes older than `before`, which nobody claimed."""
    await conn.execute(_SQL["purge"], before)


def stored(row: Any) -> Stored:
    """Read a row."""
    doc = orjson.loads(row["doc"])
    return Stored(row["id"], doc, row["party"], row["created_at"], row["modified_at"], row["expires_at"])


async def _insert(conn: Conn, stored: Stored) -> bool:
    one = stored.compiled
    columns = segments.segments(dict(one.properties))
    spaces = [segments.ewkb(dict(one.spaces[name])) if name in one.spaces else None for name in SPACES]
    row = await conn.fetchval(
        _SQL["insert"],
        stored.id,
        orjson.dumps(stored.doc).decode(),
        stored.party,
        one.mode,
        stored.created_at,
        stored.modified_at,
        stored.expires_at,
        columns.names,
        columns.segs,
        orjson.dumps(columns.vals).decode(),
        list(one.scopes) or None,
        *spaces,
        *([one.observed.start, one.observed.end] if one.observed is not None else [None, None]),
        *([one.managed.start, one.managed.end] if one.managed is not None else [None, None]),
    )
    if row is None:
        return False
    await conn.execute(_SQL["insert_info"], stored.id, orjson.dumps(info_rows(one)).decode())
    return True


def info_rows(one: Registration) -> list[dict[str, Any]]:
    """Give the rows of registration_info."""
    found: list[dict[str, Any]] = []
    for info in one.information:
        attrs = list(dict.fromkeys(info.attrs)) or [""]
        if not info.entities:
            found.append({"types": [""], "entity": None, "pattern": None, "attrs": attrs})
        for entity in info.entities:
            expression = entity.id_pattern if entity.id is None else None
            found.append(
                {
                    "types": list(entity.types) or [""],
                    "entity": entity.id,
                    "pattern": None if expression is None else pattern(expression).ere,
                    "attrs": attrs,
                }
            )
    return found


async def _changed(conn: Conn, tenant: str, was: Stored | None, now: Stored | None, at: datetime | None = None) -> None:
    one = now or was
    if one is None:
        raise ValueError("a change is of something")
    await conn.execute(_SQL["changed"], tenant, one.id, written(was), written(now), at or one.modified_at)


def written(stored: Stored | None) -> str | None:
    """Write a registration as one text."""
    if stored is None:
        return None
    moments = {
        "created_at": times.of(stored.created_at),
        "modified_at": times.of(stored.modified_at),
        "expires_at": None if stored.expires_at is None else times.of(stored.expires_at),
    }
    return orjson.dumps({"id": stored.id, "doc": stored.doc, "party": stored.party, **moments}).decode()


def read(text: str | None) -> Stored | None:
    """Read what `written` wrote."""
    if text is None:
        return None
    found = orjson.loads(text)
    created, modified, expires = (found[name] for name in ("created_at", "modified_at", "expires_at"))
    return Stored(
        found["id"],
        found["doc"],
        found["party"],
        times.to_datetime(created),
        times.to_datetime(modified),
        None if expires is None else times.to_datetime(expires),
    )
