"""Run background roles in one process: `python -m broker work [ingest|relay|notify|expire ...]`.

SIGTERM and SIGINT drain: no new work is taken, what is under way is finished, at most `drain_s`. Health and metrics are
served on DATAPOLIS_ADMIN_PORT. A role that fails for a reason it cannot wait out ends the process: the supervisor
starts it anew, and nothing is lost, because nothing is kept in memory alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import structlog
from uuid_utils import uuid7

from broker.bus.consume import Source, topic_pattern
from broker.core import topics
from broker.core.access import Access
from broker.core.egress import ranges
from broker.core.principals import once_is_enough
from broker.core.subscription import Subscription
from broker.ld.contexts import Contexts
from broker.remote.client import Client
from broker.store.contexts import ContextStorage
from broker.store.pool import Pool
from broker.workers.admin import Admin
from broker.workers.csource_notifier import CsourceBook, CsourceNotifier
from broker.workers.csource_notify import CsourceSender
from broker.workers.delivery import Delivery, Limits
from broker.workers.expiry import Expiry
from broker.workers.ingest import Ingest
from broker.workers.months import Months
from broker.workers.notifier import Book, Notifier
from broker.workers.notify import Sender
from broker.workers.optouts import OptOuts
from broker.workers.relay import Relay
from broker.workers.settings import WorkerSettings
from policies import Caller, PolicySettings, Trust

__all__ = ["ROLES", "run"]

_log = structlog.get_logger(__name__)

_CITY = "/ngsi-ld/v1/jsonldContexts/city"
ROLES = ("ingest", "relay", "notify", "expire")

Ready = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Role:
    run: Callable[[asyncio.Event], Awaitable[None]]
    ready: Ready


async def run(roles: Collection[str], settings: WorkerSettings, policy: PolicySettings) -> None:
    """Run the roles (none named: all) until a signal says stop. ValueError for a role that there is not."""
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise ValueError(f"no such role: {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
    logging.getLogger("aiokafka.conn").addFilter(once_is_enough)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        pool = Pool(
            settings.dsn_broker.get_secret_value(),
            size=settings.pool_size,
            command_timeout_s=settings.statement_timeout_s,
        )
        stack.push_async_callback(pool.close)
        running = await _roles(roles or ROLES, settings, policy, pool, stack)
        await stack.enter_async_context(Admin(settings.broker_host, settings.admin_port, _waiting(pool, running)))
        _log.info("work.started", roles=sorted(running))
        await _until(stop, running, settings.drain_s)
    _log.info("work.stopped")


async def _until(stop: asyncio.Event, running: Mapping[str, _Role], drain_s: float) -> None:
    tasks = {asyncio.ensure_future(role.run(stop)): name for name, role in running.items()}
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.wait(tasks, timeout=drain_s)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [one for one in ended if isinstance(one, Exception)]
    if faults:
        raise faults[0]


async def _roles(
    wanted: Collection[str],
    settings: WorkerSettings,
    policy: PolicySettings,
    pool: Pool,
    stack: AsyncExitStack,
) -> dict[str, _Role]:
    found: dict[str, _Role] = {}
    prefix = settings.topic_prefix
    if "ingest" in wanted:
        pattern = f"^{re.escape(prefix)}entities\\..+$"
        found |= _ingest(settings, pool, _source(settings, "ingest", pattern))
    if "relay" in wanted:
        relay = Relay(
            pool, settings.kafka, prefix=prefix, idle_s=settings.relay_idle_s, login=settings.kafka_login("relay")
        )
        found["relay"] = _Role(relay.run, lambda: True)
    if "notify" in wanted:
        found |= await _notify(settings, policy, pool, stack)
    if "expire" in wanted:
        found["expire"] = _Role(Expiry(pool, every_s=settings.expire_every_s).run, lambda: True)
        found["months"] = _Role(Months(pool, every_s=settings.months_every_s).run, lambda: True)
    return found


def _ingest(settings: WorkerSettings, pool: Pool, source: Source) -> dict[str, _Role]:
    optouts = OptOuts(settings.kafka, settings.topic_prefix, settings.kafka_login("ingest"))
    ingest = Ingest(
        pool,
        source,
        optouts,
        prefix=settings.topic_prefix,
        limit=settings.ingest_batch,
        wait_s=settings.ingest_wait_s,
    )

    async def after_optouts(stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        complete = asyncio.ensure_future(optouts.complete.wait())
        await asyncio.wait((stopping, complete), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, complete):
            task.cancel()
        await ingest.run(stop)

    return {"optouts": _Role(optouts.run, optouts.complete.is_set), "ingest": _Role(after_optouts, ingest.ready.is_set)}


async def _notify(
    settings: WorkerSettings, policy: PolicySettings, pool: Pool, stack: AsyncExitStack
) -> dict[str, _Role]:
    trust = await Trust.open(policy, settings.dsn_broker.get_secret_value())
    stack.push_async_callback(trust.close)
    client = Client(ranges(settings.egress_allow), timeout_s=settings.notify_timeout_s)
    stack.push_async_callback(client.close)
    book = Book(pool)
    access = _access(trust)
    contexts = Contexts(client.session, ContextStorage(pool, settings.broker_url), _city_context(settings))
    sender = Sender(pool, book, client, access, contexts, page=settings.notify_page)
    limits = Limits(
        calls=settings.notify_calls,
        calls_per_line=settings.notify_calls_each,
        tries=settings.notify_tries,
        age_s=settings.notify_age_h * 3600,
        first_s=settings.notify_first_s,
        longest_s=settings.notify_longest_s,
    )
    source = _source(settings, "notify", topic_pattern(settings.topic_prefix, topics.CHANGES))
    notifier = Notifier(pool, source, book, access, Delivery(pool, sender.send, limits))
    of_sources = CsourceBook(pool)
    delivery = Delivery(pool, CsourceSender(of_sources, client, access, contexts).send, limits)
    csources = CsourceNotifier(pool, of_sources, access, delivery)
    return {
        "notify": _Role(notifier.run, notifier.ready.is_set),
        "notify_csources": _Role(csources.run, csources.ready.is_set),
    }


def _city_context(settings: WorkerSettings) -> dict[str, Any]:
    """Return the city's own @context under the URLs by which the broker serves it."""
    path = settings.city / "context.jsonld"
    if not path.is_file():
        return {}
    context = orjson.loads(path.read_bytes())["@context"]
    return {_CITY: context, settings.broker_url.rstrip("/") + _CITY: context}


