"""Use over time, what-if, and the profile: /trust/usage, /trust/what-if, /trust/profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter

import ontologies.load
from policies import times
from policies.agreements import profile
from policies.agreements.odrl import Agreement
from policies.agreements.terms import TRUST
from policies.agreements.whatif import WhatIfForm, what_if
from policies.caller import PUBLIC
from policies.http.acts import document_of
from policies.http.charts import bars
from policies.http.outcomes import ERRORS, done, failed
from policies.http.pages import VARY, language_for, page, wants_page
from policies.http.who import actor, body, desk_of, is_form, visitor
from policies.store import terms
from policies.store import usage as store
from policies.store.connect import Conn

__all__ = ["router"]

router = APIRouter()
_FEW = 10
_LONGEST = timedelta(days=400)


def _span(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    """Read the stretch of time asked for; 30 days up to now without."""
    end = datetime.now(UTC) if until is None else _moment(until)
    begin = end - timedelta(days=30) if since is None else _moment(since)
    if not timedelta(0) < end - begin <= _LONGEST:
        raise ValueError("`from` must lie before `to`, by at most 400 days")
    return begin, end


def _moment(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@router.get("/usage")
async def usage(request: Request) -> Response:
    """Show use: everybody by domain, purpose and day; stewards also by agreement and party, for what they manage."""
    who = await visitor(request)
    desk = desk_of(request)
    try:
        since, until = _span(request.query_params.get("from"), request.query_params.get("to"))
    except ValueError as error:
        return await failed(request, ValueError(f"from, to: {error}"))
    async with desk.pool.acquire() as conn:
        managed = [] if who.caller is PUBLIC else await desk.manages(conn, who)
        found: dict[str, Any] = {"from": times.text(since), "to": times.text(until)}
        found["public"] = [_public(each) for each in await store.public_days(conn, since, until)]
        if managed:
            found["stewards"] = await _by(conn, [each["name"] for each in managed], since, until)
            prepared = await desk.record(conn, who, "usage", managed[0]["tenant"])
            receipt = {"Datapolis-Audit": prepared.receipt}
        else:
            receipt = {}
        if wants_page(request):
            shown = await _page(request, conn, found, managed)
            shown.headers.update(receipt)
            return shown
    return JSONResponse(found, headers={**VARY, **receipt, "Cache-Control": "no-store"})


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """Tell a day's use to everybody; a number so small that it may speak of one user alone is not told."""
    few = row["requests"] < _FEW or (row["parties"] == 1 and row["purpose"] != "https://w3id.org/dpv#Purpose")
    return {
        "domain": row["domain"],
        "purpose": row["purpose"],
        "day": f"{row['day']:%Y-%m-%d}",
        "requests": None if few else row["requests"],
    }


async def _by(conn: Conn, domains: list[str], since: datetime, until: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"domains": domains}
    for column in ("agreement", "purpose", "domain", "party", "action"):
        found[f"by_{column}"] = await store.by(conn, column, domains, since, until)
    step = "hour" if until - since <= timedelta(days=3) else "day"
    found[f"by_{step}"] = [
        {**each, "key": times.text(each["key"])} for each in await store.by(conn, step, domains, since, until)
    ]
    return found


async def _page(request: Request, conn: Conn, found: dict[str, Any], managed: list[dict[str, Any]]) -> Response:
    parties, lang = await terms.parties(conn), language_for(request)
    titles = {each["name"]: lang.text(each["title"]) for each in await terms.domains(conn)}
    names = {each["uid"]: lang.text(each["title"]) for each in await terms.agreements(conn)}
    stewards = found.get("stewards")
    chart = None
    if stewards is not None:
        over = stewards.get("by_hour") or stewards.get("by_day") or []
        chart = bars([(each["key"], each["requests"], each["denied"]) for each in over], "by_hour" in stewards, lang)
    else:
        days: dict[str, int] = {}
        for each in found["public"]:
            days[each["day"]] = days.get(each["day"], 0) + (each["requests"] or 0)
        told = [(f"{day}T00:00:00Z", number, 0) for day, number in sorted(days.items())]
        chart = bars(told, False, lang) if any(days.values()) else None
    return page(
        request,
        "usage.html",
        parties,
        found=found,
        stewards=stewards,
        chart=chart,
        titles=titles,
        names=names,
        managed=[lang.text(each["title"]) for each in managed],
    )


@router.get("/what-if")
async def what_if_page(request: Request) -> Response:
    """Show the form of what-if; programs POST."""
    who = await visitor(request)
    uid = request.query_params.get("agreement", "")
    async with desk_of(request).pool.acquire() as conn:
        parties = await terms.parties(conn)
    return page(
        request, "what-if.html", parties, caller=None if who.caller is PUBLIC else who.caller, uid=uid, result=None
    )


@router.post("/what-if")
async def what_if_post(request: Request) -> Response:
    """Replay the last audited decisions against a draft."""
    try:
        who = await actor(request)
        given = await body(request)
        if is_form(request):
            given = {name: value for name, value in given.items() if value.strip()}
            if "text" in given:
                given = {"draft": document_of(request, given), **{n: v for n, v in given.items() if n == "last"}}
        form = WhatIfForm.model_validate(given)
        if not is_form(request):
            return await done(request, what_if(desk_of(request), who, form))
        result = await what_if(desk_of(request), who, form)
    except ERRORS as error:
        return await failed(request, error)
    async with desk_of(request).pool.acquire() as conn:
        parties = await terms.parties(conn)
    return page(request, "what-if.html", parties, caller=who.caller, uid=form.agreement or "", result=result.result)


@router.get("/profile")
async def profile_document(request: Request) -> Response:
    """Give our profile of ODRL: every term, and the JSON schema of an agreement."""
    if wants_page(request):
        async with desk_of(request).pool.acquire() as conn:
            parties = await terms.parties(conn)
        return page(request, "profile.html", parties, sections=profile.SECTIONS)
    schema = TypeAdapter(Agreement).json_schema(by_alias=True)
    return JSONResponse(profile.document(schema), media_type="application/ld+json", headers=VARY)


@router.get("/profile/context.jsonld")
async def profile_context() -> Response:
    """Give the @context of the profile's own terms."""
    return JSONResponse(
        ontologies.load.context(TRUST),
        media_type="application/ld+json",
        headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=86400"},
    )
