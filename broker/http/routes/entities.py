"""/entities and /entities/{entityId} (CIM 009 V1.9.1, 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import BadRequestData, NgsiLdError
from broker.core.ids import parse_entity_id
from broker.core.match import matches
from broker.core.parse_type import parse_type
from broker.core.query import Node
from broker.http import answers, features, negotiate, params, query_body, querying, render
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import GEO_JSON, Media
from broker.http.problems import denied
from broker.ld.active import Active
from broker.ld.internal import accept
from broker.ops.authorise import Refuse, guard
from broker.ops.entities import not_found, query_entities, retrieve_entity
from broker.store.write import Change, Guard, Row

__all__ = ["answer_query", "refusal", "router"]

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
    active = await context_of_body(call.services.contexts, body, body.data)
    doc = accept(body.data, active)
    change = Change("create", doc["id"], doc, cause=call.cause)
    check = guard(call.access, change, refusal(call))
    outcome, prepared = await call.services.writes.write(call.tenant, call.schema, change, check, call.seal_write)
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
async def delete(request: Request, entity_id: str) -> Response:
    """Delete an entity (5.6.6)."""
    call = await enter(request, "delete")
    given = params.parse(request.scope["query_string"], {"type"})
    one = parse_entity_id(unquote(entity_id))
    active = await call.services.contexts.resolve(negotiate.link_context(request))
    types = parse_type(given["type"], active.expand_term) if "type" in given else None
    change = Change("delete", one, cause=call.cause)
    check = _of_type(types, guard(call.access, change, refusal(call)))
    outcome, prepared = await call.services.writes.write(call.tenant, call.schema, change, check, call.seal_write)
    return answers.written(call, prepared, 204, outcome.error, {})


def refusal(call: Call) -> Refuse:
    """Make the refusal of a change that the decision's grants do not cover."""
    decision = call.decision

    def refuse(detail: str) -> NgsiLdError:
        if decision is None:
            raise RuntimeError("a change was checked before the decision")
        return denied(decision, detail)

    return refuse


def _of_type(types: Node | None, check: Guard | None) -> Guard | None:
    """Let a check also require the type that the request names; another type is as if there were no entity."""
    if types is None:
        return check

    def both(before: Row | None, after: Row | None) -> NgsiLdError | None:
        if before is not None and not matches(types, {"id": before.id, "type": before.types}):
            return not_found(before.id)
        return check(before, after) if check is not None else None

    return both
