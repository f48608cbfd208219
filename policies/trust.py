"""The trust as its users hold it: who calls, for which purpose, and what they may see.

Theory of operation. A decision is asked of OPA once per (caller, purpose, action, tenant) and kept while the revision
of the rules stands. It is served from memory only while both the engine's heartbeat and the revision watch are
younger than one second, so that a platform cut off from its rules refuses instead of remembering. `cached` is the hot
path: one dictionary look-up and two comparisons, no I/O.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg

from broker.core.access import Access
from policies import times
from policies.access_keys import KeyRing, credential
from policies.answer import Allowed, Refused
from policies.caller import ANY_PURPOSE, DPV, Caller, PurposeError
from policies.decision import OPEN, Action, Decision, EngineUnavailable, RateExceeded
from policies.egress import session
from policies.keys import KeySet, KeysUnavailable
from policies.opa import Engine
from policies.pdp import ask, considered, document
from policies.quota import Usage
from policies.rate import Rates
from policies.settings import PolicySettings
from policies.store.agreements import Concerning, concerning
from policies.store.connect import Conn, open_pool
from policies.store.revision import RevisionWatch
from policies.token import ClaimNames, Verifier

__all__ = ["ActRefused", "Trust"]

_Key = tuple[str, str, str, str]


class ActRefused(Exception):
    """The rules refuse an act on an agreement: each reason with its detail. `receipt` is that of the refusal."""

    def __init__(self, reasons: list[tuple[str, str]], tenant: str) -> None:
        super().__init__(" ".join(detail for _, detail in reasons))
        self.reasons = reasons
        self.tenant = tenant
        self.receipt = ""


@dataclass(slots=True)
class _Kept:
    decision: Decision
    until: float  # epoch seconds


class Trust:
    """Verifies callers and decides. Open it with `Trust.open`, close it with `close`."""

    def __init__(self, settings: PolicySettings, pool: asyncpg.Pool, dsn: str) -> None:
        self.settings = settings
        self._pool = pool
        self._http = session(settings.egress, timeout_s=3.0)
        self._keys = KeySet(
            settings.jwks_url, self._http, settings.jwks_refetch_s, settings.jwks_ttl_s, settings.issuer
        )
        self._verifier = Verifier(
            self._keys,
            settings.issuer,
            settings.audience,
            settings.token_leeway_s,
            settings.token_max_bytes,
            ClaimNames(settings.claim_party, settings.claim_tier, settings.claim_roles, settings.claim_purpose),
        )
        self._engine = Engine(settings.opa_url, settings.opa_timeout_s, settings.heartbeat_s)
        self._watch = RevisionWatch(dsn, settings.heartbeat_s, self._changed)
        self._kept: dict[_Key, _Kept] = {}
        self._asking: dict[_Key, asyncio.Task[Decision]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._usage = Usage()
        self._ring = KeyRing(pool)
        self._rates = Rates()
        self._open = settings.access == "open"

    @classmethod
    async def open(cls, settings: PolicySettings, dsn: str | None = None) -> Trust:
        """Start following revision, engine and keys. `dsn` is the caller's own login (default: datapolis_policies).

        Starts also while the engine or the issuer is away: decisions then answer EngineUnavailable until they are back.
        """
        dsn = dsn or settings.dsn_policies.get_secret_value()
        trust = cls(settings, await open_pool(dsn, size=2), dsn)
        with suppress(KeysUnavailable):
            await trust._keys.refresh()
        with suppress(EngineUnavailable):
            await trust._fresh()
        trust._tasks = [asyncio.create_task(job) for job in (trust._watch.run(), trust._refresh_keys())]
        if not trust._open:
            trust._tasks += [asyncio.create_task(job) for job in (trust._engine.run(), trust._write_usage())]
        return trust

    async def close(self) -> None:
        """Stop following, write the last counts and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with self._pool.acquire(timeout=1.0) as conn:
                await self._share(conn)
        await self._watch.close()
        await self._engine.close()
        await self._http.close()
        await self._pool.close()

    @property
    def revision(self) -> int:
        """The revision of the rules last seen; raise of it means: decide again."""
        return self._watch.revision

    async def verify(self, headers: Mapping[str, str]) -> Caller:
        """Tell who calls (`authorization` in lower case); the public without a token. Raises TokenError: 401."""
        authorization = headers.get("authorization")
        key = credential(authorization) if authorization is not None else None
        if authorization is None or key is None:
            return await self._verifier.verify(headers)
        return self._ring.known(authorization) or await self._ring.verify(authorization, key)

    def known(self, authorization: str) -> Caller | None:
        """Give the caller of an `Authorization` value verified before and still valid; sync, for the hot path."""
        return self._verifier.known(authorization) or self._ring.known(authorization)

    def purpose(self, caller: Caller, header: str | None) -> str:
        """Tell the request's purpose, an IRI, from its `Data-Purpose` header and the token. PurposeError: 400."""
        if header:
            wanted = DPV + header[4:] if header.startswith("dpv:") else header
            if caller.purposes and wanted not in caller.purposes:
                known = ", ".join(caller.purposes)
                raise PurposeError(f"Data-Purpose {wanted} is not among the token's purposes: {known}")
            return wanted
        if len(caller.purposes) > 1:
            raise PurposeError(f"name one purpose in the header Data-Purpose: {', '.join(caller.purposes)}")
        return caller.purposes[0] if caller.purposes else ANY_PURPOSE

    def cached(self, caller: Caller, purpose: str, action: Action, tenant: str) -> Decision | None:
        """Give the decision from memory, or None when it must be asked; sync, for the hot path."""
        if self._open:
            return OPEN
        kept = self._kept.get((caller.key, purpose, action, tenant))
        if kept is None or kept.until <= time.time() or self._stale():
            return None
        return kept.decision

    async def decide(self, caller: Caller, purpose: str, action: Action, tenant: str) -> Decision:
        """Decide, from memory or by asking OPA. Raises EngineUnavailable (503) rather than decide on old rules."""
        decision = self.cached(caller, purpose, action, tenant)
        if decision is not None:
            return decision
        key = (caller.key, purpose, action, tenant)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._decide(key, caller, action))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def rule(self, conn: Conn, caller: Caller, purpose: str, tenant: str, matter: dict[str, Any]) -> bool:
        """Ask whether the caller may act so on an agreement, by the agreements that `conn` sees.

        Tells whether an approval is complete. Raises ActRefused, EngineUnavailable.
        """
        if self._open:
            raise EngineUnavailable("this platform runs without policies (DATAPOLIS_ACCESS=open)")
        known = await concerning(conn, caller.party, caller.tier, tenant)
        now = times.text(datetime.now(UTC))
        asked = {**document(caller, purpose, "manage", tenant, known, now), "matter": matter}
        answer = await self._engine.rule(asked)
        if not answer["allow"]:
            raise ActRefused([(each["reason"], each["detail"]) for each in answer["reasons"]], tenant)
        return bool(answer["complete"])

    async def consider(
        self, caller: Caller, purpose: str, action: Action, tenant: str, known: Concerning, now: str
    ) -> Allowed | Refused:
        """Tell what the rules would answer under these agreements, whatever is in force."""
        return await considered(self._engine, caller, purpose, action, tenant, known, now)

    def used(self, decision: Decision, requests: int = 1) -> None:
        """Count requests answered under a decision against its quotas and rates; sync, written within a beat."""
        if decision.duties:
            self._usage.count(decision, requests)
            for duty in decision.rates:
                self._rates.count(duty, requests)

    def fits(self, decision: Decision) -> bool:
        """Tell whether one more request fits every rate of the decision; sync, for the hot path."""
        return not decision.rates or not any(self._rates.wait_s(duty) for duty in decision.rates)

    def within_rate(self, decision: Decision, requests: int = 1) -> Decision:
        """Give the decision with what its rates admit now. Raises RateExceeded: 429.

        The rate of the caller's own agreement refuses. One of its tier or of the public, which others use up too,
        takes that agreement's grants away for the moment, and refuses only where none is left.
        """
        if not decision.rates:
            return decision
        over = {duty: wait for duty in decision.rates if (wait := self._rates.wait_s(duty, requests)) > 0}
        if not over:
            return decision
        full = {duty.agreement for duty in over}
        left = tuple(grant for grant in decision.access.grants if grant.agreement not in full)
        if not left or any(duty.own for duty in over):
            named = ", ".join(sorted(f"{duty.value} of {duty.agreement}" for duty in over))
            raise RateExceeded(f"The agreed rate is exceeded: {named}.", max(over.values()))
        return replace(
            decision,
            access=Access(left, decision.access.prohibitions),
            duties=tuple(duty for duty in decision.duties if duty.agreement not in full),
            rates=tuple(duty for duty in decision.rates if duty.agreement not in full),
            agreements=tuple(pair for pair in decision.agreements if pair[0] not in full),
        )

    async def _decide(self, key: _Key, caller: Caller, action: Action) -> Decision:
        await self._fresh()
        _, purpose, _, tenant = key
        try:
            async with self._pool.acquire() as conn:
                decision = await ask(self._engine, conn, caller, purpose, action, tenant, self.settings.catalog_url)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise EngineUnavailable(f"the agreements cannot be read: {type(error).__name__}") from error
        if decision.revision == self._watch.revision:
            if len(self._kept) >= self.settings.decision_cache:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = _Kept(decision, decision.until.timestamp() if decision.until else float("inf"))
        return decision

    def _stale(self) -> bool:
        oldest = time.monotonic() - self.settings.stale_after_s
        return self._engine.seen_at < oldest or self._watch.seen_at < oldest

    async def _fresh(self) -> None:
        """Look again at what has grown old, and refuse if it cannot be renewed."""
        oldest = time.monotonic() - self.settings.stale_after_s
        if self._watch.seen_at < oldest:
            await self._watch_now()
        if self._engine.seen_at < oldest and not self._open:
            await self._engine.beat()

    async def _watch_now(self) -> None:
        try:
            await asyncio.wait_for(self._watch.poll(), self.settings.opa_timeout_s)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise EngineUnavailable(f"the revision of the rules cannot be read: {type(error).__name__}") from error

    async def _refresh_keys(self) -> None:
        while True:
            await asyncio.sleep(self.settings.jwks_ttl_s / 2)
            with suppress(KeysUnavailable):
                await self._keys.refresh()

    async def _write_usage(self) -> None:
        while True:
            await asyncio.sleep(self.settings.heartbeat_s)
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with self._pool.acquire() as conn:
                    await self._share(conn)

    async def _share(self, conn: Conn) -> None:
        await self._rates.share(conn)
        await self._usage.write(conn, datetime.now(UTC))
        await self._ring.write(conn)

    def _changed(self, revision: int) -> None:
        self._kept.clear()
        self._ring.forget()
