"""What is owed under agreements, and by when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uuid_utils import uuid7

from policies.store.connect import Conn

__all__ = [
    "Obligation",
    "add",
    "drop",
    "fall_due",
    "meet",
    "obligation",
    "obligations",
    "postpone",
    "without_next",
]


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing owed: its kind and value as the agreement says, and what has been said of it."""

    id: str
    agreement: str
    kind: str
    value: str
    due: datetime
    status: str
    statement: str
    url: str
    person: str
    met_at: datetime | None


_COLUMNS = "o.id::text AS id, o.agreement, o.kind, o.value, o.due, o.status, o.statement, o.url, o.person, o.met_at"


async def add(conn: Conn, agreement: str, kind: str, value: str, due: datetime) -> None:
    """Write down what is owed; what is owed by that time already stays as it is."""
    await conn.execute(
        """
        INSERT INTO policies.obligations (id, agreement, kind, value, due) VALUES ($1::uuid, $2, $3, $4, $5)
        ON CONFLICT (agreement, kind, value, due) DO NOTHING
        """,
        str(uuid7()),
        agreement,
        kind,
        value,
        due,
    )


async def obligations(conn: Conn, agreements: Sequence[str]) -> list[Obligation]:
    """Read what is and was owed under these agreements, the earliest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM policies.obligations o WHERE o.agreement = ANY ($1) ORDER BY o.due, o.kind",  # noqa: S608
        list(agreements),
    )
    return [Obligation(**row) for row in rows]


async def obligation(conn: Conn, id_: str) -> Obligation | None:
    """Read one and lock it."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM policies.obligations o WHERE o.id = $1::uuid FOR UPDATE",  # noqa: S608
        id_,
    )
    return Obligation(**row) if row else None


async def meet(conn: Conn, id_: str, statement: str, url: str, person: str) -> None:
    """Write down that it has been met, and what was said."""
    await conn.execute(
        """
        UPDATE policies.obligations SET status = 'met', met_at = now(), statement = $2, url = $3, person = $4
        WHERE id = $1::uuid
        """,
        id_,
        statement,
        url,
        person,
    )


async def drop(conn: Conn, ids: Sequence[str]) -> None:
    """Let go of what is no longer owed."""
    await conn.execute("UPDATE policies.obligations SET status = 'dropped' WHERE id = ANY ($1::uuid[])", list(ids))


async def postpone(conn: Conn, id_: str, due: datetime) -> None:
    """Move what is owed to another day."""
    await conn.execute(
        """
        UPDATE policies.obligations o SET due = $2, status = 'due' WHERE id = $1::uuid AND NOT EXISTS (
            SELECT FROM policies.obligations p
            WHERE p.agreement = o.agreement AND p.kind = o.kind AND p.value = o.value AND p.due = $2)
        """,
        id_,
        due,
    )


async def fall_due(conn: Conn, now: datetime) -> list[Obligation]:
    """Mark what has not been met in time, and give it."""
    rows = await conn.fetch(
        f"""
        UPDATE policies.obligations o SET status = 'overdue' WHERE o.status = 'due' AND o.due <= $1
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        now,
    )
    return [Obligation(**row) for row in rows]


async def without_next(conn: Conn, now: datetime, ahead: timedelta) -> list[Obligation]:
    """Read the last of each recurring duty of agreements in force that has no successor due after `now`."""
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT ON (o.agreement, o.kind, o.value) {_COLUMNS}
        FROM policies.obligations o JOIN policies.agreements a ON a.uid = o.agreement AND a.current
        WHERE a.status = 'active' AND a.valid_until > $1 AND o.kind <> 'attribution' AND o.status <> 'dropped'
          AND NOT EXISTS (SELECT FROM policies.obligations p WHERE p.agreement = o.agreement AND p.kind = o.kind
                          AND p.value = o.value AND p.due > $1 - $2::interval AND p.status = 'due')
        ORDER BY o.agreement, o.kind, o.value, o.due DESC
        """,  # noqa: S608 - constant columns
        now,
        ahead,
    )
    return [Obligation(**row) for row in rows]
