"""Access keys: for tools that cannot renew a token (QGIS, Excel, pandas), bound to one agreement and one purpose.

A key is `dpk_<id>_<secret>`: the id finds the row, the secret (256 random bits) is shown once and kept as SHA-256 only,
which such a secret needs no slower hash for. It stands in `Authorization: Bearer <key>` or as the password of HTTP
Basic, whatever the user name. A key reads under its own agreement alone: no other grants anything through it, while
every prohibition that concerns its party still hides.

What has been verified is kept in memory until the revision of the rules rises, and revoking a key raises it. A look-up
that a change has overtaken is not kept, so no worker serves a revoked key longer than its revision watch may be old.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from base64 import b32encode, b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from policies import purposes
from policies.audit import AuditRecord, append, prepare
from policies.caller import Caller, TokenError
from policies.decision import EngineUnavailable
from policies.store import access_keys as store
from policies.store.access_keys import AccessKey
from policies.store.connect import Conn, Pool

__all__ = ["MAX_DAYS", "AccessKey", "KeyRefused", "KeyRing", "Made", "credential", "make", "revoke"]

MAX_DAYS = 365
_FORM = re.compile(r"dpk_([a-z2-7]{16})_([a-z2-7]{52})")
_KEPT = 10_000
_MAX_HEADER = 1024
_PURPOSE = "https://w3id.org/dpv#RecordManagement"


class KeyRefused(ValueError):
    """A key cannot be made as asked; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key: `secret` is the whole of it, shown once."""

    key: AccessKey
    secret: str


# ---- making and ending


async def make(
    conn: Conn, caller: Caller, agreement: str, purpose: str, label: str, days: int, *, by: str | None = None
) -> Made:
    """Make a key for the caller's party under one of its agreements. Raises KeyRefused."""
    if caller.agreement:
        raise KeyRefused("an access key makes no keys; send a token")
    if not 1 <= days <= MAX_DAYS:
        raise KeyRefused(f"days: from 1 to {MAX_DAYS}, not {days}")
    if not 1 <= len(label.strip()) <= 100:
        raise KeyRefused("label: say in 1 to 100 characters what the key is for")
    wanted = purposes.iri(purpose)
    if not purposes.known(wanted):
        raise KeyRefused(f"purpose: {purpose!r:.80} is no purpose of DPV, such as dpv:ServiceProvision")
    if caller.purposes and wanted not in caller.purposes:
        raise KeyRefused(f"purpose: {wanted} is not among the token's purposes: {', '.join(caller.purposes)}")
    row = await conn.fetchrow(
        "SELECT tenant, domain, assignee, status FROM policies.agreements WHERE uid = $1 AND current", agreement
    )
    if row is None or row["assignee"] not in (caller.party, f"tier:{caller.tier}", "tier:public"):
        raise KeyRefused(f"agreement: {caller.party} has no agreement {agreement!r:.200}; see /trust/agreements")
    if row["status"] != "active":
        raise KeyRefused(f"agreement: {agreement} is {row['status']}, and a key needs an active one")
    identity, secret = _random(10), _random(32)
    now = datetime.now(UTC)
    made = AccessKey(
        identity,
        hashlib.sha256(secret.encode()).digest(),
        caller.party,
        caller.tier,
        agreement,
        wanted,
        label.strip(),
        row["tenant"],
        row["domain"],
        by or caller.party,
        now,
        now + timedelta(days=days),
    )
    async with conn.transaction():
        await store.insert(conn, made)
        await _audit(conn, made, made.created_by, f"make access key {identity} for {agreement}")
    return Made(made, f"dpk_{identity}_{secret}")


async def revoke(conn: Conn, key: AccessKey, by: str) -> bool:
    """End a key everywhere within a second; False where it had ended."""
    async with conn.transaction():
        done = await store.revoke(conn, key.id, by)
        if done:
            await _audit(conn, key, by, f"revoke access key {key.id}")
    return done


async def _audit(conn: Conn, key: AccessKey, by: str, act: str) -> None:
    record = AuditRecord(
        door="steward",
        action="manage",
        tenant=key.tenant,
        caller=by,
        purpose=_PURPOSE,
        request=act,
        outcome="allowed",
        revision=await conn.fetchval("SELECT revision FROM policies.revision"),
    )
    await append(conn, [prepare(record)])


def _random(size: int) -> str:
    return b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()


# ---- verifying


def credential(authorization: str) -> str | None:
    """Find the key in an `Authorization` value, as Bearer or as a Basic password; None where it holds none."""
    if len(authorization) > _MAX_HEADER:
        return None
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value if value.startswith("dpk_") else None
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password if password.startswith("dpk_") else user if user.startswith("dpk_") else None


class KeyRing:
    """Verifies access keys and remembers those it has verified."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: dict[str, Caller] = {}
        self._used: set[str] = set()
        self._changes = 0

    def forget(self) -> None:
        """Look every key up again: the rules have changed."""
        self._changes += 1
        self._kept.clear()

    def known(self, authorization: str) -> Caller | None:
        """Give the caller of a key verified before and still valid; sync, for the hot path."""
        caller = self._kept.get(authorization)
        return caller if caller is not None and caller.expires > time.time() else None

    async def verify(self, authorization: str, key: str) -> Caller:
        """Tell whose key it is. Raises TokenError (401), EngineUnavailable (503) while keys cannot be looked up."""
        changes = self._changes
        form = _FORM.fullmatch(key)
        found = await self._find(form[1]) if form is not None else None
        digest = hashlib.sha256(form[2].encode() if form is not None else b"").digest()
        if found is None or not hmac.compare_digest(found.hash, digest):
            raise TokenError("the access key is not known")
        if found.revoked_at is not None:
            raise TokenError("the access key has been revoked; ask for a new one at /trust/keys")
        if found.expires_at <= datetime.now(UTC):
            raise TokenError("the access key has expired; ask for a new one at /trust/keys")
        caller = Caller(
            found.party,
            f"key:{found.id}",
            found.tier,
            (),
            (found.purpose,),
            found.expires_at.timestamp(),
            found.agreement,
        )
        if changes == self._changes:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[authorization] = caller
        self._used.add(found.id)
        return caller

    async def write(self, conn: Conn) -> None:
        """Write which keys have been used since the last time."""
        used, self._used = self._used, set()
        if used:
            await store.use(conn, sorted(used))

    async def _find(self, key_id: str) -> AccessKey | None:
        try:
            async with self._pool.acquire() as conn:
                return await store.find(conn, key_id)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise EngineUnavailable(f"access keys cannot be looked up: {type(error).__name__}") from error
