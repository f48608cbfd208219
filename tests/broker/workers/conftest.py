"""Fixtures of the workers' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.store.pool import Pool
from tests.broker.workers.world import World
from tests.faults.streams import declare
from tests.fixtures.postgres import Database
from tests.fixtures.sink import sink

__all__ = ["sink", "world"]


@pytest.fixture
async def world(pg: Database, kafka: str, topic_prefix: str) -> AsyncIterator[World]:
    """A fresh database and topics of this test alone."""
    await declare(kafka, topic_prefix, partitions=2)
    pool = Pool(pg.dsn("broker"), size=6)
    async with pool.lend(None) as conn:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
    yield World(pool, schema, kafka, topic_prefix)
    await pool.close()
