"""Bring the register's files into the register: each new version is audited first, then entered."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from catalog.register import read_systems
from catalog.settings import Settings
from catalog.store import systems
from catalog.store.connect import Pool
from catalog.store.systems import Writer
from policies.audit import AuditRecord, append, prepare
from policies.city import open_city

if TYPE_CHECKING:
    from policies.store.connect import Pool as TrustPool

__all__ = ["enter_systems"]

_PURPOSE = "https://w3id.org/dpv#RecordManagement"


async def enter_systems(settings: Settings, pool: Pool, trust: TrustPool) -> list[str]:
    """Enter what is new or has changed; the entries and versions that were added."""
    city = open_city(settings.city)
    given = read_systems(settings.city, frozenset(city.domains), frozenset(city.city.parties))
    added = []
    async with pool.acquire() as conn:
        for version, system in await systems.changed(conn, given):
            text = orjson.dumps(system.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
            record = AuditRecord(
                door="register",
                action="manage",
                tenant="default",
                caller=system.owner,
                purpose=_PURPOSE,
                request=f"enter system {system.id} version {version} {hashlib.sha256(text).hexdigest()}",
                outcome="allowed",
            )
            prepared = prepare(record)
            async with trust.acquire() as audit:
                await append(audit, [prepared])
            if await systems.save(conn, system, version, Writer(system.owner, "file", "", prepared.receipt)):
                added.append(f"{system.id} version {version}")
    return added
