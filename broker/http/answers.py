"""Answers: receipt, tenant, @context and page links in their headers (CIM 009 V1.9.1, 6.3.6, 6.3.10, 6.3.13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import orjson
from starlette.responses import Response

from broker.core.errors import NgsiLdError
from broker.core.query import Query
from broker.http.bodies import own_context
from broker.http.deps import Call
from broker.http.features import collection
from broker.http.negotiate import CONTEXT_REL, GEO_JSON, JSON, Body, Media, Preferences
from broker.http.problems import problem, respond
from broker.http.render import array, with_context
from broker.http.sheet import Sheet
from broker.ld.active import Active
from broker.ops.contexts import implicit
from ontologies import load
from policies.audit import Prepared

__all__ = [
    "BASE",
    "VALUE_SAFE",
    "Told",
    "batch_result",
    "context_header",
    "context_link",
    "entity_answer",
    "location",
    "offset_links",
    "page_answer",
    "page_links",
    "written",
]

BASE = "/ngsi-ld/v1"
_NO_PREFERENCES = Preferences()
_ID_SAFE = ":@!$&'()*+,;=~"
VALUE_SAFE = ":/*,;@!$'()~"


def context_header(link: str | None) -> str:
    """Write the Link header that names an answer's @context."""
    return f'<{link or load.CORE_CONTEXT}>; rel="{CONTEXT_REL}"; type="application/ld+json"'


async def context_link(call: Call, body: Body, lives_s: float | None = None) -> str | None:
    """Give the one URL that names the @context of a request with a body, None if it is the core's alone.

    A context that has no URL gets one: it is stored as implicitly created (5.13.1), for so many seconds or without end.
    """
    own = own_context(body)
    if not own:
        return None
    if len(own) == 1 and isinstance(own[0], str):
        return own[0]
    services = call.services
    async with services.pool.tx(None) as conn:
        local_id = await implicit(conn, call.tenant, call.caller.party, body.data["@context"], lives_s)
    return f"{services.settings.broker_url.rstrip('/')}{BASE}/jsonldContexts/{local_id}"


@dataclass(frozen=True, slots=True)
class Told:
    """How an answer with entities is to be told: media type, @context and where it goes, what was preferred."""

    media: Media
    active: Active
    link: str | None
    in_body: bool = False
    preferred: Preferences = _NO_PREFERENCES

    def status(self, sheet: Sheet) -> int:
        """Give 203 where entities were made to fit an earlier version (4.3.6.8)."""
        return 203 if sheet.altered else 200


async def entity_answer(call: Call, sheet: Sheet, told: Told, *, several: bool = False) -> Response:
    """Answer with one entity, after the audit record is committed; `several`: with an array, as it was joined flat."""
    if several:
        return await page_answer(call, sheet, told)
    prepared = await call.commit("allowed", sheet.entities)
    headers = {**call.headers(prepared.receipt), **told.preferred.applied()}
    text = sheet.texts[0]
    if told.in_body:
        text = with_context(text, told.active)
    else:
        headers["Link"] = context_header(told.link)
    return Response(text.encode(), told.status(sheet), headers, media_type=told.media)


async def page_answer(
    call: Call, sheet: Sheet, told: Told, links: Sequence[str] = (), count: int | None = None
) -> Response:
    """Answer with a page of entities or Features, after the audit record is committed."""
    prepared = await call.commit("allowed", sheet.entities)
    headers = {**call.headers(prepared.receipt), **told.preferred.applied()}
    if count is not None:
        headers["NGSILD-Results-Count"] = str(count)
    if not told.in_body:
        links = [context_header(told.link), *links]
    texts = sheet.texts
    if told.media == GEO_JSON:
        whole = collection(texts)
        content = (with_context(whole, told.active) if told.in_body else whole).encode()
    else:
        content = array([with_context(text, told.active) for text in texts] if told.in_body else texts)
    response = Response(content, told.status(sheet), headers, media_type=told.media)
    for one in links:
        response.headers.append("Link", one)
    return response


def page_links(
    path: str, given: Mapping[str, str], query: Query, more: bool, last: str | None, media: Media
) -> list[str]:
    """Write the links to the next and previous page (6.3.10), parameters sorted by name."""
    found: list[str] = []
    if query.limit == 0:
        return found
    if more and (query.after is not None and last is not None):
        found.append(_page_link(path, {**given, "limit": str(query.limit), "after": last}, "next", media))
    elif more:
        offset = query.offset + query.limit
        found.append(_page_link(path, {**given, "limit": str(query.limit), "offset": str(offset)}, "next", media))
    if query.after is None and query.offset > 0:
        offset = max(0, query.offset - query.limit)
        found.append(_page_link(path, {**given, "limit": str(query.limit), "offset": str(offset)}, "prev", media))
    return found


def offset_links(path: str, given: Mapping[str, str], limit: int, offset: int, more: bool, media: Media) -> list[str]:
    """Write the links to the next and previous page of a query that has no walk."""
    return page_links(path, given, Query(limit=limit, offset=offset), more, None, media)


def _page_link(path: str, given: Mapping[str, str], rel: str, media: Media) -> str:
    query = "&".join(f"{name}={quote(value, safe=VALUE_SAFE)}" for name, value in sorted(given.items()))
    return f'<{path}?{query}>;rel="{rel}";type="{media}"'


def location(entity_id: str) -> str:
    """Write the relative path of an entity."""
    return f"{BASE}/entities/{quote(entity_id, safe=_ID_SAFE)}"


def written(
    call: Call, prepared: Prepared, status: int, error: NgsiLdError | None, headers: Mapping[str, str]
) -> Response:
    """Answer a single write, whose audit record is committed with it."""
    head = call.headers(prepared.receipt)
    if error is not None:
        return respond(error, head)
    return Response(None, status, {**head, **headers})


def batch_result(
    call: Call,
    prepared: Prepared,
    success: Sequence[str],
    errors: Sequence[tuple[str, NgsiLdError]],
    created: Sequence[str],
) -> Response:
    """Answer a batch: 201 with what was created, 204, or 207 with a BatchOperationResult (5.2.16, 6.15.3.1)."""
    headers = call.headers(prepared.receipt)
    if errors:
        body = {
            "success": list(dict.fromkeys(success)),
            "errors": [{"entityId": one, "error": problem(error)} for one, error in errors],
        }
        return Response(orjson.dumps(body), 207, headers, media_type=JSON)
    if created:
        return Response(orjson.dumps(list(dict.fromkeys(created))), 201, headers, media_type=JSON)
    return Response(None, 204, headers)
