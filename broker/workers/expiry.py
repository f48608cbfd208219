"""Expiry: removes entities, attributes and registrations whose time is over (CIM 009 V1.9.1, 4.22, 5.9.2.4), and
settled ledger rows.

Queries hide what has expired at once; this removes it, with its change event, a group at a time. Per tenant one worker
at a time (advisory lock).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Counter

from broker.core.patch import Change
from broker.store import admission, ledger, registrations, write
from broker.store.named import load
from broker.store.pool import Pool

__all__ = ["Expiry"]

_log = structlog.get_logger(__name__)
_SQL = load("expiry")
_EXPIRED = Counter("datapolis_expired_entities", "Entities removed because their time was over")
_EXPIRED_ATTRIBUTES = Counter("datapolis_expired_attributes", "Entities that lost attributes whose time was over")
_EXPIRED_SOURCES = Counter("datapolis_expired_registrations", "Registrations removed because their time was over")

_KEEP_BEATS = timedelta(hours=1)


class Expiry:
    """Runs until `stop` is set."""

    def __init__(self, pool: Pool, *, every_s: float = 1.0, limit: int = 500, keep_settled_d: float = 7.0) -> None:
        self._pool = pool
        self._every_s = every_s
        self._limit = limit
        self._keep = timedelta(days=keep_settled_d)

    async def run(self, stop: asyncio.Event) -> None:
        """Remove what is over, again and again, until `stop`."""
        while not stop.is_set():
            try:
                removed = await self.sweep(datetime.now(UTC))
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                _log.warning("expire.waiting", reason=repr(error))
                removed = 0
            if removed < self._limit:
                try:
                    async with asyncio.timeout(self._every_s):
                        await stop.wait()
                except TimeoutError:
                    continue

    async def sweep(self, now: datetime) -> int:
        """Remove one group per tenant and return how many entities went."""
        async with self._pool.lend(None) as conn:
            schemas = await admission.schemas(conn)
            await ledger.purge(conn, now - self._keep, 10 * self._limit)
            await ledger.purge_beats(conn, now - _KEEP_BEATS, 10 * self._limit)
            await registrations.purge(conn, now - self._keep)
        return sum([await self._tenant(tenant, schema, now) for tenant, schema in schemas.items()])

    async def _tenant(self, tenant: str, schema: str, now: datetime) -> int:
        async with self._pool.tx(schema) as conn:
            if not await conn.fetchval(_SQL["lock"], tenant):
                return 0
            rows = await conn.fetch(_SQL["due"], now, self._limit)
            partly = await conn.fetch(_SQL["due_attributes"], now, self._limit)
            if partly:
                await write.apply(conn, tenant, [Change("sweep", row["id"], cause="expiry") for row in partly], now)
                _EXPIRED_ATTRIBUTES.inc(len(partly))
            sources = await registrations.due(conn, now, self._limit)
            for one in sources:
                await registrations.delete(conn, tenant, one, now)
            _EXPIRED_SOURCES.inc(len(sources))
            if not rows:
                return max(len(partly), len(sources))
            # The write engine drops what has expired without an event, so it is told the last instant of the first.
            instant = min(row["expires_at"] for row in rows) - timedelta(microseconds=1)
            await write.apply(conn, tenant, [Change("delete", row["id"], cause="expiry") for row in rows], instant)
        _EXPIRED.inc(len(rows))
        return max(len(rows), len(partly), len(sources))
