"""Versions of agreements, what happened to them, and who approved what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.store.city import AgreementRow
from policies.store.connect import Conn

__all__ = [
    "Event",
    "Version",
    "add_event",
    "approvals",
    "approve",
    "drop_approvals",
    "events",
    "expire",
    "latest",
    "move",
    "put_proposal",
    "version",
    "versions",
]

_COLUMNS = (
    "uid, version, current, status, tenant, domain, assigner, assignee, valid_from, valid_until, body, source, digest, "
    "applied_at"
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an agreement as it stands."""

    uid: str
    version: int
    current: bool
    status: str
    tenant: str
    domain: str
    assigner: str
    assignee: str
    valid_from: datetime
    valid_until: datetime
    body: dict[str, Any]
    source: dict[str, Any]
    digest: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One act on a version: what, by which party and person, why, and where the version stood afterwards."""

    agreement: str
    version: int
    act: str
    status: str
    party: str
    person: str
    reason: str = ""
    audit: str | None = None
    at: datetime | None = None


async def versions(conn: Conn, uid: str) -> list[Version]:
    """Read all versions, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM policies.agreements WHERE uid = $1 ORDER BY version DESC",  # noqa: S608 - constant
        uid,
    )
    return [Version(**row) for row in rows]


async def version(conn: Conn, uid: str, wanted: int) -> Version | None:
    """Read one version and lock it."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM policies.agreements WHERE uid = $1 AND version = $2 FOR UPDATE",  # noqa: S608
        uid,
        wanted,
    )
    return Version(**row) if row else None


async def latest(conn: Conn, uid: str, *, proposed: bool) -> Version | None:
    """Read and lock the version in force, or with `proposed` the newest that waits for approval."""
    condition = "NOT current AND status = 'applied'" if proposed else "current"
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM policies.agreements WHERE uid = $1 AND {condition} "  # noqa: S608 - constants
        "ORDER BY version DESC LIMIT 1 FOR UPDATE",
        uid,
    )
    return Version(**row) if row else None


async def put_proposal(conn: Conn, row: AgreementRow) -> None:
    """Store a version that is not in force; a proposal of the same number is replaced, with its approvals."""
    await conn.execute(
        """
        INSERT INTO policies.agreements AS a (uid, version, current, status, tenant, domain, assigner, assignee,
            valid_from, valid_until, body, source, digest)
        VALUES ($1, $2, false, 'applied', $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (uid, version) DO UPDATE SET valid_from = excluded.valid_from, valid_until = excluded.valid_until,
            body = excluded.body, source = excluded.source, digest = excluded.digest, applied_at = now()
            WHERE a.status = 'applied' AND NOT a.current
        """,
        row.uid,
        row.version,
        row.tenant,
        row.domain,
        row.assigner,
        row.assignee,
        row.valid_from,
        row.valid_until,
        row.body,
        row.source,
        row.digest,
    )


async def move(conn: Conn, uid: str, number: int, status: str, *, current: bool) -> None:
    """Put a version into a status, and into or out of force."""
    await conn.execute(
        "UPDATE policies.agreements SET status = $3, current = $4 WHERE uid = $1 AND version = $2",
        uid,
        number,
        status,
        current,
    )


async def expire(conn: Conn, now: datetime) -> list[Version]:
    """Put the agreements in force whose time is over out of force, and give them."""
    rows = await conn.fetch(
        f"""
        UPDATE policies.agreements SET status = 'expired' WHERE current AND status = 'active' AND valid_until <= $1
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        now,
    )
    return [Version(**row) for row in rows]


async def add_event(conn: Conn, event: Event) -> None:
    """Write down an act."""
    await conn.execute(
        """
        INSERT INTO policies.events (agreement, version, act, status, party, person, reason, audit)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid)
        """,
        event.agreement,
        event.version,
        event.act,
        event.status,
        event.party,
        event.person,
        event.reason,
        event.audit,
    )


async def events(conn: Conn, uid: str) -> list[Event]:
    """Read what happened to an agreement, oldest first."""
    rows = await conn.fetch(
        """
        SELECT agreement, version, act, status, party, person, reason, audit::text AS audit, at
        FROM policies.events WHERE agreement = $1 ORDER BY id
        """,
        uid,
    )
    return [Event(**row) for row in rows]


async def approvals(conn: Conn, uid: str, number: int, digest: str) -> list[Mapping[str, str]]:
    """Read who has approved this text."""
    rows = await conn.fetch(
        """
        SELECT party, person FROM policies.approvals WHERE agreement = $1 AND version = $2 AND digest = $3 ORDER BY at
        """,
        uid,
        number,
        digest,
    )
    return [dict(row) for row in rows]


async def approve(conn: Conn, uid: str, number: int, digest: str, party: str, person: str) -> None:
    """Write down an approval of this text."""
    await conn.execute(
        """
        INSERT INTO policies.approvals (agreement, version, digest, party, person) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (agreement, version, person) DO UPDATE SET digest = excluded.digest, at = now()
        """,
        uid,
        number,
        digest,
        party,
        person,
    )


async def drop_approvals(conn: Conn, uid: str, number: int) -> None:
    """Forget the approvals of a text that has been replaced."""
    await conn.execute("DELETE FROM policies.approvals WHERE agreement = $1 AND version = $2", uid, number)
