"""The page of one agreement: the same for everybody, with more for its party, and the acts for its stewards."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from policies import times
from policies.agreements.desk import Actor, Desk, NoSuchThing
from policies.http.outcomes import failed
from policies.http.pages import language_for, page
from policies.http.words import deal
from policies.language import N_
from policies.store import applications, lifecycle, obligations, terms
from policies.store.connect import Conn
from policies.store.lifecycle import Version
from policies.trust import ActRefused

__all__ = ["show"]

_SAID = {
    "amend": N_("amended"),
    "apply": N_("applied for"),
    "approve": N_("approved"),
    "enact": N_("put in force"),
    "expire": N_("ended"),
    "offer": N_("offered"),
    "refuse": N_("refused"),
    "report": N_("duty reported"),
    "resume": N_("resumed"),
    "revoke": N_("revoked"),
    "revoked": N_("revoked"),
    "suspend": N_("suspended"),
    "suspended": N_("suspended"),
    "active": N_("activated"),
    "warn": N_("warned"),
    "withdraw": N_("withdrawn"),
}
_SANCTIONS = {
    "active": (("warn", N_("Warn")), ("suspend", N_("Suspend")), ("revoke", N_("Revoke"))),
    "suspended": (("resume", N_("Resume")), ("warn", N_("Warn")), ("revoke", N_("Revoke"))),
    "offered": (("revoke", N_("End the offer")),),
}
_HIDDEN = ("applied", "refused", "withdrawn")


async def show(request: Request, desk: Desk, who: Actor, uid: str) -> Response:
    """Show an agreement to whoever looks."""
    async with desk.pool.acquire() as conn:
        versions = await lifecycle.versions(conn, uid)
        domain = await terms.domain(conn, versions[0].domain) if versions else None
        steward = domain is not None and await _may(desk, conn, who, "review", domain)
        inside = domain is not None and await _may(desk, conn, who, "see", domain, versions[0].assignee)
        shown = next((one for one in versions if one.current), versions[0] if versions and inside else None)
        if shown is None or domain is None:
            return await failed(request, NoSuchThing(f"there is no agreement {uid!r}; see /trust/agreements"))
        parties, lang = await terms.parties(conn), language_for(request)
        waiting = next((one for one in versions if one.status == "applied"), None) if inside else None
        given = {
            "deal": deal(_body(shown), parties, lang),
            "domain": lang.text(domain["title"]),
            "url": request.url,
            "steward": steward,
            "four_eyes": domain["four_eyes"],
            "proposal": deal(_body(waiting), parties, lang) if waiting else None,
            "sanctions": _SANCTIONS.get(shown.status, ()) if steward and shown.current else (),
            "draft": _draft(waiting or shown) if steward else "",
            "said": _SAID,
            **await _inside(conn, uid, waiting, inside),
        }
    answer = page(request, "agreement.html", parties, **given)
    if inside:
        answer.headers["Cache-Control"] = "no-store"
    return answer


async def _may(desk: Desk, conn: Conn, who: Actor, act: str, domain: dict[str, Any], assignee: str = "") -> bool:
    if not who.caller.sub:
        return False
    try:
        await desk.rule(conn, who, act, domain, assignee)
    except ActRefused:
        return False
    return True


async def _inside(conn: Conn, uid: str, waiting: Version | None, inside: bool) -> dict[str, Any]:
    """Gather history, and for insiders duties, application and approvals."""
    hidden = [] if inside else [one.version for one in await lifecycle.versions(conn, uid) if one.status in _HIDDEN]
    events = [
        {
            "act": "enact" if (one.act, one.status) == ("apply", "active") else one.act,
            "version": one.version,
            "status": one.status,
            "party": one.party,
            "person": one.person if inside else "",
            "reason": one.reason if inside else "",
            "at": times.text(one.at) if one.at else "",
        }
        for one in await lifecycle.events(conn, uid)
        if one.version not in hidden
    ]
    owed = await obligations.obligations(conn, [uid]) if inside else []
    asked = await applications.of_agreement(conn, uid) if waiting else None
    return {
        "events": events,
        "duties": [
            {
                "id": one.id,
                "kind": one.kind,
                "value": one.value,
                "due": times.text(one.due),
                "status": one.status,
                "statement": one.statement,
                "url": one.url,
                "met_at": times.text(one.met_at) if one.met_at else "",
            }
            for one in owed
            if one.status != "dropped"
        ],
        "application": {**asked.body, "purpose": asked.purpose} if asked else None,
        "approvals": await lifecycle.approvals(conn, uid, waiting.version, waiting.digest) if waiting else [],
    }


def _body(version: Version) -> dict[str, Any]:
    return {**version.body, "status": version.status}


def _draft(version: Version) -> str:
    """Give the text to start an amendment from."""
    number = version.version if version.status == "applied" else version.version + 1
    source = {**version.source, "version": number, "status": "applied"}
    return json.dumps(source, indent=2, ensure_ascii=False)
