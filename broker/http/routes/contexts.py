"""/jsonldContexts and /jsonldContexts/{contextId} (CIM 009 V1.9.1, 5.13, 6.29, 6.30).

Under policies: a context is stored by whoever may `publish` or `manage`; whoever may publish deletes what the own party
stored, whoever may manage deletes and reloads any. Hosted contexts are public, as any vocabulary is: to list and read
them needs no decision and is not audited. Cached and implicitly created ones are listed and described to managers only;
an implicitly created one is served to whoever has its URL, which came with data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core import times
from broker.core.errors import BadRequestData, InvalidRequest, NonexistentTenant, OperationNotSupported
from broker.core.ids import parse_tenant
from broker.http import answers, negotiate, params
from broker.http.deps import TENANT, Call, enter
from broker.http.negotiate import JSON
from broker.http.problems import HttpProblem
from broker.http.services import Services, services
from broker.ops import contexts
from broker.store.contexts import KINDS, PATH, Entry, Kind
from ontologies import load
from policies.audit import append

__all__ = ["CITY", "router"]

router = APIRouter(prefix=answers.BASE)
CITY = f"{answers.BASE}/jsonldContexts/city"
_STARTED = datetime.now(UTC)


@router.post("/jsonldContexts")
@router.post("/jsonldContexts/", include_in_schema=False)
async def add(request: Request) -> Response:
    """Store a @context (5.13.2)."""
    try:
        call = await enter(request, "publish", creates=True)
    except HttpProblem as refused:
        if refused.status != 403:
            raise
        call = await enter(request, "manage", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    if not isinstance(body.data, dict) or "@context" not in body.data:
        raise InvalidRequest("the body: a JSON object with the member @context is needed (5.13.2.3)")
    call.services.contexts.check(body.data["@context"])
    prepared = call.seal("allowed")
    async with call.services.pool.tx(None) as conn:
        local_id = await contexts.add(conn, call.tenant, call.caller.party, body.data["@context"])
        await append(conn, [prepared])
    return answers.written(call, prepared, 201, None, {"Location": f"{answers.BASE}/jsonldContexts/{local_id}"})


@router.get("/jsonldContexts")
@router.get("/jsonldContexts/", include_in_schema=False)
async def query(request: Request) -> Response:
    """List the stored @contexts (5.13.3): their URLs, or with `details` what is known of them."""
    given = params.parse(request.scope["query_string"], {"details", "kind"})
    details = params.flag(given, "details")
    wanted = given.get("kind")
    if wanted is not None and wanted not in KINDS:
        raise BadRequestData(f"kind: expected one of {', '.join(KINDS)}, found {wanted!r:.40}")
    reader = await _Reader.of(request)
    kinds = [one for one in reader.kinds("Hosted") if wanted in (None, one)]
    await reader.count_uses()
    async with reader.services.pool.lend(None) as conn:
        found = await contexts.entries(conn, reader.tenant, kinds)
    shown = [_shown(one, reader.services) for one in found]
    return await reader.answer(orjson.dumps(shown if details else [one["URL"] for one in shown]), JSON)


@router.get("/jsonldContexts/{context_id}")
async def serve(request: Request, context_id: str) -> Response:
    """Serve a stored @context, or with `details` what is known of it (5.13.4)."""
    given = params.parse(request.scope["query_string"], {"details"})
    details = params.flag(given, "details")
    reader = await _Reader.of(request)
    name = _name(context_id, reader.services)
    media = JSON if details else negotiate.accept(request.headers.get("accept"))
    city = reader.services.hosted.get(name)
    if city is not None:
        about = _about(reader.services.settings.broker_url.rstrip("/") + CITY, name, "Hosted")
        return await reader.answer(orjson.dumps(about if details else {"@context": city}), JSON if details else media)
    if name in load.contexts():
        if not details:
            raise OperationNotSupported(f"{name} is a cached @context: get it from there; details=true describes it")
        return await reader.answer(orjson.dumps(_about(name, name.rsplit("/", 1)[-1], "Cached")), JSON)
    await reader.count_uses()
    async with reader.services.pool.lend(None) as conn:
        if details:
            found, _ = await contexts.find(conn, reader.tenant, name, reader.kinds("Hosted"))
        else:
            body = await contexts.serve(conn, reader.tenant, name, reader.kinds("Hosted", "ImplicitlyCreated"))
    if not details:
        return await reader.answer(body, media)
    # SPEC 5.13.3.5: numberOfHits counts how often it was found in the storage; this was one more time.
    reader.services.contexts.used[found.url] += 1
    return await reader.answer(orjson.dumps(_shown(found, reader.services)), JSON)


@router.delete("/jsonldContexts/{context_id}")
async def delete(request: Request, context_id: str) -> Response:
    """Delete a stored @context, or with `reload` fetch a cached one anew (5.13.5)."""
    given = params.parse(request.scope["query_string"], {"reload"})
    again = params.flag(given, "reload")
    party: str | None = None
    try:
        call = await enter(request, "manage")
    except HttpProblem as refused:
        if refused.status != 403 or again:
            raise
        call = await enter(request, "publish")
        party = call.caller.party
    name = _name(context_id, call.services)
    prepared = call.seal("allowed")
    if name in call.services.hosted or (name in load.contexts() and not again):
        raise BadRequestData(f"{name:.200} is built in and cannot be deleted")
    if again:
        if name not in load.contexts():
            await contexts.reload(call.services.pool, call.services.contexts, call.tenant, name)
        prepared = await call.commit("allowed")
    else:
        async with call.services.pool.tx(None) as conn:
            gone = await contexts.remove(conn, call.tenant, name, party)
            await append(conn, [prepared])
        call.services.contexts.forget(gone.url)
        call.services.contexts.forget(_url(gone, call.services))
    return answers.written(call, prepared, 204, None, {})


class _Reader:
    """Who reads contexts: one who manages them, with a `call` that is decided and audited, or the public."""

    def __init__(self, found: Services, tenant: str, tenant_header: str | None, call: Call | None) -> None:
        self.services = found
        self.tenant = tenant
        self._tenant_header = tenant_header
        self.call = call

    @classmethod
    async def of(cls, request: Request) -> _Reader:
        """Decide who reads. A tenant that does not exist has no contexts of its own, which is no error."""
        header = request.headers.get("ngsild-tenant")
        tenant = parse_tenant(header)
        call: Call | None = None
        try:
            call = await enter(request, "manage")
        except NonexistentTenant:
            request.state.call = None
        except HttpProblem as refused:
            if refused.status not in (400, 401, 403):
                raise
            request.state.call = None
        return cls(services(request), tenant, header, call)

    def kinds(self, *public: Kind) -> Sequence[Kind]:
        """Give the kinds that this reader may see: a manager all, the public these."""
        return public if self.call is None else KINDS

    async def count_uses(self) -> None:
        """Write the uses that this process has counted down, so that they show."""
        if self.call is not None:
            found = self.services
            await contexts.count_uses(found.pool, found.context_storage, found.contexts)

    async def answer(self, body: bytes, media: str) -> Response:
        """Answer; a manager's reading is audited."""
        if self.call is None:
            headers = {} if self._tenant_header is None else {TENANT: self._tenant_header}
            return Response(body, 200, headers, media_type=media)
        prepared = await self.call.commit("allowed")
        return Response(body, 200, self.call.headers(prepared.receipt), media_type=media)


