"""Write the city's parties, domains and agreements; repeating it changes nothing, so the revision stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.store.connect import Conn

__all__ = ["AgreementRow", "DomainRow", "VersionError", "put_agreement", "put_domain", "put_parties", "set_status"]


class VersionError(ValueError):
    """An agreement's text has changed without a new version, or an older version was given."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A domain ready to be stored."""

    tenant: str
    name: str
    types: Sequence[str]
    body: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """A version of an agreement ready to be stored."""

    uid: str
    version: int
    status: str
    tenant: str
    domain: str
    assigner: str
    assignee: str
    valid_from: Any
    valid_until: Any
    body: Mapping[str, Any]
    source: Mapping[str, Any]
    digest: str


async def put_parties(conn: Conn, parties: Mapping[str, str]) -> None:
    """Store the parties' names."""
    await conn.execute(
        """
        INSERT INTO policies.parties (party, name) SELECT * FROM unnest($1::text[], $2::text[])
        ON CONFLICT (party) DO UPDATE SET name = excluded.name WHERE parties.name <> excluded.name
        """,
        list(parties),
        list(parties.values()),
    )


async def put_domain(conn: Conn, row: DomainRow) -> bool:
    """Store a domain; False if it stands so already."""
    stored = await conn.fetchval("SELECT digest FROM policies.domains WHERE name = $1 FOR UPDATE", row.name)
    if stored == row.digest:
        return False
    await conn.execute("DELETE FROM policies.domain_types WHERE domain = $1", row.name)
    await conn.execute(
        """
        INSERT INTO policies.domains (tenant, name, types, body, digest) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE SET tenant = excluded.tenant, types = excluded.types, body = excluded.body,
            digest = excluded.digest, applied_at = now()
        """,
        row.tenant,
        row.name,
        list(row.types),
        row.body,
        row.digest,
    )
    await conn.execute(
        "INSERT INTO policies.domain_types (tenant, type, domain) SELECT $1, unnest($2::text[]), $3",
        row.tenant,
        list(row.types),
        row.name,
    )
    return True


async def put_agreement(conn: Conn, row: AgreementRow) -> bool:
    """Store a version of an agreement and make it current; False if it stands so already.

    The status of a version that stands already is left: what a steward has suspended or revoked is not brought back
    by applying the folder again.
    """
    stored = await conn.fetchrow(
        "SELECT version, digest FROM policies.agreements WHERE uid = $1 AND current FOR UPDATE", row.uid
    )
    if stored is not None:
        if stored["version"] == row.version and stored["digest"] == row.digest:
            return False
        if row.version <= stored["version"]:
            raise VersionError(
                f"agreement {row.uid}: version {row.version} differs from version {stored['version']} in force; "
                f"give it version {stored['version'] + 1}"
            )
        await conn.execute(
            """
            UPDATE policies.agreements
            SET current = false, status = CASE status WHEN 'active' THEN 'amended' ELSE status END
            WHERE uid = $1 AND current
            """,
            row.uid,
        )
    if await conn.fetchval(
        "SELECT EXISTS (SELECT FROM policies.agreements WHERE uid = $1 AND version = $2)", row.uid, row.version
    ):
        raise VersionError(
            f"agreement {row.uid}: version {row.version} was proposed at the trust already; give a higher"
        )
    await conn.execute(
        """
        INSERT INTO policies.agreements
            (uid, version, status, tenant, domain, assigner, assignee, valid_from, valid_until, body, source, digest)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        row.uid,
        row.version,
        row.status,
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
    return True


async def set_status(conn: Conn, uid: str, status: str) -> tuple[int, str, str] | None:
    """Change the status of an agreement's current version; its version, domain and tenant, None if it is unknown."""
    row = await conn.fetchrow(
        """
        UPDATE policies.agreements SET status = $2 WHERE uid = $1 AND current
        RETURNING version, domain, tenant
        """,
        uid,
        status,
    )
    return (row["version"], row["domain"], row["tenant"]) if row else None
