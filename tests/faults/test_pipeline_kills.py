"""A million records through Kafka, mappers and ingest workers, all of them killed at random: nothing lost or doubled.

The disturbed run has a tenth of the records twice and all of them out of order, two mappers and two ingest workers of
which one each joins late (a rebalance), and SIGKILLs of mappers, workers and Kafka itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiokafka.errors import KafkaError

from connectors.declare import apply_topics
from connectors.feed import load
from connectors.remap import group_counters
from connectors.settings import ConnectorSettings
from docker.local.console import Trouble
from tests.faults import pipeline
from tests.faults.private_kafka import PrivateKafka, private_kafka
from tests.faults.processes import Worker, consumed, workers
from tests.faults.runs import environment
from tests.faults.streams import permit
from tests.fixtures.engines import missing
from tests.fixtures.postgres import Database

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
RECORDS = int(os.environ.get("DATAPOLIS_PROVE_RECORDS", "1000000"))
KILLS = 20
_TELL_S = 15.0

pytestmark = pytest.mark.skipif(not PROVE, reason="a long proof: make prove")


class Run:
    """One pipeline: its database, its topics, its processes."""

    def __init__(self, name: str, database: Database, kafka: PrivateKafka, folder: Path) -> None:
        self.prefix, self.database, self.kafka = f"{name}-", database, kafka
        self.topic = f"{self.prefix}entities.mobility"
        self._seen = -1
        self.city = folder / name / "city"
        pipeline.write_feed(self.city)
        state = folder / name / "state"
        self.settings = ConnectorSettings.model_validate(
            {"city": self.city, "state": state, "kafka": kafka.bootstrap, "topic_prefix": self.prefix}
        )
        variables = {
            **environment(database, kafka.bootstrap, self.prefix),
            "DATAPOLIS_CITY": str(self.city), "DATAPOLIS_STATE": str(state), "DATAPOLIS_INGEST_BATCH": "2000",
            "DATAPOLIS_QUALITY_INTERVAL": "60",
        }  # fmt: skip
        self.mappers = [self._worker(f"mapper-{n}", ("connectors", "run"), variables, folder / name) for n in (1, 2)]
        self.workers = [self._worker(f"ingest-{n}", ("broker", "work"), variables, folder / name) for n in (1, 2)]

    @staticmethod
    def _worker(name: str, program: tuple[str, ...], variables: dict[str, str], folder: Path) -> Worker:
        roles = ["ingest"] if program[0] == "broker" else []
        return Worker(name, roles, variables, folder / f"{name}.log", program=program)

    async def prepare(self) -> None:
        """Make topics and agreement."""
        feed = load(self.city / "feeds" / f"{pipeline.FEED}.yaml")
        await apply_topics([feed], ["mobility"], self.settings, pipeline.PARTITIONS, 1)
        await permit(self.database.dsn("policies"), types=[pipeline.TYPE], feed=pipeline.FEED)

    async def mapped(self) -> int:
        """Count the records that mappers have committed; what Kafka cannot say now counts as nothing."""
        try:
            counters = await asyncio.wait_for(group_counters(pipeline.FEED, self.settings), 30)
        except (KafkaError, OSError, TimeoutError):
            return 0
        return sum(one.received for one in counters.values())

    async def settled(self, conn: asyncpg.Connection[asyncpg.Record]) -> bool:
        """Say whether all records are mapped and all envelopes applied; Kafka is asked once nothing moves any more."""
        applied = await self.applied(conn)
        if applied != self._seen:
            self._seen = applied
            return False
        try:
            records = await pipeline.ends(self.kafka.bootstrap, f"{self.prefix}feeds.{pipeline.FEED}.records")
            if await self.mapped() != records:
                return False
            envelopes = await pipeline.ends(self.kafka.bootstrap, self.topic)
        except (KafkaError, OSError):
            return False
        return await self.applied(conn) == envelopes

    async def applied(self, conn: asyncpg.Connection[asyncpg.Record]) -> int:
        """Count the envelopes whose effect is committed; those of the feed's own status do not count."""
        return await consumed(conn, "ingest", self.topic)


