"""The way in: reads that are ready to be served are answered here, in front of FastAPI; all else goes to the routes.

Theory of operation. `GET /entities/{id}` without query string and the plain type page are most of a broker's load, and
FastAPI's routing alone costs more than the read. A request is hot when nothing about it has to be waited for: the
token is verified, the decision, tenant and @context are in memory, and the headers ask for nothing special. It is then
answered by the functions that the route uses, so that both ways give the same bytes. Whatever does not fit (no such
entity, a refusal, an error) goes to the route from the start, which reads again and says so: reading has no effect.

Paths are handed to FastAPI with each segment's own slashes still encoded, so that an id may hold one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from broker.core.errors import NgsiLdError
from broker.core.ids import DEFAULT_TENANT, parse_entity_id, parse_tenant
from broker.http import answers, metrics, params, querying, render
from broker.http.deps import ACCESS, AUDIT, TENANT, Call
from broker.http.negotiate import JSON
from broker.http.problems import HttpProblem, respond
from broker.http.routes.entities import answer_query
from broker.http.services import Services
from broker.ld.active import Active
from broker.ld.contexts import link_context
from broker.ops.sight import sight
from policies import PUBLIC, PurposeError

__all__ = ["Hot"]

_ENTITIES = f"{answers.BASE}/entities"
_ENTITY = _ENTITIES + "/"
_PLAIN_ACCEPT = (b"", b"*/*", b"application/json")
_PAGE = frozenset({"type", "limit"})
_MAX_KEPT = 1024


class Hot:
    """The ASGI application: the hot path, then the routes."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._links: dict[bytes, tuple[Active, str | None]] = {}
        self._ids: dict[str, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "GET" and scope["path"].startswith(_ENTITIES) and await self._serve(scope, receive, send):
            return
        await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes | None = scope.get("raw_path")
        if raw is not None and b"%" in raw:
            path = raw.partition(b"?")[0].decode("ascii", "replace")
            scope["path"] = "/".join(quote(unquote(part), safe="") for part in path.split("/"))
        method, began = scope["method"], time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.count(method, message["status"], "route")
            await send(message)

        await self.app(scope, receive, counting)
        metrics.SECONDS.labels(method).observe(time.perf_counter() - began)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve the request if it is hot; say whether."""
        path: str = scope["path"]
        query: bytes = scope["query_string"]
        services: Services = self.app.state.services
        if query:
            if path != _ENTITIES or len(query) > 2000:
                return False
            entered = self._enter(services, scope)
            return entered is not None and await self._page(*entered, query, scope, receive, send)
        if len(path) <= len(_ENTITY) or not path.startswith(_ENTITY):
            return False
        entity_id = path[len(_ENTITY) :]
        if "/" in entity_id or not self._valid(entity_id):
            return False
        entered = self._enter(services, scope)
        return entered is not None and await self._entity(*entered, entity_id, send)

    def _valid(self, entity_id: str) -> bool:
        if entity_id in self._ids:
            return True
        try:
            parse_entity_id(entity_id)
        except NgsiLdError:
            return False
        if len(self._ids) >= 100_000:
            self._ids.clear()
        self._ids[entity_id] = None
        return True

    def _enter(self, services: Services, scope: Scope) -> tuple[Call, Active, str | None] | None:
        """Do what `deps.enter` does from memory alone; None if that is not possible."""
        authorization = purpose_header = tenant_header = link = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"accept":
                if value not in _PLAIN_ACCEPT:
                    return None
            elif name == b"link":
                if link is not None:
                    return None
                link = value
            elif name == b"ngsild-tenant":
                tenant_header = value.decode("latin-1")
            elif name == b"data-purpose":
                purpose_header = value.decode("latin-1")
        trust = services.trust
        caller = PUBLIC if authorization is None else trust.known(authorization.decode("latin-1"))
        if caller is None:
            return None
        try:
            tenant = DEFAULT_TENANT if tenant_header is None else parse_tenant(tenant_header)
            purpose = trust.purpose(caller, purpose_header)
        except (NgsiLdError, PurposeError):
            return None
        decision = trust.cached(caller, purpose, "read", tenant)
        schema = services.tenants.known(tenant)
        context = self._context(services, link)
        if decision is None or not decision.allow or schema is None or context is None:
            return None
        query = scope["query_string"]
        text = f"GET {scope['path']}" + (f"?{'&'.join(sorted(query.decode('latin-1').split('&')))}" if query else "")
        call = Call(services, "read", text[:4000], tenant, tenant_header, caller, purpose, schema, decision)
        return call, *context

    def _context(self, services: Services, link: bytes | None) -> tuple[Active, str | None] | None:
        if link is None:
            return services.contexts.core, None
        found = self._links.get(link)
        if found is not None and services.contexts.known(found[1]) is found[0]:
            return found
        try:
            url = link_context([link.decode("latin-1")])
        except NgsiLdError:
            return None
        active = services.contexts.known(url)
        if active is None:
            return None
        if len(self._links) >= _MAX_KEPT:
            self._links.clear()
        self._links[link] = active, url
        return active, url

    async def _entity(self, call: Call, active: Active, link: str | None, entity_id: str, send: Send) -> bool:
        """Answer with one entity."""
        seen = sight(call.access)
        if seen.needs_meta:
            return False
        try:
            row = await call.services.reads.read(call.schema, entity_id)
        except OSError:
            return False
        if row is None:
            return False
        names, segs = row[3], row[4]
        mask = seen.mask(entity_id, row[1], row[2], names, segs)
        if mask is None:
            return False
        body = render.writer(active).text(entity_id, row[1], row[2], names, segs, mask).encode()
        prepared = call.seal("allowed", 1)
        try:
            await call.services.audit.commit(prepared)
        except HttpProblem as problem:
            answer = respond(problem, call.headers(None))
            await _send(send, answer.status_code, answer.raw_headers, bytes(answer.body))
            return True
        _count_use(call)
        headers = [(AUDIT.lower().encode(), prepared.receipt.encode())]
        if call.tenant_header is not None:
            headers.append((TENANT.lower().encode(), call.tenant_header.encode("latin-1")))
        if call.services.settings.access == "open":
            headers.append((ACCESS.lower().encode(), b"open"))
        headers.append((b"link", answers.context_header(link).encode("latin-1")))
        headers.append((b"content-length", str(len(body)).encode()))
        headers.append((b"content-type", JSON.encode()))
        await _send(send, 200, headers, body)
        return True

    async def _page(
        self, call: Call, active: Active, link: str | None, query: bytes, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Answer with the plain page of a type, by the route's own function."""
        try:
            given = params.parse(query, querying.QUERY)
            if not given.keys() <= _PAGE or "type" not in given:
                return False
            answer = await answer_query(call, given, JSON, active, link)
        except Exception:
            # Whatever it is, the route meets it too, and answers for it.
            return False
        metrics.count("GET", answer.status_code, "hot")
        _count_use(call)
        await answer(scope, receive, send)
        return True


def _count_use(call: Call) -> None:
    """Count an answered request against the caller's quotas; a request that goes on to the route is counted there."""
    if call.decision is not None:
        call.services.trust.used(call.decision)


async def _send(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    metrics.count("GET", status, "hot")
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
