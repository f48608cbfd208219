"""/csourceSubscriptions and /csourceSubscriptions/{subscriptionId} (CIM 009 V1.9.1, 6.12, 6.13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.core.ids import parse_uri
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import LD_JSON
from broker.http.routes.subscriptions import fix_context, subscriber_of
from broker.ops import csource_subscriptions
from broker.store import ledger
from broker.store.csource_subscriptions import ledger_name
from broker.store.subscriptions import Stored
from ontologies import load
from policies.audit import append

__all__ = ["router"]

_ALL: Final = "/csourceSubscriptions"
_ONE: Final = f"{_ALL}/{{subscription_id}}"

router = APIRouter(prefix=answers.BASE)


@router.post(_ALL)
@router.post(f"{_ALL}/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create a context source registration subscription (5.11.2)."""
    call = await enter(request, "subscribe", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)
    doc = csource_subscriptions.read(body.data, active.expand_term, times.of(now))
    named = "jsonldContext" in doc
    await fix_context(call, doc, body)
    made = f"{call.services.settings.broker_url.rstrip('/')}{answers.BASE}/jsonldContexts/"
    if not named and not doc.get("jsonldContext", made).startswith(made):
        doc[csource_subscriptions.IMPLIED] = True
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        id = await csource_subscriptions.create(conn, doc, subscriber_of(call), now)
        await append(conn, [prepared])
    return answers.written(call, prepared, 201, None, {"Location": f"{answers.BASE}{_ALL}/{quote(id, safe=':@')}"})


@router.get(_ALL)
@router.get(f"{_ALL}/", include_in_schema=False)
async def query(request: Request) -> Response:
    """Query the caller's context source registration subscriptions (5.11.5)."""
    call = await enter(request, "subscribe")
    given = params.parse(request.scope["query_string"], {"limit", "offset", "count"})
    settings = call.services.settings
    limit = params.whole(given, "limit", settings.page_default, settings.page_max)
    offset = params.whole(given, "offset", 0, settings.offset_max)
    async with call.services.pool.lend(call.schema) as conn:
        found = await csource_subscriptions.page(conn, call.caller.party, limit + 1, offset)
        count = await csource_subscriptions.count(conn, call.caller.party) if params.flag(given, "count") else None
    links = answers.offset_links(f"{answers.BASE}{_ALL}", given, limit, offset, len(found) > limit, LD_JSON)
    return await _answer(request, call, found[:limit], links, count)


@router.get(_ONE)
async def retrieve(request: Request, subscription_id: str) -> Response:
    """Retrieve a context source registration subscription of the caller (5.11.4)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    negotiate.accept(request.headers.get("accept"))
    id = parse_uri(unquote(subscription_id), "id")
    async with call.services.pool.lend(call.schema) as conn:
        found = await csource_subscriptions.retrieve(conn, id, call.caller.party)
    return await _answer(request, call, found)


@router.patch(_ONE)
async def update(request: Request, subscription_id: str) -> Response:
    """Change a context source registration subscription of the caller (5.11.3)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(subscription_id), "id")
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)

    def merge(stored: dict[str, Any]) -> dict[str, Any]:
        return csource_subscriptions.fragment(stored, body.data, active.expand_term, times.of(now))

    if isinstance(body.data, dict) and isinstance(body.data.get("jsonldContext"), str):
        await call.services.contexts.resolve(body.data["jsonldContext"])
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await csource_subscriptions.update(conn, id, call.caller.party, merge, now)
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


@router.delete(_ONE)
async def delete(request: Request, subscription_id: str) -> Response:
    """Delete a context source registration subscription of the caller (5.11.6)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(subscription_id), "id")
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await csource_subscriptions.delete(conn, id, call.caller.party)
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


async def _answer(
    request: Request, call: Call, found: Stored | list[Stored], links: Sequence[str] = (), count: int | None = None
) -> Response:
    media = negotiate.accept(request.headers.get("accept"))
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    stored = found if isinstance(found, list) else [found]
    async with call.services.pool.lend(None) as conn:
        totals = await ledger.totals(conn, call.tenant, [ledger_name(one.id) for one in stored])
    now = datetime.now(UTC)
    shown = [csource_subscriptions.shown(one, totals.get(ledger_name(one.id)), active.attr, now) for one in stored]
    prepared = await call.commit("allowed", len(shown))
    headers = {**call.headers(prepared.receipt), **negotiate.preferences(request).applied()}
    if count is not None:
        headers["NGSILD-Results-Count"] = str(count)
    if media == LD_JSON:
        for one in shown:
            one["@context"] = link or load.CORE_CONTEXT
    else:
        links = [answers.context_header(link), *links]
    response = Response(orjson.dumps(shown if isinstance(found, list) else shown[0]), 200, headers, media_type=media)
    for one_link in links:
        response.headers.append("Link", one_link)
    return response
