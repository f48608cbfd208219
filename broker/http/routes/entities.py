"""GET of /entities and /entities/{entityId}, and query by POST (CIM 009 V1.9.1, 6.4, 6.5, 6.23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.access import Access
from broker.core.errors import BadRequestData
from broker.core.ids import parse_entity_id
from broker.core.parse_type import parse_type
from broker.core.project import EVERYTHING, Projection
from broker.core.query import Node
from broker.http import answers, joining, negotiate, params, query_body, querying
from broker.http.answers import Told
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import GEO_JSON
from broker.http.render import Show, writer
from broker.http.sheet import Sheet, write
from broker.ops.entities import PageQuery, not_found, page_query, query_entities, retrieve_entity
from broker.ops.joins import Join, follow
from broker.ops.view import Joined, View
from broker.settings import BrokerSettings

__all__ = ["Inquiry", "answer_query", "inquire", "router"]

router = APIRouter(prefix=answers.BASE)
_LINK_LIVES_S = 86_400.0
"""How long the context of a query that brought it along can be had from the answer's Link header."""


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
    told = Told(media, active, link, in_body, negotiate.preferences(request))
    return await answer_query(call, inquire(call.access, call.services.settings, given, told))


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
    told = Told(media, active, link, in_body, negotiate.preferences(request))
    return await answer_query(call, inquire(call.access, call.services.settings, given, told, posted))


@dataclass(frozen=True, slots=True)
class Posted:
    """What a Query in a body says besides the URL: parameters, and the condition of its selectors."""

    said: Mapping[str, str]
    selectors: Node | None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A query as it is to be answered; it stands as long as the access that it was made ready for."""

    path: str
    given: Mapping[str, str]
    told: Told
    show: Show
    shape: str
    join: Join | None
    asked: PageQuery


def inquire(
    access: Access, settings: BrokerSettings, given: Mapping[str, str], told: Told, posted: Posted | None = None
) -> Inquiry:
    """Read the parameters of a query."""
    path = f"{answers.BASE}/entities" if posted is None else f"{answers.BASE}/entityOperations/query"
    said = given if posted is None else {**given, **posted.said}
    selectors = posted.selectors if posted is not None else None
    active = told.active
    wanted = querying.entity_query(said, active.expand_term, settings, selectors)
    if selectors is None:
        querying.too_wide(said, wanted.where)
    show = querying.show(said, active, told.preferred.version)
    shape = querying.geometry_property(said, active.expand_term, told.media)
    join = joining.join(said, settings)
    return Inquiry(path, given, told, show, shape, join, page_query(access, wanted, sys_attrs=show.sys_attrs))


async def answer_query(call: Call, inquiry: Inquiry) -> Response:
    """Answer a query; the hot path uses it too."""
    told, asked = inquiry.told, inquiry.asked
    page = await query_entities(call.services.pool, call.schema, asked)
    if inquiry.join is None and inquiry.show.stored and told.media != GEO_JSON:
        write = writer(told.active)
        texts = (write.rows if told.in_body else write.page)(page.rows, page.masks, page.usual)
        sheet = Sheet(texts, len(page.rows))
    else:
        sheet = await _sheet(call, page.views(), told, inquiry.show, inquiry.shape, inquiry.join)
    last = page.rows[-1][0] if page.rows else None
    links = answers.page_links(inquiry.path, inquiry.given, asked.query, page.more, last, told.media)
    return await answers.page_answer(call, sheet, told, links, page.count)


async def _sheet(
    call: Call, views: Sequence[View | Joined], told: Told, show: Show, shape: str, join: Join | None
) -> Sheet:
    """Write entities, and those that they lead to where the request joins them."""
    linked = None
    if join is not None:
        linked = await follow(call.services.pool, call.schema, call.access, views, show.projection, join)
    return write(views, told.active, show, shape if told.media == GEO_JSON else None, join, linked)


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
    told = Told(media, active, link, negotiate.context_in_body(request, media), negotiate.preferences(request))
    show = querying.show(given, active, told.preferred.version)
    shape = querying.geometry_property(given, active.expand_term, media)
    join = joining.join(given, call.services.settings)
    view = await retrieve_entity(call.services.pool, call.schema, call.access, one, types)
    if not _leaves_something(view, show.projection):
        raise not_found(one)
    sheet = await _sheet(call, [view], told, show, shape, join)
    return await answers.entity_answer(call, sheet, told, several=join is not None and join.form == "flat")


def _leaves_something(view: View, wanted: Projection) -> bool:
    """Say whether a projection leaves anything of an entity; `attrs` has to leave an attribute (5.7.1.4)."""
    if wanted is EVERYTHING:
        return True
    shown = any(view.mask.shows(name) and wanted.keeps(name) for name in view.names)
    if shown or wanted.attrs is not None:
        return shown
    return wanted.keeps("id") or wanted.keeps("type") or (bool(view.scopes) and wanted.keeps("scope"))
