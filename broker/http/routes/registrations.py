"""/csourceRegistrations and /csourceRegistrations/{registrationId} (CIM 009 V1.9.1, 6.8, 6.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.core.access import EVERYTHING
from broker.core.errors import BadRequestData
from broker.core.ids import parse_uri
from broker.core.project import LanguageRange, language, parse_languages
from broker.core.registration_input import fragment, read
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import LD_JSON
from broker.http.problems import unavailable
from broker.http.source_query import PARAMETERS, asked
from broker.http.writing import refusal
from broker.ld.active import Active
from broker.ops import registrations
from broker.ops.registrations import Writer
from broker.store.registrations import Stored
from ontologies import load
from policies import EngineUnavailable
from policies.audit import append

__all__ = ["router"]

router = APIRouter(prefix=answers.BASE)
_PATH = f"{answers.BASE}/csourceRegistrations"


@router.post("/csourceRegistrations")
@router.post("/csourceRegistrations/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Register a context source (5.9.2)."""
    call = await enter(request, "register", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)
    doc = read(body.data, active.expand_term, times.of(now))
    who = await _writer(call)
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        id = await registrations.create(conn, who, doc, now)
        await append(conn, [prepared])
    return answers.written(call, prepared, 201, None, {"Location": f"{_PATH}/{quote(id, safe=':@')}"})


@router.get("/csourceRegistrations")
@router.get("/csourceRegistrations/", include_in_schema=False)
async def query(request: Request) -> Response:
    """Discover registrations of sources that may have what is asked for (5.10.2), among those that the caller sees."""
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], PARAMETERS)
    negotiate.accept(request.headers.get("accept"))
    active = await call.services.contexts.resolve(negotiate.link_context(request))
    wanted = asked(given, active.expand_term)
    settings = call.services.settings
    limit = params.whole(given, "limit", settings.page_default, settings.page_max)
    offset = params.whole(given, "offset", 0, settings.offset_max)
    counted = params.flag(given, "count")
    if limit == 0 and not counted:
        raise BadRequestData("limit: 0 is for count=true only (6.3.13)")
    now, party = datetime.now(UTC), call.caller.party
    async with call.services.pool.lend(call.schema, anew=True) as conn:
        found = await registrations.page(conn, wanted, party, call.access, limit + 1, offset, now)
        count = await registrations.count(conn, wanted, party, call.access, now) if counted else None
    links = _links(given, limit, offset, len(found) > limit)
    return await _answer(request, call, given, active, found[:limit], links, count)


@router.get("/csourceRegistrations/{registration_id}")
async def retrieve(request: Request, registration_id: str) -> Response:
    """Retrieve a registration (5.10.1), as far as the caller sees it."""
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], {"options"})
    negotiate.accept(request.headers.get("accept"))
    active = await call.services.contexts.resolve(negotiate.link_context(request))
    id = parse_uri(unquote(registration_id), "id")
    async with call.services.pool.lend(call.schema) as conn:
        found = await registrations.retrieve(conn, id, call.caller.party, call.access, datetime.now(UTC))
    return await _answer(request, call, given, active, found)


@router.patch("/csourceRegistrations/{registration_id}")
async def update(request: Request, registration_id: str) -> Response:
    """Change a registration of the caller (5.9.3)."""
    call = await enter(request, "register")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(registration_id), "id")
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    active = await context_of_body(call.services.contexts, body, body.data)
    now = datetime.now(UTC)

    def merge(stored: Mapping[str, Any]) -> dict[str, Any]:
        return fragment(stored, id, body.data, active.expand_term, times.of(now))

    who = await _writer(call)
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await registrations.update(conn, who, id, merge, now)
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


@router.delete("/csourceRegistrations/{registration_id}")
async def delete(request: Request, registration_id: str) -> Response:
    """Delete a registration of the caller (5.9.4)."""
    call = await enter(request, "register")
    params.parse(request.scope["query_string"], ())
    id = parse_uri(unquote(registration_id), "id")
    prepared = call.seal("allowed")
    async with call.services.pool.tx(call.schema) as conn:
        await registrations.delete(conn, call.tenant, call.caller.party, id, datetime.now(UTC))
        await append(conn, [prepared])
    return answers.written(call, prepared, 204, None, {})


async def _writer(call: Call) -> Writer:
    """Say who writes: what stands in the way of a registration is told only to who may read it."""
    try:
        reading = await call.services.trust.decide(call.caller, call.purpose, "read", call.tenant)
    except EngineUnavailable as error:
        raise unavailable(error.detail) from error
    return Writer(call.tenant, call.caller.party, call.access, reading.access, refusal(call))


async def _answer(
    request: Request,
    call: Call,
    given: Mapping[str, str],
    active: Active,
    found: Stored | list[Stored],
    links: Sequence[str] = (),
    count: int | None = None,
) -> Response:
    media = negotiate.accept(request.headers.get("accept"))
    link = negotiate.link_context(request)
    sys_attrs = params.representation(given).sys_attrs
    languages = parse_languages(given["lang"]) if "lang" in given else ()
    stored = found if isinstance(found, list) else [found]
    shown = [_shown(one, call, active, sys_attrs, languages) for one in stored]
    prepared = await call.commit("allowed", len(shown))
    headers = call.headers(prepared.receipt)
    if count is not None:
        headers["NGSILD-Results-Count"] = str(count)
    if media == LD_JSON:
        for one in shown:
            one["@context"] = active.source if active.source is not None else load.CORE_CONTEXT
    else:
        links = [answers.context_header(link), *links]
    body = orjson.dumps(shown if isinstance(found, list) else shown[0])
    response = Response(body, 200, headers, media_type=media)
    for text in links:
        response.headers.append("Link", text)
    return response


def _shown(
    stored: Stored, call: Call, active: Active, sys_attrs: bool, languages: Sequence[LanguageRange]
) -> dict[str, Any]:
    found = registrations.shown(stored, active.name, active.attr)
    if languages:
        for name, value in found.items():
            if isinstance(value, dict) and value.get("type") == "LanguageProperty" and _is_map(value):
                found[name] = language({name: value}, languages)[name]
    if sys_attrs:
        found["createdAt"] = times.shown(times.of(stored.created_at))
        if call.access is EVERYTHING or stored.party == call.caller.party:
            found["modifiedAt"] = times.shown(times.of(stored.modified_at))
    return found


def _is_map(value: Mapping[str, Any]) -> bool:
    texts = value.get("languageMap")
    return isinstance(texts, dict) and bool(texts) and all(isinstance(one, str) for one in texts.values())


def _links(given: Mapping[str, str], limit: int, offset: int, more: bool) -> list[str]:
    """Write the links to the next and previous page (6.3.10). SPEC 6.3.10: as ETSI's own tests compare them, limit and
    offset come last, and the type is that of a list of registrations in JSON-LD, whatever was accepted.
    """
    if limit == 0:
        return []
    kept = {name: value for name, value in given.items() if name not in ("limit", "offset")}
    found = []
    for rel, wanted, to in (("next", more, offset + limit), ("prev", offset > 0, max(0, offset - limit))):
        if wanted:
            pairs = [*sorted(kept.items()), ("limit", str(limit)), ("offset", str(to))]
            query = "&".join(f"{name}={quote(value, safe=answers.VALUE_SAFE)}" for name, value in pairs)
            found.append(f'<{_PATH}?{query}>;rel="{rel}";type="{LD_JSON}"')
    return found
