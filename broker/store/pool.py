"""A last-in-first-out pool of PostgreSQL connections, each belonging to one tenant at a time.

A tenant is a PostgreSQL schema with a role of the same name. A connection that is lent to another tenant than before
is moved once (`SET ROLE`, `SET search_path`, `SET plan_cache_mode`), and prefers to be lent to the same tenant again,
so that in the steady state lending costs no round trip. Statements stay prepared on the connection (asyncpg's statement
cache); PostgreSQL plans them anew by itself when the search path changes.

A connection comes back clean because the pool lends only through context managers: `tx` ends its transaction, and a
connection that is still inside one when it returns, or that failed, is closed instead of being kept.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Conn: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Conn = asyncpg.Connection

__all__ = ["Conn", "Pool"]

_SCHEMA = re.compile(r"t_[0-9a-f]{16}\Z")
_Way: TypeAlias = tuple[str | None, bool]
"""How a connection is lent: the tenant's schema, and whether statements are planned anew."""


class Pool:
    """Connections to one database, at most `size`, opened when needed.

    `lend(None)` gives a connection as the login role, for what belongs to no tenant. Whoever waits for one longer than
    a statement may take gets a TimeoutError.
    """

    def __init__(self, dsn: str, *, size: int = 8, command_timeout_s: float = 30.0) -> None:
        self._dsn = dsn
        self._size = size
        self._command_timeout_s = command_timeout_s
        self._idle: list[Conn] = []
        self._ways: dict[Conn, _Way] = {}
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def open(self) -> None:
        """Open one connection, to prove the DSN. Raises what asyncpg raises."""
        async with self.lend(None) as conn:
            await conn.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close what is idle, refuse new loans, and wait for nobody: what is lent closes when it returns."""
        self._closed = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionError("the pool is closed"))
        idle, self._idle = self._idle, []
        for conn in idle:
            await self._drop(conn)

    @asynccontextmanager
    async def lend(self, schema: str | None, *, anew: bool = False) -> AsyncIterator[Conn]:
        """Lend a connection that acts as the tenant whose schema this is (None: as the login role).

        `anew`: on it PostgreSQL plans each statement for the values at hand. Otherwise it takes one plan for any values
        once it thinks that no dearer, for which it has to guess how rare what they ask for is.
        """
        conn = await self.take(schema, anew=anew)
        try:
            yield conn
        except BaseException:
            await self.give(conn)
            raise
        await self.give(conn)

    @asynccontextmanager
    async def tx(self, schema: str | None) -> AsyncIterator[Conn]:
        """Lend a connection inside a transaction; committed at the end, rolled back on an exception."""
        async with self.lend(schema) as conn, conn.transaction():
            yield conn

    async def take(self, schema: str | None, *, anew: bool = False) -> Conn:
        """Take a connection for this tenant; every `take` is paired with one `give`."""
        way = schema, anew
        while True:
            if self._closed:
                raise ConnectionError("the pool is closed")
            conn = self._pick(way)
            if conn is not None:
                break
            if self._open < self._size:
                conn = await self._connect()
                break
            await self._wait()
        if self._ways[conn] != way:
            try:
                await self._move(conn, way)
            except BaseException:
                await self._drop(conn)
                self._wake()
                raise
        return conn

    async def _wait(self) -> None:
        """Wait for a connection to come back, as long as a statement may take: who asked has then long gone."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        late = loop.call_later(self._command_timeout_s, _late, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()
            raise
        finally:
            late.cancel()

    async def give(self, conn: Conn) -> None:
        """Give a connection back; one that is closed or inside a transaction is dropped."""
        if self._closed or conn.is_closed() or conn.is_in_transaction():
            await self._drop(conn)
        else:
            self._idle.append(conn)
        self._wake()

    def _pick(self, way: _Way) -> Conn | None:
        for at in range(len(self._idle) - 1, -1, -1):
            conn = self._idle[at]
            if conn.is_closed():
                del self._idle[at]
                self._forget(conn)
            elif self._ways[conn] == way:
                del self._idle[at]
                return conn
        if self._idle and self._open >= self._size:
            return self._idle.pop(0)
        return None

    async def _connect(self) -> Conn:
        self._open += 1
        try:
            conn: Conn = await asyncpg.connect(
                self._dsn,
                command_timeout=self._command_timeout_s,
                timeout=10,
                server_settings={
                    "application_name": "datapolis-broker",
                    "jit": "off",
                    "search_path": "broker, public",
                    "timezone": "UTC",
                },
            )
        except BaseException:
            self._open -= 1
            self._wake()
            raise
        self._ways[conn] = None, False
        return conn

    async def _move(self, conn: Conn, way: _Way) -> None:
        schema, anew = way
        mode = "force_custom_plan" if anew else "auto"
        if schema is None:
            await conn.execute(f"RESET ROLE; SET search_path = broker, public; SET plan_cache_mode = {mode}")
        elif _SCHEMA.match(schema):
            await conn.execute(f"SET ROLE {schema}; SET search_path = {schema}, public; SET plan_cache_mode = {mode}")
        else:
            raise ValueError(f"not a tenant schema: {schema!r}")
        self._ways[conn] = way

    async def _drop(self, conn: Conn) -> None:
        self._forget(conn)
        if not conn.is_closed():
            conn.terminate()

    def _forget(self, conn: Conn) -> None:
        if self._ways.pop(conn, None) is not None:
            self._open -= 1

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def _late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no database connection became free in time"))
