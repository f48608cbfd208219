"""A last-in-first-out pool of PostgreSQL connections, each belonging to one tenant at a time.

A tenant is a PostgreSQL schema with a role of the same name. A connection that is lent to another tenant than before
is moved once (`SET ROLE`, `SET search_path`), and prefers to be lent to the same tenant again, so that in the steady
state lending costs no round trip. Statements stay prepared on the connection (asyncpg's statement cache); PostgreSQL
plans them anew by itself when the search path changes.

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


class Pool:
    """Connections to one database, at most `size`, opened when needed.

    `lend(None)` gives a connection as the login role, for what belongs to no tenant.
    """

    def __init__(self, dsn: str, *, size: int = 8, command_timeout_s: float = 30.0) -> None:
        self._dsn = dsn
        self._size = size
        self._command_timeout_s = command_timeout_s
        self._idle: list[Conn] = []
        self._schema: dict[Conn, str | None] = {}
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
    async def lend(self, schema: str | None) -> AsyncIterator[Conn]:
        """Lend a connection that acts as the tenant whose schema this is (None: as the login role)."""
        conn = await self.take(schema)
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

    async def take(self, schema: str | None) -> Conn:
        """Take a connection for this tenant; every `take` is paired with one `give`."""
        while True:
            if self._closed:
                raise ConnectionError("the pool is closed")
            conn = self._pick(schema)
            if conn is not None:
                break
            if self._open < self._size:
                conn = await self._connect()
                break
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise
        if self._schema[conn] != schema:
            try:
                await self._move(conn, schema)
            except BaseException:
                await self._drop(conn)
                self._wake()
                raise
        return conn

    async def give(self, conn: Conn) -> None:
        """Give a connection back; one that is closed or inside a transaction is dropped."""
        if self._closed or conn.is_closed() or conn.is_in_transaction():
            await self._drop(conn)
        else:
            self._idle.append(conn)
        self._wake()

    def _pick(self, schema: str | None) -> Conn | None:
        for at in range(len(self._idle) - 1, -1, -1):
            conn = self._idle[at]
            if conn.is_closed():
                del self._idle[at]
                self._forget(conn)
            elif self._schema[conn] == schema:
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
        self._schema[conn] = None
        return conn

    async def _move(self, conn: Conn, schema: str | None) -> None:
        if schema is None:
            await conn.execute("RESET ROLE; SET search_path = broker, public")
        elif _SCHEMA.match(schema):
            await conn.execute(f"SET ROLE {schema}; SET search_path = {schema}, public")
        else:
            raise ValueError(f"not a tenant schema: {schema!r}")
        self._schema[conn] = schema

    async def _drop(self, conn: Conn) -> None:
        self._forget(conn)
        if not conn.is_closed():
            conn.terminate()

    def _forget(self, conn: Conn) -> None:
        if self._schema.pop(conn, "") != "":
            self._open -= 1

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