@asynccontextmanager
async def _told(name: str, run: Run, conn: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """Say every now and then how far a run is; a connection serves one at a time, so this one is the teller's own."""

    async def tell() -> None:
        began, before = time.monotonic(), 0
        while True:
            await asyncio.sleep(_TELL_S)
            applied = await run.applied(conn)
            spent = time.monotonic() - began
            rates = f"{(applied - before) / _TELL_S:.0f} per s now, {applied / spent:.0f} per s so far"
            print(f"{time.strftime('%H:%M:%S')} {name}: {applied} of {RECORDS} and more, {rates}", flush=True)  # noqa: T201
            before = applied

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110 - Kafka and the database tell nobody
                await asyncio.sleep(0.5)
    except TimeoutError as error:
        raise AssertionError(f"no {what} within {within_s:g} s") from error


async def _calm(run: Run) -> None:
    await run.prepare()
    conn, telling = [await asyncpg.connect(run.database.dsn("admin")) for _ in range(2)]
    try:
        async with workers(run.mappers[0], run.workers[0]), _told("calm", run, telling):
            run.mappers[0].start()
            run.workers[0].start()
            await pipeline.produce(run.kafka.bootstrap, run.prefix, pipeline.in_order(RECORDS))
            await _until(lambda: run.settled(conn), "end of the calm run", 120 + RECORDS / 150)
    finally:
        await conn.close()
        await telling.close()


async def _wild(run: Run) -> list[str]:
    """Run with kills; return what was killed."""
    await run.prepare()
    chance = random.Random(11)  # noqa: S311 - a reproducible run
    killed: list[str] = []
    victims: list[Worker | PrivateKafka] = [run.mappers[0], run.workers[0]]
    conn, telling = [await asyncpg.connect(run.database.dsn("admin")) for _ in range(2)]
    try:
        async with workers(*run.mappers, *run.workers), _told("wild", run, telling):
            for one in victims:
                one.start()
            victims += [run.mappers[1], run.workers[1], run.kafka]
            source = asyncio.create_task(pipeline.produce(run.kafka.bootstrap, run.prefix, pipeline.disturbed(RECORDS)))
            try:
                for kill in range(KILLS):
                    goal = RECORDS * (kill + 1) // (KILLS + 2) + chance.randrange(max(1, RECORDS // 100))

                    async def moved(goal: int = goal) -> bool:
                        return await run.applied(conn) >= goal

                    await _until(moved, f"envelope {goal}, after {killed}", 300 + RECORDS / 150)
                    if kill == KILLS // 3:
                        run.mappers[1].start()
                        run.workers[1].start()
                    ready = victims if kill >= KILLS // 3 else [*victims[:2], victims[-1]]
                    victim = run.kafka if kill % 5 == 4 else chance.choice(ready)
                    victim.kill()
                    await asyncio.sleep(chance.random())
                    victim.start()
                    killed.append("kafka" if isinstance(victim, PrivateKafka) else victim.name)
                    print(f"{time.strftime('%H:%M:%S')} kill {kill + 1}: {killed[-1]} at {goal}", flush=True)  # noqa: T201
                await source
            finally:
                source.cancel()
            await _until(lambda: run.settled(conn), "end of the wild run", 300 + RECORDS / 150)
    finally:
        await conn.close()
        await telling.close()
    return killed


@pytest.mark.timeout(6 * 3600)
async def test_twenty_kills_lose_and_double_nothing(pg: Database, pg_module: Database, tmp_path: Path) -> None:
    try:
        context = private_kafka(tmp_path / "kafka.log")
        kafka = context.__enter__()
    except Trouble as trouble:
        missing(trouble)
    try:
        kafka.start()
        await kafka.ready()
        began = time.monotonic()
        calm_run = Run("calm", pg_module, kafka, tmp_path)
        await _calm(calm_run)
        calm = await pipeline.digest(pg_module.dsn("admin"))
        half = time.monotonic()
        wild_run = Run("wild", pg, kafka, tmp_path)
        killed = await _wild(wild_run)
        wild = await pipeline.digest(pg.dsn("admin"))
        records = await pipeline.ends(kafka.bootstrap, f"wild-feeds.{pipeline.FEED}.records")
        envelopes = await pipeline.ends(kafka.bootstrap, "wild-entities.mobility")
    finally:
        context.__exit__(None, None, None)
    print(  # noqa: T201
        f"{RECORDS} records: calm {half - began:.0f} s, wild {time.monotonic() - half:.0f} s; wild had {records} "
        f"records and {envelopes} envelopes in Kafka, {len(killed)} kills ({', '.join(killed)}); "
        f"history {wild.rows} rows of {wild.entities} entities"
    )
    assert len(killed) == KILLS
    assert killed.count("kafka") >= 4
    assert records > RECORDS * 1.05
    assert (calm.entities, len(calm.state)) == (min(RECORDS, 5_000), min(RECORDS, 5_000))
    assert calm.rows == sum(2 + ("heading" in record) for _, record in pipeline.in_order(RECORDS))
    assert (wild.rows, wild.entities) == (calm.rows, calm.entities)
    assert wild.state == calm.state
    assert wild.sums == calm.sums
