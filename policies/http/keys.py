"""Access keys: a party makes and revokes its own, a steward sees and revokes those of its domains.

For programs with `Authorization`; for people one page whose form takes the token, which is used once and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from policies import access_keys
from policies.access_keys import AccessKey, KeyRefused, Made
from policies.caller import Caller, TokenError
from policies.decision import EngineUnavailable
from policies.http.callers import caller_of, stewarded
from policies.http.pages import VARY, page, wants_page
from policies.http.problems import missing, problem, wrong
from policies.settings import PolicySettings
from policies.store import access_keys as store
from policies.store import terms
from policies.store.connect import Conn, Pool

__all__ = ["router"]

router = APIRouter()
_SECRET = {**VARY, "Cache-Control": "no-store"}
_MAX_BODY = 16 * 1024
_DAYS = 90
_MEMBERS = ("agreement", "purpose", "label", "days")


@router.get("/keys")
async def listed(request: Request) -> Response:
    """List the caller's keys, and for a steward those of its domains; without secrets."""
    async with _pool(request).acquire() as conn:
        if wants_page(request):
            return await _page(request, conn)
        try:
            caller = await caller_of(request)
        except (TokenError, EngineUnavailable) as error:
            return _refused(error)
        found = await store.listed(conn, caller.party, stewarded(caller))
    return JSONResponse({"keys": [_body(one) for one in found]}, headers=_SECRET)


@router.post("/keys")
async def create(request: Request) -> Response:
    """Make a key, which this answer alone shows; from the page's form also list and revoke."""
    data = await request.body()
    if len(data) > _MAX_BODY:
        return problem(413, "bad-request", "The body is too long", f"at most {_MAX_BODY} bytes are taken")
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return await _from_form(request, data)
    try:
        wanted = orjson.loads(data)
    except ValueError:
        return wrong("the body is not JSON")
    if not isinstance(wanted, dict) or not wanted.keys() <= set(_MEMBERS):
        return wrong(f"the body is a JSON object of {', '.join(_MEMBERS)}")
    try:
        caller = await caller_of(request)
        async with _pool(request).acquire() as conn:
            made = await _make(conn, caller, wanted)
    except (TokenError, EngineUnavailable) as error:
        return _refused(error)
    except KeyRefused as error:
        return wrong(str(error))
    headers = {**_SECRET, "Location": f"/trust/keys/{made.key.id}"}
    return JSONResponse({**_body(made.key), "key": made.secret}, 201, headers)


@router.delete("/keys/{key_id}")
async def revoke(request: Request, key_id: str) -> Response:
    """Revoke a key; it ends everywhere within a second."""
    try:
        caller = await caller_of(request)
    except (TokenError, EngineUnavailable) as error:
        return _refused(error)
    async with _pool(request).acquire() as conn:
        if not await _revoke(conn, caller, key_id):
            return missing("you have no such key; GET /trust/keys lists yours")
    return Response(status_code=204)


async def _make(conn: Conn, caller: Caller, wanted: Mapping[str, Any]) -> Made:
    texts = [wanted.get(name) for name in _MEMBERS[:3]]
    days = wanted.get("days", _DAYS)
    if not all(isinstance(text, str) for text in texts) or isinstance(days, bool) or not isinstance(days, int):
        raise KeyRefused("give agreement, purpose and label as texts, and days as a whole number")
    agreement, purpose, label = map(str, texts)
    return await access_keys.make(conn, caller, agreement, purpose, label, days)


async def _revoke(conn: Conn, caller: Caller, key_id: str) -> bool:
    """Revoke a key of the caller's party or domains; one that has ended stays so."""
    found = await store.find(conn, key_id)
    if found is None or (found.party != caller.party and found.domain not in stewarded(caller)):
        return False
    await access_keys.revoke(conn, found, caller.party)
    return True


# ---- the page


async def _from_form(request: Request, data: bytes) -> Response:
    try:
        form = dict(parse_qsl(data.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        return wrong("the form is not UTF-8")
    async with _pool(request).acquire() as conn:
        try:
            caller = await caller_of(request, form.get("token", "").strip() or "-")
            made = await _act(conn, caller, form)
        except (TokenError, EngineUnavailable) as error:
            return await _page(request, conn, status=_status(error), complaint=error.detail)
        except KeyRefused as error:
            return await _page(request, conn, status=400, complaint=str(error), given=form)
        found = await store.listed(conn, caller.party, stewarded(caller))
        return await _page(request, conn, made=made, keys=[_body(one) for one in found], given=form)


async def _act(conn: Conn, caller: Caller, form: Mapping[str, str]) -> Made | None:
    """Do what the form's button says."""
    act, _, key_id = form.get("do", "list").partition(" ")
    if act == "make":
        days = form.get("days", str(_DAYS))
        return await _make(conn, caller, {**form, "days": int(days) if days.isascii() and days.isdigit() else 0})
    if act == "revoke" and not await _revoke(conn, caller, key_id):
        raise KeyRefused("you have no such key")
    return None


async def _page(
    request: Request,
    conn: Conn,
    *,
    status: int = 200,
    complaint: str | None = None,
    made: Made | None = None,
    keys: list[dict[str, Any]] | None = None,
    given: Mapping[str, str] | None = None,
) -> Response:
    parties = await terms.parties(conn)
    agreements = [item for item in await terms.agreements(conn, None) if item["status"] == "active"]
    known = {name: (given or {}).get(name, "") for name in _MEMBERS}
    settings: PolicySettings = request.app.state.trust_settings
    broker = (settings.broker_public_url or settings.broker_url).rstrip("/")
    answer = page(
        request,
        "keys.html",
        parties,
        status,
        agreements=agreements,
        complaint=complaint,
        made=made,
        keys=keys,
        given=known,
        broker=broker,
        days=_DAYS,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _body(key: AccessKey) -> dict[str, Any]:
    """Write a key without anything secret."""
    times = {"created": key.created_at, "expires": key.expires_at, "used": key.used_at, "revoked": key.revoked_at}
    return {
        "id": key.id,
        "label": key.label,
        "party": key.party,
        "agreement": key.agreement,
        "purpose": key.purpose,
        "domain": key.domain,
        **{name: at.isoformat(timespec="seconds") if at is not None else None for name, at in times.items()},
    }


def _status(error: TokenError | EngineUnavailable) -> int:
    return 401 if isinstance(error, TokenError) else 503


def _refused(error: TokenError | EngineUnavailable) -> Response:
    if isinstance(error, EngineUnavailable):
        return problem(503, "unavailable", "Not available now", error.detail)
    answer = problem(401, "unauthenticated", "The token is not accepted", error.detail)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.trust_pool
    return pool
