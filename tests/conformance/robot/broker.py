"""A broker of its own for each row of the table: a fresh database, the HTTP server, the sweeper of what expires, and
where subscriptions are tried also what notifies.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

import asyncpg

from docker.local.stack import ROOT
from tests.faults.streams import declare
from tests.fixtures.broker import broker_process, free_port
from tests.fixtures.postgres import Database

__all__ = ["API", "emptied", "fresh_broker"]

API = "/ngsi-ld/v1"
# The least page of the temporal API at which the suite's cases of paging by time page.
_SETTINGS = {"DATAPOLIS_LOG_LEVEL": "error", "DATAPOLIS_EXPIRE_EVERY_S": "0.5", "DATAPOLIS_BATCH_MAX": "1000"}


def emptied(database: Database) -> None:
    """Empty every tenant's store: cases leave things behind that those of the next folder would count."""
    asyncio.run(_empty(database))


async def _empty(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("admin"), timeout=10)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname ~ '^t_[0-9a-f]{16}$'"
        )
        for table in tables:
            if table["name"].endswith(".subscriptions"):
                # one by one, so that the notifier hears of it
                await connection.execute(f"DELETE FROM {table['name']}")  # noqa: S608 - names from the catalog
        if tables:
            await connection.execute(f"TRUNCATE {', '.join(table['name'] for table in tables)} CASCADE")
    finally:
        await connection.close(timeout=10)


@contextmanager
def fresh_broker(database: Database, environment: Mapping[str, str], *, notifying: bool = False) -> Iterator[str]:
    """Run it; give the base of its API."""
    given = {"DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8,::1/128", **_SETTINGS, **environment}
    roles = ["expire"]
    if notifying:
        prefix = f"c{uuid4().hex[:8]}-"
        asyncio.run(declare(database.engines.kafka, prefix, partitions=1))
        given |= {"DATAPOLIS_KAFKA": database.engines.kafka, "DATAPOLIS_TOPIC_PREFIX": prefix}
        roles += ["relay", "notify"]
    with broker_process(database, given) as running:
        worker = subprocess.Popen(
            [sys.executable, "-m", "broker", "work", *roles],
            cwd=ROOT,
            env={**os.environ, **database.environment(), **given, "DATAPOLIS_ADMIN_PORT": str(free_port())},
        )
        try:
            yield running.url + API
        finally:
            worker.terminate()
            worker.wait(20)
