"""The desk's pages: signing in, offers and applying, what waits for whom, the history of an agreement, assessments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from policies import times
from policies.agreements.desk import Actor, Desk, NoSuchThing
from policies.caller import PUBLIC, TokenError
from policies.http.outcomes import ERRORS, failed
from policies.http.pages import VARY, language_for, page, page_of, wants_page
from policies.http.who import COOKIE, actor, body, desk_of, visitor
from policies.http.words import deal
from policies.purposes import broader
from policies.store import applications, lifecycle, notices, obligations, terms
from policies.store.connect import Conn
from policies.trust import ActRefused

__all__ = ["router", "seen"]

router = APIRouter()
_HOUR_S = 3600


def _application(one: applications.Application) -> dict[str, Any]:
    return {
        "id": one.id,
        "domain": one.domain,
        "party": one.party,
        "purpose": one.purpose,
        "offer": one.offer,
        "agreement": one.agreement,
        "status": one.status,
        "at": times.text(one.at),
        **one.body,
    }


def _assessment(one: applications.Assessment) -> dict[str, Any]:
    return {"id": one.id, **one.body, "at": times.text(one.at)}


def _obligation(one: obligations.Obligation) -> dict[str, Any]:
    found = {"id": one.id, "agreement": one.agreement, "kind": one.kind, "value": one.value}
    found |= {"due": times.text(one.due), "status": one.status}
    if one.met_at is not None:
        found |= {"met_at": times.text(one.met_at), "statement": one.statement, "url": one.url}
    return found


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Show who is signed in, and the form to sign in with a token."""
    who = await visitor(request)
    async with desk_of(request).pool.acquire() as conn:
        parties = await terms.parties(conn)
    return page(request, "sign-in.html", parties, caller=None if who.caller is PUBLIC else who.caller)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Keep a token that is good in a cookie of this browser."""
    try:
        token = str((await body(request)).get("token", "")).strip().removeprefix("Bearer ").strip()
        caller = await desk_of(request).trust.verify({"authorization": f"Bearer {token}"})
    except ERRORS as error:
        return await failed(request, error)
    answer = RedirectResponse(page_of(request, "/trust/desk"), 303)
    lasts = int(min(_HOUR_S, max(1.0, caller.expires - times.epoch())))
    secure = desk_of(request).settings.catalog_url.startswith("https:")
    answer.set_cookie(COOKIE, token, max_age=lasts, path="/trust", httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the token."""
    answer = RedirectResponse(page_of(request, "/trust/sign-in"), 303)
    answer.delete_cookie(COOKIE, path="/trust")
    return answer


@router.get("/offers")
async def offers(request: Request) -> Response:
    """List what one may apply for."""
    async with desk_of(request).pool.acquire() as conn:
        found = await terms.offers(conn)
        if wants_page(request):
            parties, lang = await terms.parties(conn), language_for(request)
            titles = {each["name"]: lang.text(each["title"]) for each in await terms.domains(conn)}
            deals = [deal(each, parties, lang) for each in found]
            return page(request, "offers.html", parties, deals=deals, titles=titles)
    return JSONResponse({"offers": found}, headers=VARY)


@router.get("/apply/{uid}")
async def apply_page(request: Request, uid: str) -> Response:
    """Show an offer and the form to apply for it."""
    who = await visitor(request)
    async with desk_of(request).pool.acquire() as conn:
        offered = [each for each in await terms.offers(conn) if each["uid"] == uid]
        parties = await terms.parties(conn)
    if not offered:
        return await failed(request, NoSuchThing(f"there is no offer {uid!r}; offers are listed at /trust/offers"))
    return page(
        request,
        "apply.html",
        parties,
        deal=deal(offered[0], parties, language_for(request)),
        uid=uid,
        purposes=sorted(name.rpartition("#")[2] for name in broader()),
        caller=None if who.caller is PUBLIC else who.caller,
        name=parties.get(who.caller.party, ""),
    )


@router.get("/applications")
async def list_applications(request: Request) -> Response:
    """List the applications that the caller may see: its own, and those to the domains that it manages."""
    try:
        who = await _signed_in(request)
        async with desk_of(request).pool.acquire() as conn:
            mine = [each["name"] for each in await desk_of(request).manages(conn, who)]
            found = await applications.applications(conn, mine, who.caller.party)
    except ERRORS as error:
        return await failed(request, error)
    return JSONResponse({"applications": [_application(each) for each in found]}, headers=VARY)


async def _signed_in(request: Request) -> Actor:
    who = await actor(request)
    if who.caller is PUBLIC:
        raise TokenError("sign in at /trust/sign-in, or send Authorization: Bearer <token>")
    return who


@router.get("/desk")
async def desk(request: Request) -> Response:
    """Show what waits for the caller: proposals and applications, duties, and the domains that it manages."""
    try:
        who = await _signed_in(request)
        async with desk_of(request).pool.acquire() as conn:
            domains = await desk_of(request).manages(conn, who)
            given = await _waiting(conn, [each["name"] for each in domains], who.caller.party)
            parties = await terms.parties(conn)
    except TokenError as error:
        return (
            RedirectResponse(page_of(request, "/trust/sign-in"), 303)
            if wants_page(request)
            else await failed(request, error)
        )
    except ERRORS as error:
        return await failed(request, error)
    if wants_page(request):
        lang = language_for(request)
        shown = {each["uid"]: deal(each, parties, lang) for each in (*given["proposals"], *given["agreements"])}
        titles = {each["name"]: lang.text(each["title"]) for each in domains}
        return page(request, "desk.html", parties, caller=who.caller, titles=titles, shown=shown, **given)
    return JSONResponse(
        {"party": who.caller.party, "manages": [each["name"] for each in domains], **given}, headers=VARY
    )


