"""Wiring of one HTTP worker: pool, trust, contexts, routes and error handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp
from uuid_utils import uuid7

from broker.core.errors import InternalError, InvalidRequest, NgsiLdError, ResourceNotFound
from broker.http import health, metrics, negotiate
from broker.http.audit import LANES
from broker.http.deps import echo, fail
from broker.http.hot import Hot
from broker.http.problems import HttpProblem, respond, unavailable
from broker.http.routes import (
    attributes,
    batch,
    contexts,
    csource_subscriptions,
    description,
    discovery,
    entities,
    identity,
    provision,
    purge,
    registrations,
    subscriptions,
    temporal,
)
from broker.http.services import Services
from broker.ld.contexts import Contexts
from broker.ops.contexts import refresh
from broker.settings import BrokerSettings
from broker.store import observed
from broker.store.contexts import ContextStorage
from broker.store.pool import Pool
from policies import PolicySettings, Trust
from policies.egress import session

__all__ = ["create_app"]

_log = structlog.get_logger(__name__)


def create_app(settings: BrokerSettings, policy: PolicySettings, started: Callable[[], None] = lambda: None) -> ASGIApp:
    """Make the ASGI application of one worker; `started` is called when all is open.

    ValueError if open access would bind more than loopback.
    """
    if settings.access == "open" and not _loopback(settings.broker_host):
        raise ValueError(f"DATAPOLIS_ACCESS=open binds loopback only, not {settings.broker_host}")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.services = await _services(settings, policy, stack)
            started()
            yield

    app = FastAPI(title="Datapolis context broker", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    reading = (entities, discovery, subscriptions, temporal, contexts, identity, description, health)
    for part in (provision, purge, attributes, batch, registrations, csource_subscriptions, *reading):
        app.include_router(part.router)
    app.add_exception_handler(NgsiLdError, _ngsi_ld_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        app.add_exception_handler(kind, _database_error)
    app.add_exception_handler(Exception, _unexpected)
    return Hot(app)


async def _services(settings: BrokerSettings, policy: PolicySettings, stack: AsyncExitStack) -> Services:
    dsn = settings.dsn_broker.get_secret_value()
    pool = Pool(dsn, size=settings.pool_size, command_timeout_s=settings.statement_timeout_s)
    await pool.open()
    stack.push_async_callback(pool.close)
    records = Pool(dsn, size=LANES, command_timeout_s=settings.statement_timeout_s)
    stack.push_async_callback(records.close)
    trust = await Trust.open(policy, dsn)
    stack.push_async_callback(trust.close)
    http = await stack.enter_async_context(session(policy.egress, timeout_s=5.0))
    city = _city_context(settings.city)
    local = {contexts.CITY: city, settings.broker_url.rstrip("/") + contexts.CITY: city} if city is not None else {}
    storage = ContextStorage(pool, settings.broker_url)
    resolver = Contexts(http, storage, local)
    found = Services(settings, pool, records, trust, resolver, storage, {"city": city} if city is not None else {})
    watching = asyncio.create_task(_watch_contexts(pool, storage, resolver))
    stack.callback(watching.cancel)
    observing = asyncio.create_task(_write_observed(pool))
    stack.callback(observing.cancel)
    flushing = asyncio.create_task(metrics.flush_every_second())
    stack.callback(flushing.cancel)
    stack.push_async_callback(found.audit.close)
    stack.push_async_callback(found.writes.close)
    return found


async def _write_observed(pool: Pool) -> None:
    """Write down what queries look at, for as long as this process runs."""
    while True:
        await asyncio.sleep(5)
        try:
            await observed.flush(pool)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            _log.warning("observed.not_written", error=type(error).__name__)


async def _watch_contexts(pool: Pool, storage: ContextStorage, resolver: Contexts) -> None:
    """Follow what other processes do to the stored contexts, for as long as this one runs."""
    while True:
        await asyncio.sleep(1)
        try:
            await refresh(pool, storage, resolver)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            _log.warning("contexts.not_followed", error=type(error).__name__)


def _city_context(city: Path) -> Any:
    """Read the city's own @context, None if it has none."""
    path = city / "context.jsonld"
    return orjson.loads(path.read_bytes())["@context"] if path.is_file() else None


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _ngsi_ld_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours; some statuses of 6.3.4 have no body, or another one."""
    if isinstance(error, negotiate.UnsupportedMediaType | negotiate.LengthRequired):
        status = 415 if isinstance(error, negotiate.UnsupportedMediaType) else 411
        return await _bare(request, status, error)
    if isinstance(error, negotiate.BodyTooLong):
        return await fail(request, HttpProblem(InvalidRequest("").type_uri, 413, "The body is too long", error.detail))
    if isinstance(error, negotiate.NotAcceptable):
        members = {"available": list(error.available)}
        return await fail(
            request, HttpProblem(InvalidRequest("").type_uri, 406, "Not acceptable", error.detail, members)
        )
    if not isinstance(error, NgsiLdError):
        raise TypeError(f"not an NgsiLdError: {error!r}")
    return await fail(request, error)


async def _bare(request: Request, status: int, error: NgsiLdError) -> Response:
    """Answer with a status alone (6.3.4); the audit record is committed as for any error."""
    answer = await fail(request, HttpProblem(InvalidRequest("").type_uri, status, "No body", error.detail))
    if answer.status_code != status:
        return answer
    kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
    return Response(None, status, kept)


async def _validation_error(request: Request, error: Exception) -> Response:
    return await fail(request, InvalidRequest(str(error)))


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what routing refuses: 404 and 405; and OPTIONS, which no route has."""
    if not isinstance(error, HTTPException):
        raise TypeError(f"not an HTTPException: {error!r}")
    if error.status_code == 404:
        return await fail(request, ResourceNotFound(f"there is no resource {request.url.path:.200}"))
    headers = {**echo(request), **(error.headers or {})}
    if error.status_code == 405:
        allowed = _allowed(request)
        headers["Allow"] = ", ".join(allowed)
        if request.method == "OPTIONS":
            return Response(None, 204, headers)
        detail = f"{request.method} is not an operation of {request.url.path:.200}; there are {headers['Allow']}"
    else:
        detail = f"{request.method} {request.url.path:.200}: {error.detail}"
    problem = HttpProblem(InvalidRequest("").type_uri, error.status_code, str(error.detail), detail)
    return respond(problem, headers)


def _allowed(request: Request) -> list[str]:
    """Give the methods of a resource (6.3.2), of all the routes that its path has, and OPTIONS."""
    found = {
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] == Match.FULL
    }
    return sorted(found | {"OPTIONS"})


async def _database_error(request: Request, error: Exception) -> Response:
    """Answer when the database fails: 503 where it is away, else 500 without internals."""
    _log.error("database.failed", error=type(error).__name__, path=request.url.path)
    if isinstance(error, asyncpg.PostgresError) and not isinstance(
        error, asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError | asyncpg.InsufficientResourcesError
    ):
        return await _unexpected(request, error)
    return await fail(request, unavailable("the database does not answer; try again"))


async def _unexpected(request: Request, error: Exception) -> Response:
    """Answer a fault of ours: an id to look for in the log, nothing of the fault itself."""
    number = str(uuid7())
    _log.error("request.failed", request=number, path=request.url.path, exc_info=error)
    return await fail(request, InternalError(f"the broker failed; report the number {number}"))
