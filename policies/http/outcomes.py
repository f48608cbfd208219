"""What becomes of a request to the desk: an answer for programs or a page for people, and errors as either."""

from __future__ import annotations

from collections.abc import Awaitable

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError

from policies.agreements.desk import Done, NoSuchThing, Unfit
from policies.caller import PurposeError, TokenError
from policies.decision import EngineUnavailable
from policies.domains import CityFileError
from policies.http.pages import VARY, page, page_of, wants_page
from policies.http.problems import members
from policies.http.who import BadBody, Foreign, is_form
from policies.store import terms
from policies.trust import ActRefused

__all__ = ["ERRORS", "done", "failed"]

AUDIT = "Datapolis-Audit"
ERRORS = (
    ActRefused,
    BadBody,
    CityFileError,
    EngineUnavailable,
    Foreign,
    NoSuchThing,
    PurposeError,
    TokenError,
    Unfit,
    ValidationError,
)


async def done(request: Request, work: Awaitable[Done], status: int = 200) -> Response:
    """Answer with what an act came to: JSON, or the way to the page that shows it."""
    try:
        result = await work
    except ERRORS as error:
        return await failed(request, error)
    headers = {AUDIT: result.receipt} if result.receipt else {}
    if is_form(request) and "webhook_secret" in result.result:
        return await _told_once(request, result)
    if is_form(request):
        return RedirectResponse(page_of(request, result.page), 303, headers)
    return JSONResponse(result.result, status, headers)


async def _told_once(request: Request, result: Done) -> Response:
    async with request.app.state.trust_pool.acquire() as conn:
        parties = await terms.parties(conn)
    return page(
        request, "told-once.html", parties, secret=result.result["webhook_secret"], onward=page_of(request, result.page)
    )


async def failed(request: Request, error: Exception) -> Response:
    """Answer with an error: ProblemDetails, or a page where a page was asked for."""
    status, name, title, detail = _said(error)
    extra: dict[str, object] = {}
    headers: dict[str, str] = {}
    if isinstance(error, ActRefused):
        extra = {"reason": error.reasons[0][0], "reasons": [reason for reason, _ in error.reasons]}
        if error.receipt:
            headers[AUDIT] = error.receipt
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if wants_page(request):
        async with request.app.state.trust_pool.acquire() as conn:
            parties = await terms.parties(conn)
        shown = page(request, "refused.html", parties, status, title=title, detail=detail, code=status)
        shown.headers.update(headers)
        return shown
    answer = members(status, name, title, detail, extra)
    answer.headers.update({**headers, **VARY})
    return answer


def _said(error: Exception) -> tuple[int, str, str, str]:
    """Give status, name, title and detail of an error."""
    if isinstance(error, ActRefused):
        if any(reason == "no_token" for reason, _ in error.reasons):
            return 401, "unauthenticated", "A token is needed", str(error)
        return 403, "denied", "The rules refuse this act", str(error)
    if isinstance(error, TokenError):
        return 401, "unauthenticated", "The token is not accepted", error.detail
    if isinstance(error, PurposeError):
        return 400, "bad-request", "The purpose of the request is not clear", error.detail
    if isinstance(error, EngineUnavailable):
        return 503, "unavailable", "The request cannot be decided now", error.detail
    if isinstance(error, NoSuchThing):
        return 404, "not-found", "There is no such thing", str(error)
    if isinstance(error, Unfit):
        return 409, "conflict", "The act does not fit", str(error)
    if isinstance(error, Foreign):
        return 403, "denied", "The form comes from another site", str(error)
    if isinstance(error, ValidationError):
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        return 400, "bad-request", "The request is not valid", "; ".join(faults)
    return 400, "bad-request", "The request is not valid", str(error)