async def _waiting(conn: Conn, domains: list[str], party: str) -> dict[str, Any]:
    """Gather what concerns these domains and the party."""
    mine = [each for each in await terms.agreements(conn) if each["domain"] in domains or each["assignee"] == party]
    owed = await obligations.obligations(conn, [each["uid"] for each in mine])
    return {
        "proposals": await terms.proposals(conn, domains, party),
        "applications": [_application(each) for each in await applications.applications(conn, domains, party)],
        "agreements": mine,
        "duties": [_obligation(each) for each in owed if each.status in ("due", "overdue")],
    }


async def seen(desk: Desk, conn: Conn, who: Actor, version: lifecycle.Version) -> bool:
    """Tell whether the caller may see more of an agreement than everybody may."""
    domain = await terms.domain(conn, version.domain)
    if domain is None or who.caller is PUBLIC:
        return False
    try:
        await desk.rule(conn, who, "see", domain, version.assignee)
    except ActRefused:
        return False
    return True


@router.get("/agreements/{uid}/history")
async def history(request: Request, uid: str) -> Response:
    """Tell what happened to an agreement. Persons, reasons, duties and notices: its party and the stewards only."""
    who = await visitor(request)
    desk = desk_of(request)
    async with desk.pool.acquire() as conn:
        versions = await lifecycle.versions(conn, uid)
        inside = bool(versions) and await seen(desk, conn, who, versions[0])
        shown = [each for each in versions if inside or each.status not in ("applied", "refused", "withdrawn")]
        if not shown:
            return await failed(request, NoSuchThing(f"there is no agreement {uid!r}"))
        events = await lifecycle.events(conn, uid)
        owed = await obligations.obligations(conn, [uid]) if inside else []
        told = await notices.notices_of(conn, uid) if inside else []
    numbers = {each.version for each in shown}
    found = {
        "uid": uid,
        "versions": [
            {"version": each.version, "status": each.status, "in_force": each.current and each.status == "active"}
            for each in shown
        ],
        "events": [_event(each, inside) for each in events if each.version in numbers],
    }
    if inside:
        found["duties"] = [_obligation(each) for each in owed if each.status != "dropped"]
        found["notices"] = [_plain(each) for each in told]
    return JSONResponse(found, headers={**VARY, "Cache-Control": "no-store"})


def _event(event: lifecycle.Event, inside: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"act": event.act, "version": event.version, "status": event.status, "party": event.party}
    if event.at is not None:
        found["at"] = times.text(event.at)
    if inside:
        found |= {"person": event.person, "reason": event.reason, "audit": event.audit}
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: times.text(value) if hasattr(value, "astimezone") else value for name, value in row.items()}


@router.get("/agreements/{uid}/versions/{number}")
async def version(request: Request, uid: str, number: int) -> Response:
    """Give a version as it was written; a proposal to its party and the stewards only."""
    who = await visitor(request)
    desk = desk_of(request)
    async with desk.pool.acquire() as conn:
        found = [each for each in await lifecycle.versions(conn, uid) if each.version == number]
        hidden = bool(found) and found[0].status in ("applied", "refused", "withdrawn")
        if not found or (hidden and not await seen(desk, conn, who, found[0])):
            return await failed(request, NoSuchThing(f"there is no version {number} of {uid!r}"))
    written = {**found[0].source, "status": found[0].status}
    return JSONResponse(written, media_type="application/ld+json", headers={"Cache-Control": "no-store"})


@router.get("/assessments")
async def assessments(request: Request) -> Response:
    """List the impact assessments."""
    who = await visitor(request)
    async with desk_of(request).pool.acquire() as conn:
        found = [_assessment(each) for each in await applications.assessments(conn)]
        if wants_page(request):
            parties = await terms.parties(conn)
            managed = [] if who.caller is PUBLIC else await desk_of(request).manages(conn, who)
            titles = {each["name"]: language_for(request).text(each["title"]) for each in await terms.domains(conn)}
            return page(request, "assessments.html", parties, found=found, managed=managed, titles=titles)
    return JSONResponse({"assessments": found}, headers=VARY)


@router.get("/assessments/{id}")
async def assessment(request: Request, id: str) -> Response:
    """Give one impact assessment."""
    async with desk_of(request).pool.acquire() as conn:
        found = await applications.assessment(conn, id)
        if found is None:
            return await failed(request, NoSuchThing(f"there is no assessment {id!r}; see /trust/assessments"))
        if wants_page(request):
            parties = await terms.parties(conn)
            titles = {each["name"]: language_for(request).text(each["title"]) for each in await terms.domains(conn)}
            return page(request, "assessments.html", parties, found=[_assessment(found)], managed=[], titles=titles)
    return JSONResponse(_assessment(found), headers=VARY)


@router.get("/applications/{id}")
async def one_application(request: Request, id: str) -> Response:
    """Give one application, to its party and the stewards of its domain."""
    desk = desk_of(request)
    try:
        who = await _signed_in(request)
        wanted = str(UUID(id))
        async with desk.pool.acquire() as conn:
            found = await applications.application(conn, wanted)
            if found is None:
                raise NoSuchThing(f"there is no application {id!r}")
            await desk.rule(conn, who, "see", await desk.domain(conn, found.domain), found.party)
    except ERRORS as error:
        return await failed(request, error)
    except ValueError:
        return await failed(request, NoSuchThing(f"there is no application {id!r}"))
    return JSONResponse(_application(found), headers=VARY)
