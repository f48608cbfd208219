"""The desk at which agreements are seen to: who acts, what the rules say about it, and the record of it.

Theory of operation. Every act is one transaction: the agreement is locked, the rules are asked (OPA, with the
agreements that stand in the same transaction), the rows change, notices are owed, and the audit record is written. An
act that the rules refuse is rolled back and its refusal is recorded alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from policies import times
from policies.agreements.admission import Admitted, admit_document
from policies.audit import AuditRecord, Prepared, append, prepare
from policies.caller import Caller
from policies.city import CityFolder
from policies.settings import PolicySettings
from policies.store import terms
from policies.store.applications import Assessment
from policies.store.connect import Conn, Pool
from policies.store.lifecycle import Event, Version, add_event
from policies.trust import ActRefused, Trust

__all__ = ["Actor", "Desk", "Done", "NoSuchThing", "Unfit", "by_contexts"]

T = TypeVar("T")


class NoSuchThing(LookupError):
    """There is no such agreement, application or domain (HTTP 404)."""


class Unfit(ValueError):
    """The act does not fit where the thing stands (HTTP 409)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and for which purpose."""

    caller: Caller
    purpose: str


@dataclass(frozen=True, slots=True)
class Done:
    """What an act came to; `receipt` is that of its audit record."""

    result: dict[str, Any]
    receipt: str
    page: str


def by_contexts(city: CityFolder, catalog_url: str) -> dict[str, Path]:
    """Give the contexts that are known by URL: the city's own, as the catalog serves it."""
    return {f"{catalog_url.rstrip('/')}/context.jsonld": city.folder / "context.jsonld"}


class Desk:
    """What every act needs."""

    def __init__(self, pool: Pool, trust: Trust, city: CityFolder, settings: PolicySettings) -> None:
        self.pool = pool
        self.trust = trust
        self.city = city
        self.settings = settings

    def admit(self, source: dict[str, Any], name: str = "the agreement") -> Admitted:
        """Admit an agreement that was sent; raises CityFileError naming the member."""
        return admit_document(
            source,
            name,
            self.city.domains,
            self.city.terms,
            self.city.folder / "agreements",
            by_contexts(self.city, self.settings.catalog_url),
        )

    async def perform(self, actor: Actor, what: str, work: Callable[[Conn], Awaitable[T]]) -> T:
        """Do an act in one transaction; a refusal by the rules is recorded by itself."""
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                return await work(conn)
        except ActRefused as refused:
            async with self.pool.acquire() as conn:
                prepared = await self.record(
                    conn, actor, what, refused.tenant, outcome="denied", reason=refused.reasons[0][0]
                )
            refused.receipt = prepared.receipt
            raise

    async def domain(self, conn: Conn, name: str) -> dict[str, Any]:
        """Read a domain as it was declared."""
        found = await terms.domain(conn, name)
        if found is None:
            raise NoSuchThing(f"there is no domain {name!r}; the domains are listed at /trust/domains")
        return found

    async def rule(
        self,
        conn: Conn,
        actor: Actor,
        act: str,
        domain: dict[str, Any],
        assignee: str = "",
        approvals: Sequence[Any] = (),
        assessment: Assessment | None = None,
    ) -> bool:
        """Ask the rules whether the actor may; tells whether an approval is complete. Raises ActRefused."""
        matter = {
            "act": act,
            "domain": {name: domain[name] for name in ("name", "classification", "four_eyes")},
            "assignee": assignee,
            "approvals": [dict(each) for each in approvals],
            "assessment": None
            if assessment is None
            else {"id": assessment.id, "valid_until": times.text(assessment.valid_until)},
        }
        return await self.trust.rule(conn, actor.caller, actor.purpose, domain["tenant"], matter)

    async def manages(self, conn: Conn, actor: Actor) -> list[dict[str, Any]]:
        """Give the domains that the actor may see to."""
        found = []
        for domain in await terms.domains(conn):
            try:
                await self.rule(conn, actor, "review", domain)
            except ActRefused:
                continue
            found.append(domain)
        return found

    async def record(
        self,
        conn: Conn,
        actor: Actor,
        what: str,
        tenant: str,
        agreements: tuple[tuple[str, int], ...] = (),
        outcome: str = "allowed",
        reason: str | None = None,
    ) -> Prepared:
        """Write the audit record of an act, in the transaction of `conn`."""
        prepared = prepare(
            AuditRecord(
                door="steward",
                action="manage",
                tenant=tenant,
                caller=actor.caller.party,
                purpose=actor.purpose,
                request=what[:4000],
                outcome="denied" if outcome == "denied" else "allowed",
                reason=reason,
                agreements=agreements,
                roles=actor.caller.roles,
                tier=actor.caller.tier,
                revision=await conn.fetchval("SELECT revision FROM policies.revision"),
            )
        )
        await append(conn, [prepared])
        return prepared

    async def note(self, conn: Conn, actor: Actor, act: str, version: Version, status: str, reason: str = "") -> str:
        """Write an act on an agreement into its history and the audit log; gives the receipt."""
        what = f"agreement {version.uid} version {version.version} {act}" + (f": {reason}" if reason else "")
        prepared = await self.record(conn, actor, what, version.tenant, ((version.uid, version.version),))
        event = Event(
            version.uid,
            version.version,
            act,
            status,
            actor.caller.party,
            actor.caller.sub,
            reason,
            prepared.id,
        )
        await add_event(conn, event)
        return prepared.receipt
