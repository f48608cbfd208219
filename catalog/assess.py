"""The assessor: harvest, judge, store, again and again; one works at a time per database.

A round that cannot read something stores nothing: the last evidence stands until it expires, and then lapses by
itself wherever it is shown (`readiness.status_at`). So a broker that is away ends in 'not yet', never in a false badge.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
import structlog
from prometheus_client import Counter, Gauge, Histogram

from catalog.broker import Broker, BrokerRefused, BrokerUnavailable
from catalog.city import City
from catalog.harvest import FEED, MEASUREMENT, harvest
from catalog.readiness import Sources, Verdict, assess
from catalog.settings import Settings
from catalog.store import rounds
from catalog.store.connect import Conn, Pool, StoreUnavailable, assessor_lock, translated
from catalog.terms import TermsUnavailable, agreements
from catalog.tokens import ServiceToken, TokenUnavailable

__all__ = ["Assessor", "sources"]

_log = structlog.get_logger("catalog.assess")
_ROUNDS = Counter("catalog_rounds_total", "Rounds of assessment by outcome", ["outcome"])
_SECONDS = Histogram("catalog_round_seconds", "Time of one round", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
_GOVERNED = Gauge("catalog_governed", "1 while a domain is at governed readiness", ["domain"])

_AWAY = (BrokerUnavailable, BrokerRefused, TokenUnavailable, TermsUnavailable, StoreUnavailable)


def sources(settings: Settings) -> Sources:
    """The public URLs at which an outsider finds what the gates looked at."""
    catalog, entities = settings.catalog_url.rstrip("/"), f"{settings.broker_for_others}/ngsi-ld/v1/entities?type="
    terms = f"{catalog}/trust/terms/{{domain}}"
    return Sources(terms, terms, entities + FEED.replace("#", "%23"), entities + MEASUREMENT.replace("#", "%23"))


class Assessor:
    """Assesses a city's domains by its broker and its trust, over one HTTP client and one database."""

    def __init__(self, settings: Settings, city: Callable[[], City], pool: Pool, http: aiohttp.ClientSession) -> None:
        self._settings, self._city, self._pool, self._http = settings, city, pool, http
        token = ServiceToken(http, settings.token_url, settings.catalog_client_id, settings.client_secret)
        self._broker = Broker(http, settings.broker_url, token, settings.catalog_purpose)

    async def once(self, conn: Conn) -> list[Verdict]:
        """One round on a connection that holds the lock. Raises one of the errors in `_AWAY`."""
        city = self._city()
        terms = await agreements(self._http, self._settings.catalog_url, city.domains, city.machinery)
        harvests = await harvest(self._broker, city.domains, terms)
        now = datetime.now(UTC)
        verdicts = [assess(h, now, sources(self._settings), self._settings.evidence_ttl_s) for h in harvests]
        with translated():
            changed = await rounds.save(conn, harvests, verdicts, now)
        for verdict in verdicts:
            _GOVERNED.labels(verdict.domain).set(verdict.status == "governed")
            if verdict.domain in changed:
                _log.info("verdict", domain=verdict.domain, status=verdict.status, failing=verdict.failing)
        return verdicts

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
        while not stop.is_set() and not conn.is_closed():
            began = time.perf_counter()
            try:
                await self.once(conn)
                said = ""
                _ROUNDS.labels("done").inc()
            except _AWAY as error:
                said = _say(error, said)
            spent = time.perf_counter() - began
            _SECONDS.observe(spent)
            await _rest(stop, max(0.1, self._settings.assess_interval_s - spent))
        return said


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
