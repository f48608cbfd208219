"""Connections of the trust to PostgreSQL."""

from __future__ import annotations

import json
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

__all__ = ["Conn", "Pool", "connect", "open_pool"]

Conn: TypeAlias = asyncpg.Connection | PoolConnectionProxy
Pool: TypeAlias = asyncpg.Pool


async def _codecs(conn: asyncpg.Connection) -> None:
    await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def connect(dsn: str, timeout_s: float = 5.0) -> asyncpg.Connection:
    """Open one connection that reads jsonb as Python values."""
    conn: asyncpg.Connection = await asyncpg.connect(dsn, timeout=timeout_s, command_timeout=timeout_s)
    await _codecs(conn)
    return conn


async def open_pool(dsn: str, size: int, timeout_s: float = 5.0) -> asyncpg.Pool:
    """Open a pool of at most `size` connections that read jsonb as Python values."""
    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=size, init=_codecs, timeout=timeout_s, command_timeout=timeout_s
    )