def _access(trust: Trust) -> Callable[[Subscription], Awaitable[Access | None]]:
    async def access(subscription: Subscription) -> Access | None:
        who = subscription.subscriber
        caller = Caller(who.party, who.sub, who.tier, who.roles)
        decision = trust.cached(caller, who.purpose, "subscribe", subscription.tenant)
        if decision is None:
            decision = await trust.decide(caller, who.purpose, "subscribe", subscription.tenant)
        return decision.access if decision.allow else None

    return access


def _source(settings: WorkerSettings, consumer: str, pattern: str) -> Source:
    member = f"{consumer}-{settings.worker}" if settings.worker else None
    return Source(
        bootstrap=settings.kafka,
        consumer=consumer,
        group=topics.prefixed(f"broker-{consumer}", settings.topic_prefix),
        owner=f"{settings.worker or socket.gethostname()}/{os.getpid()}/{uuid7()}",
        pattern=pattern,
        member=member,
        session_ms=settings.session_ms,
        login=settings.kafka_login(consumer),
    )


def _waiting(pool: Pool, roles: Mapping[str, _Role]) -> Callable[[], Awaitable[list[str]]]:
    async def waiting() -> list[str]:
        found = sorted(name for name, role in roles.items() if not role.ready())
        try:
            async with asyncio.timeout(2), pool.lend(None) as conn:
                await conn.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            found.append(f"database: {type(error).__name__}")
        return found

    return waiting
