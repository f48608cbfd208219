"""Create, replace, merge and delete of an entity (CIM 009 V1.9.1, 5.6.1, 5.6.6, 5.6.17, 5.6.18, 6.4, 6.5)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import BadRequestData, InvalidRequest
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body
from broker.http.deps import enter
from broker.http.writing import Target, open_target, write
from broker.ld.fragments import accept_merge
from broker.ld.internal import accept, accept_fragment
from broker.store.write import Change

__all__ = ["router"]

router = APIRouter(prefix=answers.BASE)


@router.post("/entities")
@router.post("/entities/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create an entity (5.6.1)."""
    call = await enter(request, "publish", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    if body.data in ({}, []):
        raise InvalidRequest("the body: it is empty, which is no entity")
    active = await context_of_body(call.services.contexts, body, body.data)
    doc = accept(body.data, active)
    change = Change("create", doc["id"], doc, cause=call.cause, label=active.attr)
    target = Target(call, doc["id"], {}, active, body.data, None)
    outcome, prepared = await write(target, change)
    return answers.written(call, prepared, 201, outcome.error, {"Location": answers.location(doc["id"])})


@router.delete("/entities/{entity_id}")
@router.delete("/entities/{entity_id}/", include_in_schema=False)
async def delete(request: Request, entity_id: str) -> Response:
    """Delete an entity (5.6.6)."""
    target = await open_target(request, entity_id, (), action="delete", body=False)
    outcome, prepared = await write(target, target.change(kind="delete"))
    return answers.written(target.call, prepared, 204, outcome.error, {})


@router.put("/entities/{entity_id}")
@router.put("/entities/{entity_id}/", include_in_schema=False)
async def replace(request: Request, entity_id: str) -> Response:
    """Replace an entity (5.6.18)."""
    target = await open_target(request, entity_id, ())
    doc = accept_fragment(target.data, target.active, target.id)
    outcome, prepared = await write(target, target.change(kind="replace", doc=doc))
    return answers.written(target.call, prepared, 204, outcome.error, {})


@router.patch("/entities/{entity_id}")
@router.patch("/entities/{entity_id}/", include_in_schema=False)
async def merge(request: Request, entity_id: str) -> Response:
    """Merge an entity (5.6.17)."""
    target = await open_target(request, entity_id, {"format", "lang", "observedAt", "options"})
    simplified = params.simplified(target.given)
    lang, observed_at = params.language(target.given), params.observed_at(target.given)
    doc = accept_merge(target.data, target.active, target.id, simplified=simplified)
    change = target.change(kind="merge", doc=doc, lang=lang, observed_at=observed_at)
    outcome, prepared = await write(target, change)
    return answers.written(target.call, prepared, 204, outcome.error, {})


@router.put("/entities", include_in_schema=False)
@router.put("/entities/", include_in_schema=False)
@router.patch("/entities", include_in_schema=False)
@router.patch("/entities/", include_in_schema=False)
@router.post("/entities//attrs", include_in_schema=False)
@router.post("/entities//attrs/", include_in_schema=False)
@router.patch("/entities//attrs", include_in_schema=False)
@router.patch("/entities//attrs/", include_in_schema=False)
@router.patch("/entities//attrs/{attr:path}", include_in_schema=False)
@router.put("/entities//attrs/{attr:path}", include_in_schema=False)
@router.delete("/entities//attrs/{attr:path}", include_in_schema=False)
async def no_target(request: Request) -> Response:
    """Refuse to change an entity that the path does not name (5.6.2.4 to 5.6.5.4, 5.6.17.4 to 5.6.19.4)."""
    await enter(request, "publish")
    raise BadRequestData("the path names no entity: give its id after /entities/")
