"""The monthly partitions of history: made ahead of the writes, so that a write seldom has to make one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import structlog

from broker.store import admission, history
from broker.store.pool import Pool

__all__ = ["Months"]

_log = structlog.get_logger(__name__)


class Months:
    """Runs until `stop` is set."""

    def __init__(self, pool: Pool, *, every_s: float = 600.0) -> None:
        self._pool = pool
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        """Look after every tenant's partitions, again and again, until `stop`."""
        while not stop.is_set():
            try:
                await self.look(datetime.now(UTC))
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("months.waiting", reason=type(error).__name__)
            try:
                async with asyncio.timeout(self._every_s):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self, now: datetime) -> None:
        """Make what is missing of every tenant's partitions (`history.keep_months`)."""
        async with self._pool.lend(None) as conn:
            schemas = await admission.schemas(conn)
        for schema in schemas.values():
            await history.keep_months(self._pool, schema, now)
