"""The assessor: harvest, judge, store, again and again; one works at a time per database.

A round that cannot read something stores nothing: the last evidence stands until it expires, and then lapses by
itself wherever it is shown (`readiness.status_at`). So a broker that is away ends in 'not yet', never in a false badge.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog
from prometheus_client import Counter, Gauge, Histogram

from catalog.broker import Broker, BrokerRefused, BrokerUnavailable
from catalog.city import City
from catalog.dataset import Dataset, Harvest, TypeCount, datasets
from catalog.evidence import Verdict
from catalog.harvest import counted
from catalog.pilots import judge_roadmap
from catalog.readiness import assess
from catalog.reading import read, sources
from catalog.scoring import keep_scoring
from catalog.settings import Settings
from catalog.sign import VerdictKey
from catalog.store import keys, rounds, search
from catalog.store.connect import Conn, Pool, StoreUnavailable, assessor_lock, translated
from catalog.terms import TermsUnavailable, domains
from catalog.tokens import ServiceToken, TokenUnavailable
from policies.domains import CityFileError

__all__ = ["Assessor"]

_log = structlog.get_logger("catalog.assess")
_ROUNDS = Counter("catalog_rounds_total", "Rounds of assessment by outcome", ["outcome"])
_SECONDS = Histogram("catalog_round_seconds", "Time of one round", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
_GOVERNED = Gauge("catalog_governed", "1 while a domain is at governed readiness", ["domain"])

_COUNTED = 25
"""Domains whose entities are counted in one round at most."""

_COUNT_AGAIN_S = 60.0
"""How soon a domain is counted again whose counting failed."""

_COUNTING_S = 2.0
"""How long a round may go on to count; one domain is always finished."""

_INDEX_EVERY = timedelta(minutes=1)
"""How soon a dataset whose modification alone has moved on is indexed anew."""

_EPOCH = datetime.fromtimestamp(0, UTC)

_AWAY = (BrokerUnavailable, BrokerRefused, TokenUnavailable, TermsUnavailable, StoreUnavailable, CityFileError)


class Assessor:
    """Assesses a city's domains by its broker and its trust, over one HTTP client and one database."""

    def __init__(self, settings: Settings, city: Callable[[], City], pool: Pool, http: aiohttp.ClientSession) -> None:
        self._settings, self._city, self._pool, self._http = settings, city, pool, http
        token = ServiceToken(http, settings.token_url, settings.catalog_client_id, settings.client_secret)
        self._broker = Broker(http, settings.broker_url, token, settings.catalog_purpose)
        self._key: VerdictKey | None = None
        self._counts: dict[str, tuple[TypeCount, ...]] = {}
        self._due: dict[str, float] = {}
        self._indexed: tuple[Dataset, ...] = ()
        self._index_again = _EPOCH
        self._plan_again = _EPOCH

    async def once(self, conn: Conn) -> list[Verdict]:
        """One round on a connection that holds the lock. Raises one of the errors in `_AWAY`."""
        city, settings = self._city(), self._settings
        declared = city.declared(await domains(self._http, settings.catalog_url))
        found = await read(self._http, settings.catalog_url, self._broker, declared, city.machinery)
        harvests = await self._with_counts(found)
        now = datetime.now(UTC)
        where = sources(settings.catalog_url, settings.broker_for_others)
        verdicts = [assess(h, now, where, settings.evidence_ttl_s) for h in harvests]
        with translated():
            key = await self._signing(conn)
            changed = await rounds.save(conn, harvests, verdicts, now, key.sign)
            await self._index(conn, city, harvests, now)
            if now >= self._plan_again:
                await judge_roadmap(conn, self._http, self._broker, settings, verdicts)
                self._plan_again = now + timedelta(seconds=settings.roadmap_interval_s)
        for verdict in verdicts:
            _GOVERNED.labels(verdict.domain).set(verdict.status == "governed")
            if verdict.domain in changed:
                _log.info("verdict", domain=verdict.domain, status=verdict.status, failing=verdict.failing)
        return verdicts

    async def _index(self, conn: Conn, city: City, harvests: list[Harvest], now: datetime) -> None:
        """Let every dataset be found as it is now, where any has changed."""
        found = tuple(d for h in harvests for d in datasets(h, city.agent(h.domain.owner), _EPOCH))
        known = tuple(replace(d, count=0, size=None, quality=(), modified=_EPOCH) for d in found)
        if known != self._indexed or now >= self._index_again:
            await search.save(conn, found, now)
            self._indexed, self._index_again = known, now + _INDEX_EVERY

    async def _signing(self, conn: Conn) -> VerdictKey:
        """The key, made at the first round ever, and published before it signs."""
        if self._key is None:
            key = await asyncio.to_thread(VerdictKey.load, self._settings.state / "readiness.key")
            await keys.publish(conn, key.kid, key.jwk)
            self._key = key
        return self._key

    async def _with_counts(self, found: list[Harvest]) -> list[Harvest]:
        """The harvests with the counts of their types. They are for people, not for the gates, and counting walks the
        entities in the broker: so each round counts some domains, those that wait longest first, and a domain whose
        counting takes long is counted seldom. The others keep what was counted last."""
        began, share = time.monotonic(), self._settings.count_share
        waiting = sorted((self._due.get(h.domain.name, 0.0), n) for n, h in enumerate(found))
        for due, n in waiting[:_COUNTED]:
            started, domain = time.monotonic(), found[n].domain
            if not share or due > started or started - began > _COUNTING_S:
                break
            try:
                self._counts |= await counted(self._broker, [domain])
            except BrokerUnavailable as error:  # the gates go on without; what was counted last stands
                _log.warning("not_counted", domain=domain.name, error=str(error))
                self._due[domain.name] = time.monotonic() + _COUNT_AGAIN_S
                break
            ended = time.monotonic()
            self._due[domain.name] = ended + (ended - started) / share
        return [replace(h, counts=self._counts.get(h.domain.name, ())) for h in found]

    async def run(self, stop: asyncio.Event) -> None:
        """Assess every interval until told to stop. What is away is named once and tried again."""
        said = ""
        while not stop.is_set():
            try:
                with translated():
                    async with self._pool.acquire() as conn, assessor_lock(conn) as held:
                        if held:
                            said = await self._rounds(conn, stop, said)
            except StoreUnavailable as error:
                said = _say(error, said)
            await _rest(stop, self._settings.assess_interval_s)

    async def _rounds(self, conn: Conn, stop: asyncio.Event, said: str) -> str:
        scoring = asyncio.create_task(keep_scoring(self._settings, self._pool, self._http, stop))
        try:
            return await self._go_on(conn, stop, said)
        finally:
            scoring.cancel()
            await asyncio.gather(scoring, return_exceptions=True)

    async def _go_on(self, conn: Conn, stop: asyncio.Event, said: str) -> str:
        while not stop.is_set() and not conn.is_closed():
            began = time.perf_counter()
            try:
                if not await _unless(stop, self.once(conn)):
                    return said
                said = ""
                _ROUNDS.labels("done").inc()
            except _AWAY as error:
                said = _say(error, said)
            spent = time.perf_counter() - began
            _SECONDS.observe(spent)
            await _rest(stop, max(0.1, self._settings.assess_interval_s - spent))
        return said


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do something to its end, or drop it when told to stop: what a round has not stored yet is not missed."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            return False
        doing.result()
        return True
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


def _say(error: Exception, said: str) -> str:
    """Log what is away, once as long as it stays the same."""
    _ROUNDS.labels("away").inc()
    text = f"{type(error).__name__}: {error}"
    if text != said:
        _log.warning("round_not_done", error=text)
    return text


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