def _name(context_id: str, found: Services) -> str:
    """Read the end of a path: a local id, or the URL of a context; of one that is hosted here its local id."""
    return found.context_storage.key(unquote(context_id)).removeprefix(PATH)


def _about(url: str, local_id: str, kind: Kind) -> dict[str, Any]:
    """Describe a built-in context."""
    return {"URL": url, "localId": local_id, "kind": kind, "createdAt": times.shown(times.of(_STARTED))}


def _shown(entry: Entry, found: Services) -> dict[str, Any]:
    """Describe a stored context (5.13.3.5)."""
    shown: dict[str, Any] = {
        "URL": _url(entry, found),
        "localId": entry.local_id,
        "kind": entry.kind,
        "createdAt": times.shown(times.of(entry.created_at)),
    }
    if entry.expires_at is not None:
        shown["expiresAt"] = times.shown(times.of(entry.expires_at))
    if entry.kind != "Hosted":
        if entry.last_used is not None:
            shown["lastUsage"] = times.shown(times.of(entry.last_used))
        shown["numberOfHits"] = entry.hits
    return shown


def _url(entry: Entry, found: Services) -> str:
    """Give the URL under which a context can be had."""
    return entry.url if entry.kind == "Cached" else found.settings.broker_url.rstrip("/") + entry.url
