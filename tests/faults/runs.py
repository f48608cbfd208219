"""The same stream ingested twice: in peace, and under kills, repeats and a rebalance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from broker.core.envelope import Envelope
from tests.faults.processes import Worker, consumed, until, workers
from tests.faults.streams import Contents, contents, declare, disturbed, permit, produce
from tests.fixtures.postgres import Database

__all__ = ["disturbed_run", "undisturbed"]

KILLS = 10


def environment(database: Database, kafka: str, prefix: str) -> dict[str, str]:
    return {
        **database.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": prefix,
        "DATAPOLIS_SESSION_MS": "6000",
        "DATAPOLIS_INGEST_BATCH": "200",
        "DATAPOLIS_INGEST_WAIT_S": "0.05",
    }


async def undisturbed(
    database: Database, kafka: str, prefix: str, envelopes: Sequence[Envelope], folder: Path
) -> Contents:
    """Ingest the envelopes in their order, once each, by one worker that nobody disturbs."""
    await declare(kafka, prefix)
    await permit(database.dsn("policies"))
    total = await produce(kafka, prefix, envelopes)
    worker = Worker("calm", ["ingest"], environment(database, kafka, prefix), folder / "calm.log")
    conn = await asyncpg.connect(database.dsn("admin"))
    try:
        async with workers(worker):
            worker.start()

            async def all_in() -> bool:
                return await consumed(conn, "ingest") == total

            await until(all_in, within_s=60 + total / 500, what="end of the stream", worker=worker)
            assert worker.stop() == 0
    finally:
        await conn.close()
    return await contents(database.dsn("admin"))


async def disturbed_run(
    database: Database,
    kafka: str,
    prefix: str,
    envelopes: Sequence[Envelope],
    folder: Path,
    *flags: str,
) -> Contents:
    """Ingest the disturbed stream by two workers that are killed in turn; the second one joins when half is in."""
    await declare(kafka, prefix)
    await permit(database.dsn("policies"))
    total = await produce(kafka, prefix, disturbed(envelopes))
    one, two = (
        Worker(name, [*flags, "ingest"], environment(database, kafka, prefix), folder / f"{name}.log")
        for name in ("one", "two")
    )
    chance = random.Random(3)  # noqa: S311 - a reproducible run
    conn = await asyncpg.connect(database.dsn("admin"))
    try:
        async with workers(one, two):
            one.start()
            for kill in range(KILLS):
                goal = total * (kill + 1) // (KILLS + 2) + chance.randrange(100)

                async def moved(goal: int = goal) -> bool:
                    return await consumed(conn, "ingest") >= goal

                await until(moved, within_s=60 + total / 500, what=f"record {goal}", worker=one)
                if kill == KILLS // 2:
                    two.start()
                victim = two if kill > KILLS // 2 and kill % 2 else one
                victim.kill()
                victim.start()

            async def all_in() -> bool:
                return await consumed(conn, "ingest") == total

            await until(all_in, within_s=60 + total / 500, what="end of the stream", worker=one)
            one.stop()
            two.stop()
    finally:
        await conn.close()
    return await contents(database.dsn("admin"))
