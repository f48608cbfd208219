"""Bring the city's folder into force, and change an agreement's status: each act audited in its own transaction."""

from __future__ import annotations

from datetime import UTC, datetime

from policies.agreements.admission import Admitted, digest
from policies.agreements.obligations import schedule
from policies.agreements.odrl import Status
from policies.audit import AuditRecord, append, prepare
from policies.city import CityFolder
from policies.domains import Domain
from policies.purposes import iri
from policies.store.city import (
    AgreementRow,
    DomainRow,
    put_agreement,
    put_domain,
    put_parties,
    set_status,
)
from policies.store.connect import Conn
from policies.store.lifecycle import Event, add_event

__all__ = ["UnknownAgreement", "apply_agreements", "apply_domains", "change_status", "domain_body", "row_of"]

_PURPOSE = "https://w3id.org/dpv#RecordManagement"


class UnknownAgreement(LookupError):
    """No agreement has this uid."""


def domain_body(city: CityFolder, domain: Domain) -> dict[str, object]:
    """Give a domain as it is stored and published: names of types and purposes in full."""
    body: dict[str, object] = domain.model_dump(mode="json")
    body["types"] = city.types(domain)
    body["purposes"] = [iri(purpose) for purpose in domain.purposes]
    if domain.subject is not None:
        body["subject"] = city.terms.expand(domain.subject)
    return body


async def apply_domains(conn: Conn, city: CityFolder, by: str) -> list[str]:
    """Store the city's parties and domains in one transaction; the names of those that changed."""
    changed = []
    async with conn.transaction():
        await put_parties(conn, city.city.parties)
        for domain in city.domains.values():
            body = domain_body(city, domain)
            row = DomainRow(domain.tenant, domain.name, city.types(domain), body, digest(body))
            if await put_domain(conn, row):
                changed.append(domain.name)
                await _audit(conn, by, domain.tenant, f"apply domain {domain.name} {row.digest}", ())
    return changed


async def apply_agreements(conn: Conn, city: CityFolder, by: str) -> list[str]:
    """Store the city's agreements in one transaction; uid and version of those that changed."""
    admitted = city.agreements()
    changed = []
    async with conn.transaction():
        for item in admitted:
            if await put_agreement(conn, row_of(item)):
                uid, version = item.agreement.uid, item.agreement.version
                changed.append(f"{uid} version {version}")
                audit = await _audit(conn, by, item.tenant, f"apply agreement {uid} {item.digest}", ((uid, version),))
                await add_event(conn, Event(uid, version, "apply", item.agreement.status, by, "", "", audit))
                if item.agreement.status == "active":
                    await schedule(conn, uid, item.body, datetime.now(UTC))
    return changed


async def change_status(conn: Conn, uid: str, status: Status, by: str, why: str) -> None:
    """Activate, suspend, revoke or expire an agreement; in force everywhere within a second."""
    async with conn.transaction():
        found = await set_status(conn, uid, status)
        if found is None:
            raise UnknownAgreement(f"no agreement has the uid {uid}")
        version, _, tenant = found
        audit = await _audit(conn, by, tenant, f"agreement {uid} {status}: {why}", ((uid, version),))
        await add_event(conn, Event(uid, version, status, status, by, "", why, audit))


def row_of(item: Admitted) -> AgreementRow:
    """Give an admitted agreement as it is stored."""
    agreement = item.agreement
    return AgreementRow(
        agreement.uid,
        agreement.version,
        agreement.status,
        item.tenant,
        agreement.domain,
        agreement.assigner,
        agreement.assignee,
        agreement.valid.from_,
        agreement.valid.until,
        item.body,
        item.source,
        item.digest,
    )


async def _audit(conn: Conn, by: str, tenant: str, act: str, agreements: tuple[tuple[str, int], ...]) -> str:
    revision = await conn.fetchval("SELECT revision FROM policies.revision")
    record = AuditRecord(
        door="steward",
        action="manage",
        tenant=tenant,
        caller=by,
        purpose=_PURPOSE,
        request=act,
        outcome="allowed",
        agreements=agreements,
        revision=revision,
    )
    prepared = prepare(record)
    await append(conn, [prepared])
    return prepared.id
