"""Applications: a party asks for what a domain offers, for a purpose that it states.

From the offer and the purpose the agreement is drawn up at once, as a version that waits for approval: the offer's
permissions whose purposes include the stated one, narrowed to it. A steward may amend the text before approving it.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from uuid_utils import uuid7

from policies import purposes, times
from policies.agreements.acts import page_of
from policies.agreements.desk import Actor, Desk, Done, NoSuchThing, Unfit
from policies.agreements.lifecycle import row_of
from policies.caller import ANY_PURPOSE
from policies.notices import tell_party, tell_steward
from policies.store import lifecycle as store
from policies.store.applications import put_application
from policies.store.city import put_parties
from policies.store.connect import Conn
from policies.store.lifecycle import Version
from policies.store.notices import Contact, put_contact

__all__ = ["ApplicationForm", "ContactForm", "apply", "contact", "drawn_up"]


class ContactForm(BaseModel):
    """Where a party wants to be told: a webhook, an e-mail address, or both."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    webhook: str | None = Field(default=None, pattern=r"^https?://\S+$", max_length=500)
    email: str | None = Field(default=None, pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=254)

    @field_validator("webhook", "email", mode="before")
    @classmethod
    def _blank(cls, value: object) -> object:
        return None if value == "" else value

    def contacts(self) -> list[Contact]:
        """Give the addresses that were named."""
        named = (("webhook", self.webhook), ("email", self.email))
        return [Contact(channel, address) for channel, address in named if address is not None]


class ApplicationForm(ContactForm):
    """An application: for which offer, for which purpose, by whom, what for, until when."""

    offer: str = Field(min_length=1, max_length=200)
    purpose: str = Field(min_length=1, max_length=200)
    organisation: str = Field(min_length=2, max_length=200)
    description: str = Field(min_length=20, max_length=5000)
    until: date | None = None

    @field_validator("until", mode="before")
    @classmethod
    def _no_date(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("purpose")
    @classmethod
    def _known(cls, purpose: str) -> str:
        found = purposes.iri(purpose)
        if not purposes.known(found) or found == ANY_PURPOSE:
            raise ValueError(f"{purpose} is no purpose of DPV; see https://w3id.org/dpv/purposes")
        return found


def _includes(constraint: Mapping[str, Any], purpose: str) -> bool:
    """Tell whether a purpose constraint (as written) holds for the purpose."""
    given = constraint["rightOperand"]
    names = [purposes.iri(name) for name in ([given] if isinstance(given, str) else given)]
    if constraint["operator"] == "eq":
        return purpose in names
    held = any(purposes.is_a(purpose, name) for name in names)
    return not held if constraint["operator"] == "isNoneOf" else held


def drawn_up(offer: Version, party: str, purpose: str, uid: str, until: datetime, now: datetime) -> dict[str, Any]:
    """Draw up the agreement that an offer comes to for a party and a purpose. Unfit: it offers nothing for it."""
    source = copy.deepcopy(offer.source)
    permissions = []
    for rule in source.get("permission", []):
        stated = [one for one in rule.get("constraint", []) if one["leftOperand"] == "purpose"]
        if all(_includes(one, purpose) for one in stated):
            narrowed = {"leftOperand": "purpose", "operator": "isA", "rightOperand": purpose}
            permissions.append({**rule, "constraint": [*rule.get("constraint", []), narrowed]})
    if not permissions:
        raise Unfit(f"{offer.uid} offers nothing for the purpose {purpose}; see its terms")
    return {
        **source,
        "@type": "Agreement",
        "uid": uid,
        "version": 1,
        "status": "applied",
        "assignee": party,
        "valid": {"from": times.text(max(now.replace(microsecond=0), offer.valid_from)), "until": times.text(until)},
        "permission": permissions,
    }


async def apply(desk: Desk, actor: Actor, form: ApplicationForm) -> Done:
    """Apply for what an offer offers; a new webhook's secret is in the result, once."""
    caller = actor.caller

    async def work(conn: Conn) -> Done:
        offer = await store.latest(conn, form.offer, proposed=False)
        if offer is None or offer.status != "offered":
            raise NoSuchThing(f"there is no offer {form.offer!r}; offers are listed at /trust/offers")
        domain = await desk.domain(conn, offer.domain)
        await desk.rule(conn, actor, "apply", domain, offer.assignee)
        uid = f"urn:datapolis:agreement:{offer.domain}:{uuid7()}"
        now, until = datetime.now(UTC), offer.valid_until
        if form.until is not None:
            until = min(until, datetime.combine(form.until, time.min, UTC))
        if until <= now:
            raise Unfit("`until` must lie in the future, and within the offer's own time")
        admitted = desk.admit(drawn_up(offer, caller.party, form.purpose, uid, until, now))
        await store.put_proposal(conn, row_of(admitted))
        if not await conn.fetchval("SELECT EXISTS (SELECT FROM policies.parties WHERE party = $1)", caller.party):
            await put_parties(conn, {caller.party: form.organisation})
        id_ = str(uuid7())
        body = {
            "organisation": form.organisation,
            "description": form.description,
            "tier": caller.tier,
            "offer_version": offer.version,
        }
        await put_application(conn, id_, offer.domain, caller.party, caller.sub, form.purpose, form.offer, uid, body)
        secret = await _remember(conn, actor, form)
        version = await store.version(conn, uid, 1)
        if version is None:
            raise RuntimeError(f"the proposal {uid} was not stored")
        receipt = await desk.note(conn, actor, "apply", version, "applied", form.description)
        said = {
            "agreement": uid,
            "application": id_,
            "status": "applied",
            "purpose": form.purpose,
            "page": page_of(uid),
        }
        url = desk.settings.catalog_url
        await tell_steward(conn, domain, "application.received", f"Application of {form.organisation}", url, said)
        await tell_party(conn, caller.party, "application.received", "Your application has arrived", url, said)
        result = {"application": id_, "agreement": uid, "version": 1, "status": "applied", **secret}
        return Done(result, receipt, page_of(uid))

    return await desk.perform(actor, f"apply for {form.offer}", work)


async def _remember(conn: Conn, actor: Actor, form: ContactForm) -> dict[str, str]:
    """Store the addresses; a webhook's secret is made here and told once."""
    told = {}
    for one in form.contacts():
        secret = secrets.token_urlsafe(32) if one.channel == "webhook" else ""
        await put_contact(conn, actor.caller.party, one, secret, actor.caller.sub)
        if secret:
            told["webhook_secret"] = secret
    return told


async def contact(desk: Desk, actor: Actor, form: ContactForm) -> Done:
    """Name where one's party wants to be told."""
    if not form.contacts():
        raise Unfit("name a `webhook` or an `email`")

    async def work(conn: Conn) -> Done:
        party = actor.caller.party
        nowhere = {"name": "", "classification": "open", "four_eyes": False, "tenant": "default"}
        await desk.rule(conn, actor, "report", nowhere, party)
        secret = await _remember(conn, actor, form)
        prepared = await desk.record(conn, actor, f"contact of {party}", "default")
        result = {"party": party, **form.model_dump(include={"webhook", "email"}, exclude_none=True), **secret}
        return Done(result, prepared.receipt, "/trust/desk")

    return await desk.perform(actor, "contact", work)
