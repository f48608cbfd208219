"""What if: the last audited decisions taken again as though a draft were in force, and who would gain or lose what.

The same rules answer twice, by the agreements that stand now and by those with the draft in its place; nothing is
stored. Askers are replayed once each, with how often they asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies import times
from policies.agreements.admission import Admitted
from policies.agreements.desk import Actor, Desk, Done, NoSuchThing
from policies.agreements.difference import change
from policies.caller import Caller
from policies.decision import ACTIONS
from policies.store import lifecycle as store
from policies.store import usage
from policies.store.agreements import Concerning, concerning
from policies.store.connect import Conn

__all__ = ["MOST", "WhatIfForm", "what_if"]

MOST = 100_000


class WhatIfForm(BaseModel):
    """A draft as it would be sent, a version that waits, or another status of what is in force; over how many."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    draft: dict[str, Any] | None = None
    agreement: str | None = Field(default=None, min_length=1, max_length=200)
    version: int | None = Field(default=None, ge=1)
    status: str | None = Field(default=None, pattern="^(active|suspended|revoked)$")
    last: int = Field(default=10_000, ge=1, le=MOST)

    @model_validator(mode="after")
    def _one(self) -> WhatIfForm:
        if (self.draft is None) == (self.agreement is None):
            raise ValueError("give either `draft` (an agreement) or `agreement` (the uid of one)")
        return self


class _Draft:
    """The agreement that is tried out, in the form of decisions."""

    def __init__(self, body: dict[str, Any], domain: str, tenant: str, status: str) -> None:
        self.uid: str = body["uid"]
        self.domain = domain
        self.tenant = tenant
        self.assignee: str = body["assignee"]
        self.body = {**body, "status": status, "spent": False}

    def within(self, known: Concerning, party: str, tier: str) -> Concerning:
        """Give the agreements that concern a caller with the draft in force."""
        others = [item for item in known.agreements if item["uid"] != self.uid]
        mine = self.assignee in (party, f"tier:{tier}", "tier:public")
        return replace(known, agreements=[*others, self.body] if mine else others)


async def what_if(desk: Desk, actor: Actor, form: WhatIfForm) -> Done:
    """Replay the last decisions against a draft. The draft's steward alone may ask."""
    admitted = None if form.draft is None else desk.admit({**form.draft, "status": "applied", "@type": "Agreement"})

    async def work(conn: Conn) -> Done:
        draft = await _draft(conn, form, admitted)
        domain = await desk.domain(conn, draft.domain)
        await desk.rule(conn, actor, "what-if", domain)
        askers = await usage.requesters(conn, form.last)
        now = times.text(datetime.now(UTC))
        changes = [
            found
            for asker in askers
            if asker["tenant"] == draft.tenant and (found := await _replayed(desk, conn, asker, draft, now))
        ]
        result = {
            "draft": draft.uid,
            "status": draft.body["status"],
            "domain": draft.domain,
            "replayed": sum(asker["requests"] for asker in askers),
            "askers": len(askers),
            "since": min((asker["since"] for asker in askers), default=None),
            "until": max((asker["until"] for asker in askers), default=None),
            "changes": changes,
        }
        prepared = await desk.record(
            conn, actor, f"what-if {draft.uid} {draft.body['status']} over {form.last}", draft.tenant
        )
        return Done(result, prepared.receipt, "/trust/what-if")

    return await desk.perform(actor, "what-if", work)


async def _draft(conn: Conn, form: WhatIfForm, admitted: Admitted | None) -> _Draft:
    if admitted is not None:
        return _Draft(admitted.body, admitted.agreement.domain, admitted.tenant, form.status or "active")
    uid = form.agreement or ""
    found: store.Version | None
    if form.version is not None:
        found = await store.version(conn, uid, form.version)
    else:
        waiting = None if form.status else await store.latest(conn, uid, proposed=True)
        found = waiting or await store.latest(conn, uid, proposed=False)
    if found is None:
        raise NoSuchThing(f"there is no agreement {uid!r}" + (f" version {form.version}" if form.version else ""))
    return _Draft(found.body, found.domain, found.tenant, form.status or "active")


async def _replayed(desk: Desk, conn: Conn, asker: dict[str, Any], draft: _Draft, now: str) -> dict[str, Any] | None:
    """Decide twice for an asker; None where nothing changes."""
    if asker["action"] not in ACTIONS:
        return None
    roles: Sequence[str] = asker["roles"]
    caller = Caller(asker["party"], "", asker["tier"], tuple(roles))
    known = await concerning(conn, caller.party, caller.tier, asker["tenant"])
    tried = draft.within(known, caller.party, caller.tier)
    if tried.agreements == known.agreements:
        return None
    given = caller, asker["purpose"], asker["action"], asker["tenant"]
    before = await desk.trust.consider(*given, known, now)
    after = await desk.trust.consider(*given, tried, now)
    found = change(before, after, asker["action"])
    if found.effect == "none":
        return None
    return {
        "party": caller.party,
        "tier": caller.tier,
        "purpose": asker["purpose"],
        "action": asker["action"],
        "requests": asker["requests"],
        "effect": found.effect,
        "before": found.before,
        "after": found.after,
        "types": [one.json() for one in found.types],
    }
