"""The indexer: `python -m broker indexes run`, round after round of `broker.store.indexes`, with health and metrics.

It is a process of its own because making an index takes the tables' owner, which no process that serves is. Two do no
harm: one works at a time. A round that fails is told and tried again; SIGTERM ends one that is under way, and what
that leaves unfinished is dropped and made anew by the next.
"""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from broker.store.indexes import Limits, Made, listed, run
from broker.workers.admin import Admin
from broker.workers.settings import IndexerSettings

__all__ = ["Indexer", "limits", "serve"]

_log = structlog.get_logger(__name__)
_ROUNDS = Counter("datapolis_indexes_rounds", "Rounds of the indexer, by outcome", ["outcome"])
_CHANGED = Counter("datapolis_indexes_changed", "Indexes made and dropped", ["what"])
_THERE = Gauge("datapolis_indexes", "Indexes that stand, by tenant", ["tenant"])
_BYTES = Gauge("datapolis_indexes_bytes", "Size of the indexes that stand, by tenant", ["tenant"])
_SCANS = Gauge("datapolis_indexes_scans", "Scans of the indexes that stand, by tenant", ["tenant"])


def limits(settings: IndexerSettings) -> Limits:
    """Read when an index is worth its upkeep."""
    return Limits(
        settings.index_seen, settings.index_rows, settings.index_most, timedelta(days=settings.index_unused_days)
    )


class Indexer:
    """Keeps the indexes in step with what is asked for."""

    def __init__(self, dsn: str, limits: Limits, every_s: float) -> None:
        self._dsn = dsn
        self._limits = limits
        self._every_s = every_s
        self._trouble = "the first look at the database"

    async def waiting(self) -> list[str]:
        """Say what the last round failed for."""
        return [self._trouble] if self._trouble else []

    async def run(self) -> None:
        """Do rounds until cancelled."""
        while True:
            try:
                await self._round()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                self._trouble = f"database: {type(error).__name__}"
                _ROUNDS.labels("failed").inc()
                _log.warning("indexer.failed", error=str(error) or type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _round(self) -> None:
        _report(await listed(self._dsn))
        self._trouble = ""
        created, dropped = await run(self._dsn, self._limits)
        _ROUNDS.labels("done").inc()
        _CHANGED.labels("made").inc(len(created))
        _CHANGED.labels("dropped").inc(len(dropped))
        if created or dropped:
            _log.info("indexer.changed", made=created, dropped=dropped)
            _report(await listed(self._dsn))


def _report(found: list[Made]) -> None:
    for gauge in (_THERE, _BYTES, _SCANS):
        gauge.clear()
    for one in found:
        _THERE.labels(one.tenant).inc()
        _BYTES.labels(one.tenant).inc(one.size)
        _SCANS.labels(one.tenant).inc(one.scans)


async def serve(settings: IndexerSettings) -> None:
    """Run until a signal says stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    indexer = Indexer(settings.dsn_owner.get_secret_value(), limits(settings), settings.index_every_s)
    async with Admin(settings.broker_host, settings.admin_port, indexer.waiting):
        _log.info("indexer.started", every_s=settings.index_every_s)
        rounds = asyncio.ensure_future(indexer.run())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((rounds, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (rounds, stopping):
            task.cancel()
        ended = await asyncio.gather(rounds, stopping, return_exceptions=True)
    fault = next((one for one in ended if isinstance(one, Exception)), None)
    if fault is not None:
        raise fault
    _log.info("indexer.stopped")
