"""Connections of the catalog to PostgreSQL, and the lock that lets one assessor work at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import orjson

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Conn: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Conn = asyncpg.Connection
    Pool = asyncpg.Pool

__all__ = ["Conn", "Pool", "StoreUnavailable", "assessor_lock", "lent", "open_pool", "ping", "translated"]

_ASSESSOR = 0x646174706F6C6973  # any fixed number; the same for every assessor of a database


class StoreUnavailable(Exception):
    """The database does not answer; the text says what to look at."""


async def ping(pool: Pool, timeout_s: float = 2.0) -> None:
    """Prove that the catalog's tables can be read. Raises StoreUnavailable."""
    with translated():
        async with pool.acquire(timeout=timeout_s) as conn:
            await conn.fetchval("SELECT count(*) FROM catalog.harvests")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into StoreUnavailable."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"{type(error).__name__}; is PostgreSQL up and migrated?") from error


async def _codecs(conn: Conn) -> None:
    await conn.set_type_codec(
        "jsonb", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads, schema="pg_catalog"
    )


async def open_pool(dsn: str, size: int = 4, timeout_s: float = 10.0) -> Pool:
    """Open a pool that reads jsonb as Python values."""
    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=size, init=_codecs, timeout=timeout_s, command_timeout=timeout_s
    )


@asynccontextmanager
async def lent(pool: Pool) -> AsyncIterator[Conn]:
    """A connection for one answer. Raises StoreUnavailable where the database fails, now or meanwhile."""
    with translated():
        async with pool.acquire() as conn:
            yield conn


@asynccontextmanager
async def assessor_lock(conn: Conn) -> AsyncIterator[bool]:
    """Whether this connection may assess now; another assessor holds the lock otherwise."""
    held = bool(await conn.fetchval("SELECT pg_try_advisory_lock($1)", _ASSESSOR))
    try:
        yield held
    finally:
        if held and not conn.is_closed():
            await conn.execute("SELECT pg_advisory_unlock($1)", _ASSESSOR)
