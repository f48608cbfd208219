"""The audit record, its commitment, and its one INSERT.

A record is canonical JSON (RFC 8785). Its commitment is c = SHA-256(salt || record) with 16 random bytes of salt, so
that the log can prove a record while it is kept and prove nothing about it once record and salt are erased.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import orjson
from uuid_utils import uuid7

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

    AnyConnection: TypeAlias = Connection | PoolConnectionProxy

__all__ = ["AuditRecord", "Form", "Outcome", "Prepared", "append", "commitment", "prepare"]

Outcome: TypeAlias = Literal["allowed", "denied", "error"]

_INSERT = """
INSERT INTO policies.audit_pending (id, record, salt, c)
SELECT u.id::uuid, u.record, substr($3::bytea, u.n::int * 16 - 15, 16), substr($4::bytea, u.n::int * 32 - 31, 32)
FROM unnest(string_to_array($1::text, E'\\x1f'), string_to_array($2::text, E'\\x1f'))
    WITH ORDINALITY AS u (id, record, n)
"""
_SEPARATOR = "\x1f"
"""Stands in no JSON text; joined, values cost the driver less than as an array, whose every element it inspects."""


def _new_id() -> str:
    return str(uuid7())


_said = 0, ""
"""The millisecond that was written last, and its text: many records share one."""


def _now() -> str:
    global _said
    at = time.time_ns() // 1_000_000
    said, text = _said
    if said != at:
        text = f"{_second(at // 1000)}.{at % 1000:03}Z"
        _said = at, text
    return text


@lru_cache(maxsize=2)
def _second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _drawn() -> Iterator[bytes]:
    """Draw 16 random bytes after 16 others, 256 times with one call of the system."""
    while True:
        drawn = os.urandom(4096)
        for start in range(0, 4096, 16):
            yield drawn[start : start + 16]


_salts = _drawn()


def _draw_anew() -> None:
    """Let a forked process draw its own: what its parent has drawn is the parent's."""
    global _salts
    _salts = _drawn()


os.register_at_fork(after_in_child=_draw_anew)


@dataclass(slots=True, kw_only=True)
class AuditRecord:
    """One request or steward's act. `request` is method and normalised query; `subjects` only in personal domains.

    Nobody alters one: it is not frozen because that takes five times as long to make, and every write makes one.

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
    roles: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    tenant: str
    tier: str = ""
    v: int = 1


class Prepared(NamedTuple):
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
    return _prepared(record.id, orjson.dumps(record).decode(), salt)


def _prepared(id_: str, text: str, salt: bytes | None) -> Prepared:
    if salt is None:
        salt = next(_salts)
    c = hashlib.sha256(salt + text.encode()).digest()
    return Prepared(id_, text, salt, c, f"{id_}:{c.hex()}")


class Form:
    """The records of requests that differ in id, time and request alone: `prepare` without writing the rest anew."""

    __slots__ = ("_before_at", "_before_id", "_before_request", "_end")

    def __init__(self, model: AuditRecord) -> None:
        def text(*names: str) -> str:
            return ",".join(f'"{name}":{orjson.dumps(getattr(model, name)).decode()}' for name in names)

        self._before_at = "{" + text("action", "agreements") + ',"at":"'
        self._before_id = '",' + text("caller", "door", "entities") + ',"id":"'
        self._before_request = '",' + text("outcome", "purpose", "reason") + ',"request":'
        self._end = "," + text("revision", "roles", "subjects", "tenant", "tier", "v") + "}"

    def prepare(self, request: str) -> Prepared:
        """Make the record of one more request, which is given as JSON text."""
        id_ = str(uuid7())
        text = f"{self._before_at}{_now()}{self._before_id}{id_}{self._before_request}{request}{self._end}"
        return _prepared(id_, text, None)


async def append(conn: AnyConnection, prepared: Sequence[Prepared]) -> None:
    """Insert the records in one statement, in the caller's transaction if there is one."""
    await conn.execute(
        _INSERT,
        _SEPARATOR.join([item.id for item in prepared]),
        _SEPARATOR.join([item.record for item in prepared]),
        b"".join([item.salt for item in prepared]),
        b"".join([item.c for item in prepared]),
    )
