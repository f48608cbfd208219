"""/entities and /entities/{entityId} (CIM 009 V1.9.1, 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import BadRequestData, InvalidRequest
from broker.core.ids import parse_entity_id
from broker.core.parse_type import parse_type
from broker.core.query import Node
from broker.http import answers, features, negotiate, params, query_body, querying, render
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import GEO_JSON, Media
from broker.http.writing import Target, open_target, write
from broker.ld.active import Active
from broker.ld.fragments import accept_merge
from broker.ld.internal import accept, accept_fragment
from broker.ops.entities import not_found, query_entities, retrieve_entity
from broker.store.write import Change

__all__ = ["answer_query", "router"]

router = APIRouter(prefix=answers.BASE)
_LINK_LIVES_S = 86_400.0
"""How long the context of a query that brought it along can be had from the answer's Link header."""


@router.post("/entities")
@router.post("/entities/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create an entity (5.6.1)."""
    call = await enter(request, "publish", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    if body.data == {}:
        raise InvalidRequest("the body: an empty object is no entity")
    active = await context_of_body(call.services.contexts, body, body.data)
    doc = accept(body.data, active)
    change = Change("create", doc["id"], doc, cause=call.cause, label=active.attr)
    target = Target(call, doc["id"], {}, active, body.data, None)
    outcome, prepared = await write(target, change)
    return answers.written(call, prepared, 201, outcome.error, {"Location": answers.location(doc["id"])})


@router.get("/entities")
@router.get("/entities/", include_in_schema=False)
async def query(request: Request) -> Response:
    """Query entities (5.7.2)."""
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], querying.QUERY)
    media = negotiate.accept(request.headers.get("accept"), geo=True)
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    in_body = negotiate.context_in_body(request, media)
    return await answer_query(call, given, media, active, link, in_body=in_body)


@router.post("/entityOperations/query")
@router.post("/entityOperations/query/", include_in_schema=False)
async def query_by_post(request: Request) -> Response:
    """Query entities (5.7.2) by a Query in the body (6.23)."""
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], querying.POSTED)
    media = negotiate.accept(request.headers.get("accept"), geo=True)
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    said, selectors = query_body.read(body.data, active.expand_term)
    twice = next((name for name in said if name in given), None)
    if twice is not None:
        raise BadRequestData(f"{twice}: stands in the URL and in the body")
    posted = Posted(said, selectors)
    in_body = negotiate.context_in_body(request, media)
    link = None if in_body else await answers.context_link(call, body, _LINK_LIVES_S)
    return await answer_query(call, given, media, active, link, in_body=in_body, posted=posted)


@dataclass(frozen=True, slots=True)
class Posted:
    """What a Query in a body says besides the URL: parameters, and the condition of its selectors."""

    said: Mapping[str, str]
    selectors: Node | None


async def answer_query(
    call: Call,
    given: Mapping[str, str],
    media: Media,
    active: Active,
    link: str | None,
    *,
    in_body: bool = False,
    posted: Posted | None = None,
) -> Response:
    """Answer a query whose parameters are parsed; the hot path uses it too. `in_body`: where its @context goes."""
    path = f"{answers.BASE}/entities" if posted is None else f"{answers.BASE}/entityOperations/query"
    asked = given if posted is None else {**given, **posted.said}
    selectors = posted.selectors if posted is not None else None
    wanted = querying.entity_query(asked, active.expand_term, call.services.settings, selectors)
    if selectors is None:
        querying.too_wide(asked, wanted.where)
    show = querying.show(asked, active)
    shape = querying.geometry_property(asked, active.expand_term, media)
    page = await query_entities(call.services.pool, call.schema, call.access, wanted, sys_attrs=show.sys_attrs)
    if media == GEO_JSON:
        texts = [features.write(view, active, show, shape) for view in page.views]
    else:
        texts = render.entities(page.views, active, show)
    last = page.views[-1].id if page.views else None
    links = answers.page_links(path, given, wanted, page.more, last, media)
    return await answers.page_answer(call, texts, media, active, link, links, page.count, in_body=in_body)


@router.get("/entities/{entity_id}")
async def retrieve(request: Request, entity_id: str) -> Response:
    """Retrieve an entity (5.7.1)."""
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], querying.RETRIEVE)
    media = negotiate.accept(request.headers.get("accept"), geo=True)
    one = parse_entity_id(unquote(entity_id))
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    types = parse_type(given["type"], active.expand_term) if "type" in given else None
    show = querying.show(given, active)
    shape = querying.geometry_property(given, active.expand_term, media)
    view = await retrieve_entity(call.services.pool, call.schema, call.access, one, types)
    if show.projection.attrs is not None and not any(
        view.mask.shows(name) and name in show.projection.attrs for name in view.names
    ):
        raise not_found(one)
    geo = media == GEO_JSON
    text = features.write(view, active, show, shape) if geo else render.entity(view, active, show)
    in_body = negotiate.context_in_body(request, media)
    return await answers.entity_answer(call, text, media, active, link, in_body=in_body)


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
