"""Acts on agreements over HTTP: offers, applications, approvals, sanctions, assessments, reports of duties met."""

from __future__ import annotations

from typing import Any, get_args

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from policies.agreements import acts, applications, assessments
from policies.agreements.acts import Sanction
from policies.agreements.desk import Desk, Done, NoSuchThing
from policies.http.outcomes import ERRORS, done, failed
from policies.http.who import BadBody, actor, body, desk_of, is_form

__all__ = ["document_of", "router"]

router = APIRouter()
_SANCTIONS: tuple[Sanction, ...] = get_args(Sanction)


class ActForm(BaseModel):
    """What an act says: the reason, and the version that is meant."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(default="", max_length=4000)
    version: int | None = Field(default=None, ge=1)

    @field_validator("version", mode="before")
    @classmethod
    def _blank(cls, value: object) -> object:
        return None if value == "" else value


def document_of(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """Give the agreement that was sent: the JSON body itself, or the field `text` of a form. Raises BadBody."""
    if not is_form(request):
        return given
    try:
        found = orjson.loads(given.get("text", ""))
    except ValueError as error:
        raise BadBody(f"the text is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadBody("the text must be a JSON object")
    return found


@router.post("/offers")
async def offer(request: Request) -> Response:
    """Offer terms: an Offer of our ODRL profile."""

    async def work() -> Done:
        return await acts.offer(desk_of(request), await actor(request), document_of(request, await body(request)))

    return await done(request, work(), 201)


@router.post("/applications")
async def apply(request: Request) -> Response:
    """Apply for what is offered."""

    async def work() -> Done:
        who = await actor(request)
        form = applications.ApplicationForm.model_validate(await body(request))
        return await applications.apply(desk_of(request), who, form)

    return await done(request, work(), 201)


@router.post("/contacts")
async def contact(request: Request) -> Response:
    """Name where one wants to be told; the secret of a webhook is in the answer, once."""

    async def work() -> Done:
        who = await actor(request)
        form = applications.ContactForm.model_validate(await body(request))
        return await applications.contact(desk_of(request), who, form)

    return await done(request, work(), 201)


@router.post("/assessments")
async def assess(request: Request) -> Response:
    """Record an impact assessment."""

    async def work() -> Done:
        who = await actor(request)
        given = await body(request)
        if is_form(request):
            risk = {name: given.pop(name, "") for name in ("risk", "likelihood", "severity", "measure")}
            given = {**given, "risks": [risk], "expires": f"{given.get('expires', '')}T00:00:00Z"}
        return await assessments.assess(desk_of(request), who, assessments.AssessmentForm.model_validate(given))

    return await done(request, work(), 201)


@router.post("/duties/{id}")
async def report(request: Request, id: str) -> Response:
    """Say that a duty has been met."""

    async def work() -> Done:
        who = await actor(request)
        form = assessments.ReportForm.model_validate(await body(request))
        return await assessments.report(desk_of(request), who, id, form)

    return await done(request, work())


@router.post("/agreements/{uid}/amend")
async def amend(request: Request, uid: str) -> Response:
    """Propose a new text of an agreement."""

    async def work() -> Done:
        given = document_of(request, await body(request))
        return await acts.amend(desk_of(request), await actor(request), uid, given)

    return await done(request, work(), 201)


@router.post("/agreements/{uid}/{act}")
async def act(request: Request, uid: str, act: str) -> Response:
    """Approve, refuse or withdraw what waits; warn, suspend, resume or revoke what is in force."""
    try:
        who = await actor(request)
        form = ActForm.model_validate(await body(request))
    except ERRORS as error:
        return await failed(request, error)
    desk: Desk = desk_of(request)
    if act == "approve":
        return await done(request, acts.approve(desk, who, uid, form.version, form.reason))
    if act == "refuse":
        return await done(request, acts.refuse(desk, who, uid, form.reason, form.version))
    if act == "withdraw":
        return await done(request, acts.withdraw(desk, who, uid, form.reason))
    for name in _SANCTIONS:
        if act == name:
            return await done(request, acts.sanction(desk, who, uid, name, form.reason))
    return await failed(request, NoSuchThing(f"there is no act {act!r}"))
