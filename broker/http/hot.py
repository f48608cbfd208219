"""The way in: reads that are ready to be served are answered here, in front of FastAPI; all else goes to the routes.

Theory of operation. `GET /entities/{id}` without query string and the plain type page are most of a broker's load, and
FastAPI's routing alone costs more than the read. A request is hot when nothing about it has to be waited for: the
token is verified, the decision, tenant and @context are in memory, and the headers ask for nothing special. It is then
answered by the functions that the route uses, so that both ways give the same bytes. Whatever does not fit (no such
entity, a refusal, an error) goes to the route from the start, which reads again and says so: reading has no effect.

What the headers say is worked out once per different set of them (`_Door`), and so is what a query string asks for
behind them; whether the caller, the decision, the tenant and the @context still stand is asked again for every request
that comes a millisecond or more after it was asked: decisions are looked after every few hundred.

Paths are handed to FastAPI with each segment's own slashes still encoded, so that an id may hold one.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import orjson
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from broker.core.errors import NgsiLdError
from broker.core.ids import DEFAULT_TENANT, NULL, parse_entity_id, parse_tenant
from broker.http import answers, metrics, params, querying, render
from broker.http.deps import ACCESS, AUDIT, TENANT, Call, record
from broker.http.negotiate import JSON
from broker.http.problems import HttpProblem, respond
from broker.http.routes.entities import Inquiry, answer_query, inquire
from broker.http.services import Services
from broker.ld.active import Active
from broker.ld.contexts import link_context
from broker.ops.alive import alive_joined
from broker.ops.sight import Sight, sight
from broker.ops.view import Joined
from policies import PUBLIC, Caller, Decision, PurposeError
from policies.audit import Form

__all__ = ["Hot"]

_ENTITIES = f"{answers.BASE}/entities"
_ENTITY = _ENTITIES + "/"
_PLAIN_ACCEPT = (b"", b"*/*", b"application/json")
_PAGE = frozenset({"type", "limit", "offset", "after"})
_MAX_KEPT = 1024
_MAX_PAGES = 64
_PLAIN_ID = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,20}:[A-Za-z0-9_.:\-]{1,500}")
"""Ids that are what they look like, also in JSON: most are."""
_REQUEST = f'"GET {_ENTITY}'
_RECEIPT = AUDIT.lower().encode()
_STANDS_S = 0.001
_SAID = {name: place for place, name in enumerate((b"authorization", b"data-purpose", b"ngsild-tenant", b"link"))}
"""The headers that make up a door, by their places in its key."""
_ASKED = frozenset((b"accept", b"prefer"))
_OK = "GET", 200, "hot"

_Header = tuple[bytes, bytes]


@dataclass(slots=True)
class _Door:
    """What one set of headers comes to: who asks for what, under which decision, and what every answer carries."""

    authorization: str | None
    caller: Caller
    tenant: str
    tenant_header: str | None
    purpose: str
    schema: str
    active: Active
    link: str | None
    decision: Decision
    sight: Sight
    writer: render.Writer
    form: Form
    headers: tuple[_Header, ...]
    stood_at: float = 0.0
    pages: dict[bytes, tuple[str, Inquiry]] = field(default_factory=dict)

    def call(self, services: Services, request: str) -> Call:
        """Make the call that the route makes of such a request."""
        return Call(
            services,
            "read",
            request[:4000],
            self.tenant,
            self.tenant_header,
            self.caller,
            self.purpose,
            self.schema,
            self.decision,
        )


class Hot:
    """The ASGI application: the hot path, then the routes."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._doors: dict[tuple[bytes | None, ...], _Door] = {}
        self._services: Services | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            self._services = None  # those of the last run
            await self.app(scope, receive, send)
            return
        if scope["method"] == "GET":
            path: str = scope["path"]
            if path.startswith(_ENTITY):
                if not scope["query_string"] and await self._entity(path, scope, receive, send):
                    return
            elif path == _ENTITIES and scope["query_string"] and await self._page(scope, receive, send):
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

    def _found(self) -> Services:
        services: Services = self.app.state.services
        self._services = services
        return services

    def _enter(self, services: Services, headers: list[_Header]) -> _Door | None:
        """Do what `deps.enter` does from memory alone; None if that is not possible."""
        said: list[bytes | None] = [None, None, None, None]
        for name, value in headers:
            place = _SAID.get(name)
            if place is not None:
                if said[place] is not None:
                    return None
                said[place] = value
            elif name in _ASKED and (name == b"prefer" or value not in _PLAIN_ACCEPT):
                return None
        key = tuple(said)
        door, now = self._doors.get(key), time.monotonic()
        if door is None or now - door.stood_at >= _STANDS_S:
            if door is None or not self._stands(services, door):
                door = self._open(services, *said)
                if door is None:
                    return None
                if len(self._doors) >= _MAX_KEPT:
                    self._doors.clear()
                self._doors[key] = door
            door.stood_at = now
        return door if not door.decision.rates or services.trust.fits(door.decision) else None

    def _stands(self, services: Services, door: _Door) -> bool:
        """Say whether what was found out for these headers is so still."""
        trust, caller = services.trust, door.caller
        if door.authorization is not None and trust.known(door.authorization) is not caller:
            return False
        if trust.cached(caller, door.purpose, "read", door.tenant) is not door.decision:
            return False
        return door.link is None or services.contexts.known(door.link) is door.active

    def _open(
        self,
        services: Services,
        authorization: bytes | None,
        purpose_header: bytes | None,
        tenant_header: bytes | None,
        link_header: bytes | None,
    ) -> _Door | None:
        trust, token = services.trust, None if authorization is None else authorization.decode("latin-1")
        caller = PUBLIC if token is None else trust.known(token)
        if caller is None:
            return None
        tenant_text = None if tenant_header is None else tenant_header.decode("latin-1")
        try:
            tenant = DEFAULT_TENANT if tenant_text is None else parse_tenant(tenant_text)
            purpose = trust.purpose(caller, None if purpose_header is None else purpose_header.decode("latin-1"))
            link = None if link_header is None else link_context([link_header.decode("latin-1")])
        except (NgsiLdError, PurposeError):
            return None
        decision = trust.cached(caller, purpose, "read", tenant)
        schema = services.tenants.known(tenant)
        active = services.contexts.core if link is None else services.contexts.known(link)
        if decision is None or not decision.allow or schema is None or active is None:
            return None
        headers: list[_Header] = []
        if tenant_header is not None:
            headers.append((TENANT.lower().encode(), tenant_header))
        if services.settings.access == "open":
            headers.append((ACCESS.lower().encode(), b"open"))
        headers.append((b"link", answers.context_header(link).encode("latin-1")))
        headers.append((b"content-type", JSON.encode()))
        form = Form(record("read", tenant, caller, purpose, "", decision, "allowed", 1))
        seen, writer = sight(decision.access), render.writer(active)
        return _Door(
            token, caller, tenant, tenant_text, purpose, schema, active, link, decision, seen, writer, form,
            tuple(headers),
        )  # fmt: skip

    async def _entity(self, path: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer with one entity if the request is hot; say whether."""
        entity_id = path[len(_ENTITY) :]
        quoted = _quoted(entity_id)
        if quoted is None:
            return False
        services = self._services or self._found()
        door = self._enter(services, scope["headers"])
        if door is None or door.sight.needs_meta:
            return False
        try:
            row = await services.reads.read(door.schema, entity_id)
        except OSError:
            return False
        if row is None:
            return False
        _, types, scopes, names, segs = row
        names, segs = alive_joined(names, segs)
        mask = door.sight.mask_joined(entity_id, types, scopes, names, segs)
        if mask is None:
            return False
        body = door.writer.joined(quoted, Joined(entity_id, types, scopes, names, segs, mask)).encode()
        prepared = door.form.prepare(_REQUEST + quoted[1:])
        try:
            await services.audit.commit(prepared)
        except HttpProblem as problem:
            answer = respond(problem, door.call(services, "").headers(None))
            metrics.count("GET", answer.status_code, "hot")
            await answer(scope, receive, send)
            return True
        if door.decision.duties:
            services.trust.used(door.decision)
        metrics.COUNTS[_OK] += 1
        headers = [(_RECEIPT, prepared.receipt.encode()), *door.headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return True

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer with the plain page of a type, by the route's own function."""
        query: bytes = scope["query_string"]
        services = self._services or self._found()
        if len(query) > 2000:
            return False
        door = self._enter(services, scope["headers"])
        if door is None:
            return False
        try:
            kept = door.pages.get(query)
            if kept is None:
                given = params.parse(query, querying.QUERY)
                if not given.keys() <= _PAGE or "type" not in given:
                    return False
                told = answers.Told(JSON, door.active, door.link)
                request = f"GET {_ENTITIES}?{'&'.join(sorted(query.decode('latin-1').split('&')))}"
                kept = request, inquire(door.decision.access, services.settings, given, told)
                if len(door.pages) >= _MAX_PAGES:
                    door.pages.clear()
                door.pages[query] = kept
            answer = await answer_query(door.call(services, kept[0]), kept[1])
        except Exception:
            # Whatever it is, the route meets it too, and answers for it.
            return False
        metrics.count("GET", answer.status_code, "hot")
        services.trust.used(door.decision)
        await answer(scope, receive, send)
        return True


def _quoted(entity_id: str) -> str | None:
    """Give an entity id as JSON; None if it is none, or too long for a record to hold whole."""
    if _PLAIN_ID.fullmatch(entity_id) is not None and entity_id != NULL:
        return f'"{entity_id}"'
    if "/" in entity_id:
        return None
    try:
        parse_entity_id(entity_id)
    except NgsiLdError:
        return None
    return orjson.dumps(entity_id).decode()
