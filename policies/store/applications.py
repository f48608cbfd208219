"""Applications for a licence, and impact assessments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.store.connect import Conn

__all__ = [
    "Application",
    "Assessment",
    "application",
    "applications",
    "assessment",
    "assessments",
    "assessments_run_out",
    "current_assessment",
    "of_agreement",
    "put_application",
    "put_assessment",
    "settle_application",
]


@dataclass(frozen=True, slots=True)
class Application:
    """One application; `body` holds organisation, description and, once settled, who decided and why."""

    id: str
    domain: str
    party: str
    person: str
    purpose: str
    offer: str
    agreement: str
    status: str
    body: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Assessment:
    """One impact assessment."""

    id: str
    domain: str
    body: dict[str, Any]
    valid_until: datetime
    at: datetime


_APPLICATION = (
    "SELECT id::text AS id, domain, party, person, purpose, offer, agreement, status, body, at "
    "FROM policies.applications"
)


async def put_application(
    conn: Conn, id_: str, domain: str, party: str, person: str, purpose: str, offer: str, agreement: str, body: object
) -> None:
    """Store a new application."""
    await conn.execute(
        """
        INSERT INTO policies.applications (id, domain, party, person, purpose, offer, agreement, body)
        VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8)
        """,
        id_,
        domain,
        party,
        person,
        purpose,
        offer,
        agreement,
        body,
    )


async def settle_application(conn: Conn, agreement: str, status: str, said: Mapping[str, Any]) -> Application | None:
    """Close the application that an agreement was drawn up from; None if it was not drawn up from one."""
    row = await conn.fetchrow(
        """
        UPDATE policies.applications SET status = $2, body = body || $3 WHERE agreement = $1 AND status = 'applied'
        RETURNING id::text AS id, domain, party, person, purpose, offer, agreement, status, body, at
        """,
        agreement,
        status,
        said,
    )
    return Application(**row) if row else None


async def application(conn: Conn, id_: str) -> Application | None:
    """Read one application."""
    row = await conn.fetchrow(f"{_APPLICATION} WHERE id = $1::uuid", id_)
    return Application(**row) if row else None


async def of_agreement(conn: Conn, agreement: str) -> Application | None:
    """Read the application that an agreement was drawn up from."""
    row = await conn.fetchrow(f"{_APPLICATION} WHERE agreement = $1", agreement)
    return Application(**row) if row else None


async def applications(conn: Conn, domains: Sequence[str], party: str) -> list[Application]:
    """Read the applications to these domains and those of the party, newest first."""
    rows = await conn.fetch(
        f"{_APPLICATION} WHERE domain = ANY ($1) OR party = $2 ORDER BY at DESC LIMIT 500", list(domains), party
    )
    return [Application(**row) for row in rows]


async def put_assessment(conn: Conn, id_: str, domain: str, body: object, valid_until: datetime) -> bool:
    """Store an assessment; False if there is one of this id already."""
    done = await conn.execute(
        """
        INSERT INTO policies.assessments (id, domain, body, valid_until) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        id_,
        domain,
        body,
        valid_until,
    )
    return bool(done == "INSERT 0 1")


_ASSESSMENT = "SELECT id, domain, body, valid_until, at FROM policies.assessments"


async def assessment(conn: Conn, id_: str) -> Assessment | None:
    """Read one assessment."""
    row = await conn.fetchrow(f"{_ASSESSMENT} WHERE id = $1", id_)
    return Assessment(**row) if row else None


async def assessments(conn: Conn) -> list[Assessment]:
    """Read all assessments, newest first."""
    return [Assessment(**row) for row in await conn.fetch(f"{_ASSESSMENT} ORDER BY at DESC")]


async def current_assessment(conn: Conn, domain: str, id_: str | None) -> Assessment | None:
    """Read the named assessment of a domain, or without a name the one that is valid the longest."""
    row = await conn.fetchrow(
        f"{_ASSESSMENT} WHERE domain = $1 AND ($2::text IS NULL OR id = $2) ORDER BY valid_until DESC LIMIT 1",
        domain,
        id_,
    )
    return Assessment(**row) if row else None


async def assessments_run_out(conn: Conn, now: datetime) -> list[Assessment]:
    """Give the assessments that have run out and were not told of yet, and mark them as told of."""
    rows = await conn.fetch(
        """
        UPDATE policies.assessments SET told = true WHERE valid_until <= $1 AND NOT told
        RETURNING id, domain, body, valid_until, at
        """,
        now,
    )
    return [Assessment(**row) for row in rows]
