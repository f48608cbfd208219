"""The audit record, its commitment, and its one INSERT.

A record is canonical JSON (RFC 8785). Its commitment is c = SHA-256(salt || record) with 16 random bytes of salt, so
that the log can prove a record while it is kept and prove nothing about it once record and salt are erased.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import orjson
from uuid_utils import uuid7

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

    AnyConnection: TypeAlias = Connection | PoolConnectionProxy

__all__ = ["AuditRecord", "Outcome", "Prepared", "append", "commitment", "prepare"]

Outcome: TypeAlias = Literal["allowed", "denied", "error"]

_INSERT = """
INSERT INTO policies.audit_pending (id, record, salt, c)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])
"""


def _new_id() -> str:
    return str(uuid7())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One request or steward's act. `request` is method and normalised query; `subjects` only in personal domains.

    The fields stand in the order of their names: that is the canonical order, so writing them needs no sort.
    """

    action: str
    agreements: tuple[tuple[str, int], ...] = ()
    at: str = field(default_factory=_now)
    caller: str
    door: str
    entities: int = 0
    id: str = field(default_factory=_new_id)
    outcome: Outcome
    purpose: str
    reason: str | None = None
    request: str
    revision: int = 0
    subjects: tuple[str, ...] = ()
    tenant: str
    v: int = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record ready to be appended; `receipt` is the value of the answer's `Datapolis-Audit` header."""

    id: str
    record: str
    salt: bytes
    c: bytes
    receipt: str


def commitment(salt: bytes, record: str) -> bytes:
    """Commit to the record's canonical text."""
    return hashlib.sha256(salt + record.encode()).digest()


def prepare(record: AuditRecord, salt: bytes | None = None) -> Prepared:
    """Fix the record's text and commitment; `salt` is drawn unless given."""
    text = orjson.dumps(record)
    salt = os.urandom(16) if salt is None else salt
    c = hashlib.sha256(salt + text).digest()
    return Prepared(record.id, text.decode(), salt, c, f"{record.id}:{c.hex()}")


async def append(conn: AnyConnection, prepared: Sequence[Prepared]) -> None:
    """Insert the records in one statement, in the caller's transaction if there is one."""
    await conn.execute(
        _INSERT,
        [item.id for item in prepared],
        [item.record for item in prepared],
        [item.salt for item in prepared],
        [item.c for item in prepared],
    )
