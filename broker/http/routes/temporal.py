"""/temporal/entities and what lies below it, /temporal/entityOperations/query (CIM 009 V1.9.1, 6.18 to 6.22, 6.24)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.core.access import Access
from broker.core.errors import BadRequestData, ResourceNotFound
from broker.core.ids import is_name, parse_entity_id, parse_uri
from broker.core.temporal import INSTANCE_PREFIX, Evolution, Presentation, render_evolution
from broker.core.temporal_input import Contribution
from broker.http import answers, negotiate, params, temporal_bodies, temporal_params
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import LD_JSON, Body, Media
from broker.http.problems import unavailable
from broker.http.render import array, with_context
from broker.http.services import services
from broker.http.writing import refusal
from broker.ld.active import Active
from broker.ops import temporal as ops
from broker.ops import temporal_provision as provision
from broker.ops.entities import not_found
from broker.store.write import Outcome
from policies import Action, EngineUnavailable
from policies.audit import Prepared

__all__ = ["router"]

PATH = f"{answers.BASE}/temporal/entities"

router = APIRouter(prefix=f"{answers.BASE}/temporal")


@router.get("/entities")
@router.get("/entities/", include_in_schema=False)
async def query(request: Request) -> Response:
    """Query the temporal evolution of entities (5.7.4)."""
    call = await enter(request, _action(request))
    given = params.parse(request.scope["query_string"], temporal_params.QUERY)
    media = negotiate.accept(request.headers.get("accept"))
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    temporal_params.too_wide(given, active)
    asked = temporal_params.asked(given, active, call.services.settings, retrieve=False)
    return await _answer(call, asked, given, media, active, link)


@router.post("/entityOperations/query")
@router.post("/entityOperations/query/", include_in_schema=False)
async def query_by_post(request: Request) -> Response:
    """Query the temporal evolution of entities by a Query in the body (6.24)."""
    call = await enter(request, await _posted_action(request))
    url = params.parse(request.scope["query_string"], temporal_params.QUERY_BODY_URL)
    media = negotiate.accept(request.headers.get("accept"))
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    given, entities = temporal_params.from_body(body.data, {**url}, active)
    temporal_params.too_wide(given, active, typed=entities is not None)
    asked = temporal_params.asked(given, active, call.services.settings, retrieve=False, entities=entities)
    return await _answer(call, asked, url, media, active, body.link)


async def _answer(
    call: Call, asked: ops.Asked, given: Mapping[str, str], media: Media, active: Active, link: str | None
) -> Response:
    """Answer a query: 200, or 206 where the instances were cut by time (6.3.10)."""
    _as_decided(call, asked)
    found = await ops.query_evolutions(call.services.pool, call.schema, await _sight(call), asked)
    rendered = [render_evolution(one, active, found.show) for one in found.evolutions]
    texts = [orjson.dumps(one).decode() for one in rendered if one]
    prepared = await call.commit("allowed", len(texts))
    headers = call.headers(prepared.receipt)
    if found.count is not None:
        headers["NGSILD-Results-Count"] = str(found.count)
    if found.cut is not None:
        headers["Content-Range"] = found.cut.header
    links = answers.offset_links(PATH, given, asked.limit, asked.offset, found.more, media)
    if media == LD_JSON:
        texts = [with_context(text, active) for text in texts]
    else:
        links = [answers.context_header(link), *links]
    response = Response(array(texts), 200 if found.cut is None else 206, headers, media_type=media)
    for one in links:
        response.headers.append("Link", one)
    return response


@router.get("/entities/{entity_id}")
async def retrieve(request: Request, entity_id: str) -> Response:
    """Retrieve the temporal evolution of an entity (5.7.3)."""
    call = await enter(request, _action(request))
    given = params.parse(request.scope["query_string"], temporal_params.RETRIEVE)
    media = negotiate.accept(request.headers.get("accept"))
    one = parse_entity_id(unquote(entity_id))
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    asked = temporal_params.asked(given, active, call.services.settings, retrieve=True)
    _as_decided(call, asked)
    found = await ops.retrieve_evolution(call.services.pool, call.schema, await _sight(call), one, asked)
    text = _rendered(found.evolutions[0], active, found.show)
    prepared = await call.commit("allowed", 1)
    headers = call.headers(prepared.receipt)
    if found.cut is not None:
        headers["Content-Range"] = found.cut.header
    if media == LD_JSON:
        text = with_context(text, active)
    else:
        headers["Link"] = answers.context_header(link)
    return Response(text.encode(), 200 if found.cut is None else 206, headers, media_type=media)


def _rendered(one: Evolution, active: Active, show: Presentation) -> str:
    members = render_evolution(one, active, show)
    if not members:
        raise not_found(one.id)
    return orjson.dumps(members).decode()


@router.post("/entities")
@router.post("/entities/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create or update the temporal evolution of an entity (5.6.11)."""
    call = await enter(request, "publish", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    outcome, prepared = await _add(call, body, active, None)
    if outcome.result == "created":
        location = answers.location(outcome.entity).replace("/entities/", "/temporal/entities/", 1)
        return answers.written(call, prepared, 201, outcome.error, {"Location": location})
    return answers.written(call, prepared, 204, outcome.error, {})


@router.post("/entities/{entity_id}/attrs")
@router.post("/entities/{entity_id}/attrs/", include_in_schema=False)
async def add_attributes(request: Request, entity_id: str) -> Response:
    """Add instances to the temporal evolution of an entity (5.6.12)."""
    call = await enter(request, "publish")
    params.parse(request.scope["query_string"], ())
    one = parse_entity_id(unquote(entity_id))
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    outcome, prepared = await _add(call, body, active, one)
    return answers.written(call, prepared, 204, outcome.error, {})


async def _add(call: Call, body: Body, active: Active, entity: str | None) -> tuple[Outcome, Prepared]:
    """Add what the body holds; `entity` names the evolution where the body need not (None: it may be new)."""
    now = datetime.now(UTC)
    event = f"{provision.EVENT}{call.audit_id}"
    given: Contribution = temporal_bodies.contribution_of(body.data, active, entity, times.of(now), event)
    return await provision.add(await _door(call), given, now, event, create=entity is None)


@router.delete("/entities/{entity_id}")
async def forget(request: Request, entity_id: str) -> Response:
    """Delete the temporal evolution of an entity (5.6.16)."""
    call = await enter(request, "delete")
    params.parse(request.scope["query_string"], ())
    outcome, prepared = await provision.forget(await _door(call), parse_entity_id(unquote(entity_id)))
    return answers.written(call, prepared, 204, outcome.error, {})


@router.delete("/entities/{entity_id}/attrs/{attr}")
async def forget_attribute(request: Request, entity_id: str, attr: str) -> Response:
    """Delete an attribute from the temporal evolution of an entity (5.6.13)."""
    call = await enter(request, "delete")
    given = params.parse(request.scope["query_string"], {"datasetId", "deleteAll"})
    one, name, _ = await _place(request, call, entity_id, attr)
    dataset_id = given.get("datasetId", "@none")
    everything = params.flag(given, "deleteAll")
    dataset_id = "" if dataset_id == "@none" else parse_uri(dataset_id, "datasetId")
    outcome, prepared = await provision.forget_attribute(
        await _door(call), one, name, dataset_id, everything=everything
    )
    return answers.written(call, prepared, 204, outcome.error, {})


@router.patch("/entities/{entity_id}/attrs/{attr}/{instance}")
async def modify_instance(request: Request, entity_id: str, attr: str, instance: str) -> Response:
    """Modify an instance in the temporal evolution of an entity (5.6.14)."""
    call = await enter(request, "publish")
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    one, name = parse_entity_id(unquote(entity_id)), _attr(attr, active)
    found = _instance(one, name, instance)
    fragment = temporal_bodies.instance_of(body.data, active, attr, name)
    outcome, prepared = await provision.modify_instance(await _door(call), one, name, found, fragment)
    return answers.written(call, prepared, 204, outcome.error, {})


@router.delete("/entities/{entity_id}/attrs/{attr}/{instance}")
async def forget_instance(request: Request, entity_id: str, attr: str, instance: str) -> Response:
    """Delete an instance from the temporal evolution of an entity (5.6.15)."""
    call = await enter(request, "delete")
    params.parse(request.scope["query_string"], ())
    one, name, _ = await _place(request, call, entity_id, attr)
    found = _instance(one, name, instance)
    outcome, prepared = await provision.forget_instance(await _door(call), one, name, found)
    return answers.written(call, prepared, 204, outcome.error, {})


@router.post("/entities//attrs", include_in_schema=False)
@router.post("/entities//attrs/", include_in_schema=False)
@router.patch("/entities//attrs/{attr}/{instance}", include_in_schema=False)
async def change_without_entity(request: Request) -> Response:
    """Refuse to change the evolution of no entity."""
    await enter(request, "publish")
    raise BadRequestData("entityId: is empty; a URI is needed (5.6.12.4, 5.6.14.4)")


@router.delete("/entities//attrs/{attr}", include_in_schema=False)
@router.delete("/entities//attrs/{attr}/{instance}", include_in_schema=False)
async def forget_without_entity(request: Request) -> Response:
    """Refuse to delete from the evolution of no entity."""
    await enter(request, "delete")
    raise BadRequestData("entityId: is empty; a URI is needed (5.6.13.4, 5.6.15.4)")


@router.delete("/entities/{entity_id}/attrs//{instance}", include_in_schema=False)
async def forget_without_attribute(request: Request) -> Response:
    """Refuse to delete an instance of no attribute."""
    await enter(request, "delete")
    raise BadRequestData("attrId: is empty; an attribute name is needed (5.6.15.4)")


@router.api_route("/entities/{entity_id}/attrs/{attr}/", methods=["DELETE", "PATCH"], include_in_schema=False)
@router.api_route("/entities/{entity_id}/attrs//{instance}", methods=["PATCH"], include_in_schema=False)
async def no_instance(request: Request) -> Response:
    """Refuse what names an instance only in part: no operation is bound to it."""
    raise HTTPException(405)


# ---- parts of requests


def _action(request: Request) -> Action:
    """Tell which action a request is: aggregates are one of their own."""
    return "aggregate" if temporal_params.aggregated(dict(request.query_params)) else "temporal"


async def _posted_action(request: Request) -> Action:
    """Tell it of a query in a body, which is not yet checked: what is wrong is told once the caller is known."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > services(request).settings.body_max_bytes:
        return _action(request)
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return _action(request)
    return "aggregate" if temporal_params.aggregated(dict(request.query_params), body) else "temporal"


def _as_decided(call: Call, asked: ops.Asked) -> None:
    """Refuse what is not the action that was decided on: who may aggregate need not see instances."""
    if (asked.show.period is not None) != (call.action == "aggregate"):
        raise BadRequestData("format: write aggregatedValues once and as it is, or leave it out")


async def _place(request: Request, call: Call, entity_id: str, attr: str) -> tuple[str, str, Active]:
    active = await call.services.contexts.resolve(negotiate.link_context(request))
    return parse_entity_id(unquote(entity_id)), _attr(attr, active), active


def _attr(text: str, active: Active) -> str:
    name = unquote(text)
    if not is_name(name):
        raise BadRequestData(f"attrId: {name!r:.80} is no attribute name")
    found: str = active.expand_term(name)
    return found


def _instance(entity: str, attr: str, text: str) -> str:
    """Read an instanceId; a URI that is none of ours names an instance that is not there."""
    uri = parse_uri(unquote(text), "instanceId")
    try:
        if uri.startswith(INSTANCE_PREFIX):
            return str(UUID(uri.removeprefix(INSTANCE_PREFIX)))
    except ValueError:
        pass
    raise ResourceNotFound(f"{entity}: {attr} has no instance {uri}")


async def _manage(call: Call) -> Access | None:
    """Give what the caller may manage, None if nothing: that alone shows what is gone."""
    try:
        decision = await call.services.trust.decide(call.caller, call.purpose, "manage", call.tenant)
    except EngineUnavailable as error:
        raise unavailable(error.detail) from error
    return decision.access if decision.allow else None


async def _sight(call: Call) -> ops.Sight:
    return ops.Sight(call.access, await _manage(call))


async def _door(call: Call) -> provision.Door:
    return provision.Door(
        call.services.pool,
        call.tenant,
        call.schema,
        call.access,
        refusal(call),
        call.seal_write,
        call.cause,
        await _manage(call),
    )
