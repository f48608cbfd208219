"""/subscriptions and /subscriptions/{subscriptionId} (CIM 009 V1.9.1, 6.10, 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.core.ids import parse_uri
from broker.core.subscription import Subscriber
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import LD_JSON, Body
from broker.ops import subscriptions
from broker.store import ledger
from broker.store.subscriptions import Stored
from ontologies import load
from policies.audit import append

__all__ = ["fix_context", "router", "subscriber_of"]

router = APIRouter(prefix=answers.BASE)


@router.post("/subscriptions")
@router.post("/subscriptions/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create a subscription (5.8.1)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)
    doc = subscriptions.read(body.data, active.expand_term, times.of(now))
    await fix_context(call, doc, body)
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        id = await subscriptions.create(conn, doc, subscriber_of(call), now)
        await append(conn, [prepared])
    location = f"{answers.BASE}/subscriptions/{quote(id, safe=':@')}"
    return answers.written(call, prepared, 201, None, {"Location": location})


@router.get("/subscriptions")
@router.get("/subscriptions/", include_in_schema=False)
async def query(request: Request) -> Response:
    """Query the caller's subscriptions (5.8.4)."""
    call = await enter(request, "subscribe")
    given = params.parse(request.scope["query_string"], {"limit", "offset", "count"})
    settings = call.services.settings
    limit = params.whole(given, "limit", settings.page_default, settings.page_max)
    offset = params.whole(given, "offset", 0, settings.offset_max)
    async with call.services.pool.lend(call.schema) as conn:
        found = await subscriptions.page(conn, call.caller.party, limit + 1, offset)
        count = await subscriptions.count(conn, call.caller.party) if params.flag(given, "count") else None
    media = negotiate.accept(request.headers.get("accept"))
    path = f"{answers.BASE}/subscriptions"
    links = answers.offset_links(path, given, limit, offset, len(found) > limit, media)
    return await _answer(request, call, found[:limit], count, links)


@router.get("/subscriptions/{subscription_id}")
async def retrieve(request: Request, subscription_id: str) -> Response:
    """Retrieve a subscription of the caller (5.8.3)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    negotiate.accept(request.headers.get("accept"))
    id = parse_uri(unquote(subscription_id), "id")
    async with call.services.pool.lend(call.schema) as conn:
        found = await subscriptions.retrieve(conn, id, call.caller.party)
    return await _answer(request, call, found, None)


@router.patch("/subscriptions/{subscription_id}")
async def update(request: Request, subscription_id: str) -> Response:
    """Change a subscription of the caller (5.8.2)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(subscription_id), "id")
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)

    def merge(stored: dict[str, Any]) -> dict[str, Any]:
        return subscriptions.fragment(stored, body.data, active.expand_term, times.of(now))

    if isinstance(body.data, dict) and isinstance(body.data.get("jsonldContext"), str):
        await call.services.contexts.resolve(body.data["jsonldContext"])
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await subscriptions.update(conn, id, call.caller.party, merge, now)
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


@router.delete("/subscriptions/{subscription_id}")
async def delete(request: Request, subscription_id: str) -> Response:
    """Delete a subscription of the caller (5.8.5)."""
    call = await enter(request, "subscribe")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(subscription_id), "id")
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await subscriptions.delete(conn, id, call.caller.party)
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


async def fix_context(call: Call, doc: dict[str, Any], body: Body) -> None:
    """Settle the @context of the notifications (5.8.1.4): the member's, else the request's."""
    if "jsonldContext" in doc:
        await call.services.contexts.resolve(doc["jsonldContext"])
        return
    link = await answers.context_link(call, body)
    if link is not None:
        doc["jsonldContext"] = link


def subscriber_of(call: Call) -> Subscriber:
    """Say who subscribes, and for which purpose."""
    caller = call.caller
    return Subscriber(caller.party, caller.sub, caller.tier, caller.roles, call.purpose)


async def _answer(
    request: Request, call: Call, found: Stored | list[Stored], count: int | None, links: Sequence[str] = ()
) -> Response:
    media = negotiate.accept(request.headers.get("accept"))
    link = negotiate.link_context(request)
    active = await call.services.contexts.resolve(link)
    stored = found if isinstance(found, list) else [found]
    async with call.services.pool.lend(None) as conn:
        totals = await ledger.totals(conn, call.tenant, [one.id for one in stored])
    now = datetime.now(UTC)
    shown = [subscriptions.shown(one, totals.get(one.id), active.attr, now) for one in stored]
    prepared = await call.commit("allowed", len(shown))
    # A subscription is the same in every version of the specification that can be preferred.
    headers = {**call.headers(prepared.receipt), **negotiate.preferences(request).applied()}
    if count is not None:
        headers["NGSILD-Results-Count"] = str(count)
    if media == LD_JSON:
        for one in shown:
            one["@context"] = link or load.CORE_CONTEXT
    else:
        links = [answers.context_header(link), *links]
    if links:
        headers["Link"] = ", ".join(links)
    return Response(orjson.dumps(shown if isinstance(found, list) else shown[0]), 200, headers, media_type=media)
