"""Where parties want to be told, and the ledger of notices that are owed to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uuid_utils import uuid7

from policies.store.connect import Conn

__all__ = ["Contact", "Owed", "claim", "contacts", "failed", "notices_of", "owe", "put_contact", "secret_of", "sent"]


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to tell a party."""

    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A notice that waits to be sent."""

    id: str
    party: str
    channel: str
    address: str
    kind: str
    subject: str
    body: dict[str, Any]
    tries: int


async def put_contact(conn: Conn, party: str, contact: Contact, secret: str, person: str) -> None:
    """Store where a party wants to be told; a known address gets the new secret."""
    await conn.execute(
        """
        INSERT INTO policies.contacts (party, channel, address, secret, person) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (party, channel, address) DO UPDATE SET secret = excluded.secret, person = excluded.person
        """,
        party,
        contact.channel,
        contact.address,
        secret,
        person,
    )


async def contacts(conn: Conn, party: str) -> list[Contact]:
    """Read where a party wants to be told."""
    rows = await conn.fetch(
        "SELECT channel, address FROM policies.contacts WHERE party = $1 ORDER BY channel, address", party
    )
    return [Contact(row["channel"], row["address"]) for row in rows]


async def secret_of(conn: Conn, party: str, address: str) -> str:
    """Read the secret that signs a party's webhooks."""
    found = await conn.fetchval(
        "SELECT secret FROM policies.contacts WHERE party = $1 AND channel = 'webhook' AND address = $2", party, address
    )
    return str(found or "")


async def owe(
    conn: Conn, party: str, contact: Contact, kind: str, subject: str, body: Mapping[str, Any], error: str = ""
) -> None:
    """Write a notice into the ledger, in the transaction of the act; with `error` as one that cannot be sent."""
    await conn.execute(
        """
        INSERT INTO policies.notices (id, party, channel, address, kind, subject, body, status, error)
        VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        str(uuid7()),
        party,
        contact.channel,
        contact.address,
        kind,
        subject,
        body,
        "dead" if error else "waiting",
        error,
    )


async def claim(conn: Conn, most: int, lease_s: float) -> list[Owed]:
    """Take notices that are due, each for `lease_s`: after that another sender may take it."""
    rows = await conn.fetch(
        """
        UPDATE policies.notices n SET tries = n.tries + 1, next_try = now() + make_interval(secs => $2)
        FROM (SELECT id FROM policies.notices WHERE status = 'waiting' AND next_try <= now()
              ORDER BY next_try LIMIT $1 FOR UPDATE SKIP LOCKED) due
        WHERE n.id = due.id
        RETURNING n.id::text AS id, n.party, n.channel, n.address, n.kind, n.subject, n.body, n.tries
        """,
        most,
        lease_s,
    )
    return [Owed(**row) for row in rows]


async def sent(conn: Conn, id_: str) -> None:
    """Write down that a notice has been taken over by its receiver."""
    await conn.execute(
        "UPDATE policies.notices SET status = 'sent', sent_at = now(), error = '' WHERE id = $1::uuid", id_
    )


async def failed(conn: Conn, id_: str, error: str, retry_in_s: float | None) -> None:
    """Write down a failed try and when the next is due; None: there is none."""
    await conn.execute(
        """
        UPDATE policies.notices SET error = $2, status = CASE WHEN $3::float8 IS NULL THEN 'dead' ELSE 'waiting' END,
            next_try = now() + make_interval(secs => coalesce($3, 0))
        WHERE id = $1::uuid
        """,
        id_,
        error[:500],
        retry_in_s,
    )


async def notices_of(conn: Conn, agreement: str) -> list[dict[str, Any]]:
    """Read the notices about an agreement, newest first."""
    rows = await conn.fetch(
        """
        SELECT party, channel, kind, subject, status, tries, error, at, sent_at FROM policies.notices
        WHERE body ->> 'agreement' = $1 ORDER BY at DESC, id DESC LIMIT 100
        """,
        agreement,
    )
    return [dict(row) for row in rows]
