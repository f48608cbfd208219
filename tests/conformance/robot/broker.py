"""A broker of its own for each row of the table: a fresh database, the HTTP server, sweeper, relay and notifiers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import asyncpg

from docker.local.stack import ROOT
from tests.faults.streams import declare
from tests.fixtures.broker import broker_process, free_port
from tests.fixtures.postgres import Database
from tests.fixtures.topics import remove_topics

__all__ = ["API", "emptied", "fresh_broker"]

API = "/ngsi-ld/v1"
# The least page of the temporal API at which the suite's cases of paging by time page.
_SETTINGS = {
    "DATAPOLIS_LOG_LEVEL": "error",
    "DATAPOLIS_EXPIRE_EVERY_S": "0.5",
    "DATAPOLIS_BATCH_MAX": "1000",
    # 046_12 and 047_06 count the tries of a failing receiver over five seconds: they want one.
    "DATAPOLIS_NOTIFY_FIRST_S": "30",
}


def emptied(database: Database) -> None:
    """Empty every tenant's store: cases leave things behind that those of the next folder would count."""
    asyncio.run(_empty(database))


async def _empty(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("admin"), timeout=10)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname ~ '^t_[0-9a-f]{16}$'"
        )
        if tables:
            await connection.execute(f"TRUNCATE {', '.join(table['name'] for table in tables)} CASCADE")
    finally:
        await connection.close(timeout=10)


@contextmanager
def fresh_broker(database: Database, environment: Mapping[str, str]) -> Iterator[str]:
    """Run it; give the base of its API."""
    given = {"DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8,::1/128", **_SETTINGS, **environment}
    with broker_process(database, given) as running:
        prefix = f"{database.name.replace('_', '-')}-"
        asyncio.run(declare(database.engines.kafka, prefix, partitions=1))
        of_workers = {
            "DATAPOLIS_KAFKA": database.engines.kafka,
            "DATAPOLIS_TOPIC_PREFIX": prefix,
            "DATAPOLIS_ADMIN_PORT": str(free_port()),
        }
        background = subprocess.Popen(
            [sys.executable, "-m", "broker", "work", "expire", "relay", "notify"],
            cwd=ROOT,
            env={**os.environ, **database.environment(), **given, **of_workers},
        )
        try:
            yield running.url + API
        finally:
            background.terminate()
            background.wait(20)
            asyncio.run(remove_topics(database.engines.kafka, prefix))
