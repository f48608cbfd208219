"""The indexer says what it waits for, goes on after a failure, and ends when told (`broker.workers.indexer`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from broker.store.indexes import Limits
from broker.workers.indexer import Indexer
from tests.fixtures.broker import free_port
from tests.fixtures.postgres import Database


async def test_it_is_ready_once_it_has_looked_at_the_database(pg: Database) -> None:
    indexer = Indexer(pg.dsn("owner"), Limits(), every_s=0.05)
    assert await indexer.waiting() == ["the first look at the database"]
    async with rounds(indexer):
        async with asyncio.timeout(20):
            while await indexer.waiting():  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_database_that_is_away_is_told_and_tried_again() -> None:
    indexer = Indexer(f"postgresql://nobody@127.0.0.1:{free_port()}/none", Limits(), every_s=0.05)
    async with rounds(indexer) as task:
        async with asyncio.timeout(20):
            while await indexer.waiting() == ["the first look at the database"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await indexer.waiting() == ["database: ConnectionRefusedError"]
        await asyncio.sleep(0.3)
        assert not task.done()


@contextlib.asynccontextmanager
async def rounds(indexer: Indexer) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(indexer.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
