"""A fresh migrated database on the test engines, for a benchmark that runs outside pytest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import asyncpg

from docker import migrate
from docker.local import credentials
from docker.local.stack import profile
from tests.fixtures.engines import Engines, _in_use
from tests.fixtures.postgres import Database

__all__ = ["fresh"]

_ROLES = ("owner", "broker", "policies", "catalog")


@contextmanager
def fresh() -> Iterator[Database]:
    """Start the test engines where they do not run, and make a database of its own on them; dropped at the end."""
    with _in_use() as started:
        instance = profile("test")
        ports = instance.ports
        found = Engines(
            postgres_port=ports["postgres"],
            kafka=f"127.0.0.1:{ports['kafka']}",
            opa=f"http://127.0.0.1:{ports['opa']}",
            mqtt=("127.0.0.1", ports["mqtt"]),
            passwords=credentials.load(instance.folder),
            fresh=started,
        )
        name = f"bench_{uuid4().hex[:16]}"
        asyncio.run(_make(found, name))
        try:
            yield Database(name, found)
        finally:
            asyncio.run(_admin(found, f"DROP DATABASE {name} WITH (FORCE)"))


async def _make(engines: Engines, name: str) -> None:
    await _admin(engines, f"CREATE DATABASE {name} TEMPLATE template0")
    passwords = {role: engines.passwords[f"POSTGRES_{role.upper()}"] for role in _ROLES}
    await migrate.apply_roles(engines.dsn("admin", name), passwords)
    await migrate.migrate(engines.dsn("owner", name))


async def _admin(engines: Engines, statement: str) -> None:
    conn = await asyncpg.connect(engines.dsn("admin", "postgres"), timeout=30)
    try:
        await conn.execute(statement)
    finally:
        await conn.close(timeout=10)
