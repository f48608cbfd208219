"""Recorded files the whole way: feeds in YAML, Kafka, the ingest worker's process, PostgreSQL; and what ought to come.

`Portion` is a city folder with the feeds that run in it. `expected` takes a feed's payloads through decoding, mapping
and checks without Kafka or database, and folds what comes out into what a broker must hold at the end.
"""

from __future__ import annotations

import asyncio
import glob
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.core import topics
from connectors.declare import apply_topics
from connectors.decoders import decoder
from connectors.errors import Rejection
from connectors.feed import Feed, FileSource
from connectors.fetch import prepare
from connectors.mapping import Mapper
from connectors.names import load_names
from connectors.publish import Publisher
from connectors.receive.endpoint import push_app
from connectors.run import Supervisor
from connectors.settings import ConnectorSettings
from tests.faults.processes import Worker, consumed, until, workers
from tests.fixtures.postgres import Database

__all__ = ["Expected", "Portion", "dead_letters", "expected", "files", "ingested", "permit"]

_PLATFORM = ["https://datapolis.example/ns#Feed", "http://www.w3.org/ns/dqv#QualityMeasurement"]
Payloads = Iterable[tuple[str, bytes]]
Key = tuple[str, str, datetime]
"""Entity, attribute, observedAt."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A city folder, and feeds that are declared in its terms."""

    settings: ConnectorSettings
    feeds: tuple[Feed, ...]


@dataclass(slots=True)
class Expected:
    """What a feed's payloads come to."""

    records: int = 0
    mapped: int = 0
    rejected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    types: dict[str, list[str]] = field(default_factory=dict)
    instances: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    first: str | None = None

    def latest(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Give by entity and attribute the instances of the latest time; several where records repeat a time."""
        found: dict[str, dict[str, tuple[datetime, list[dict[str, Any]]]]] = {}
        for (entity, attr, at), instances in self.instances.items():
            attrs = found.setdefault(entity, {})
            if attr not in attrs or attrs[attr][0] < at:
                attrs[attr] = (at, instances)
        return {entity: {attr: one[1] for attr, one in attrs.items()} for entity, attrs in found.items()}


def files(feed: Feed) -> list[Path]:
    """List the files of a feed's folder."""
    assert isinstance(feed.source, FileSource)
    return [Path(one) for one in sorted(glob.glob(feed.source.path))]


def expected(feed: Feed, settings: ConnectorSettings, payloads: Payloads | None = None) -> Expected:
    """Say what becomes of a feed's payloads; without them, of its files."""
    mapper, step = Mapper(feed, load_names(settings.city / "context.jsonld")), prepare(feed, settings)
    decode, found, now = decoder(feed.decoder, {}), Expected(), datetime.now(UTC)
    for name, raw in payloads if payloads is not None else _read(feed):
        for decoded in decode(BytesIO(raw), name):
            found.records += 1
            kept = step(decoded, name)
            for one in [kept] if isinstance(kept, Rejection) else mapper.map(kept[1], now):
                if isinstance(one, Rejection):
                    found.rejected[one.stage, one.rule, one.field] += 1
                else:
                    found.mapped += 1
                    _note(found, one)
    return found


def _read(feed: Feed) -> Iterator[tuple[str, bytes]]:
    for path in files(feed):
        yield path.name, path.read_bytes()


def _note(found: Expected, entity: dict[str, Any]) -> None:
    found.first = found.first or entity["id"]
    found.types[entity["id"]] = entity["type"]
    for attr, instance in entity.items():
        if attr not in {"id", "type"}:
            at = datetime.fromisoformat(instance["observedAt"])
            instances = found.instances.setdefault((entity["id"], attr, at), [])
            if instance not in instances:
                instances.append(instance)


async def permit(dsn: str, portions: Sequence[Portion]) -> None:
    """Put in force, for each feed, the agreement by which it may publish its types (`dsn`: datapolis_policies)."""
    conn = await asyncpg.connect(dsn)
    try:
        for portion in portions:
            names = load_names(portion.settings.city / "context.jsonld")
            for feed in portion.feeds:
                types = sorted({names.iri(one.type, feed.feed) for one in feed.mapping})
                await _agree(conn, feed.feed, feed.tenant, feed.domain, types)
        await _agree(conn, "platform", "platform", "platform", _PLATFORM)
    finally:
        await conn.close()


async def _agree(
    conn: asyncpg.Connection[asyncpg.Record], feed: str, tenant: str, domain: str, types: list[str]
) -> None:
    await conn.execute(
        "INSERT INTO policies.domains (tenant, name, types, body, digest) VALUES ($1, $2, $3, '{}', '') "
        "ON CONFLICT DO NOTHING",
        tenant, domain, types,
    )  # fmt: skip
    permission = {"action": ["publish"], "target": {"feeds": [feed], "types": types}, "constraint": [], "duty": []}
    await conn.execute(
        "INSERT INTO policies.agreements (uid, version, status, tenant, domain, assigner, assignee, valid_from, "
        "valid_until, body, source, digest) VALUES ($1, 1, 'active', $2, $3, 'urn:party:city', 'urn:party:connectors', "
        "now() - interval '1 day', now() + interval '1 day', $4, '{}', '')",
        f"urn:test:{feed}", tenant, domain, orjson.dumps({"permission": [permission], "prohibition": []}).decode(),
    )  # fmt: skip


@asynccontextmanager
async def ingested(
    portions: Sequence[Portion],
    database: Database,
    folder: Path,
    within_s: float,
    roles: Sequence[str] = ("ingest",),
    **variables: str,
) -> AsyncIterator[Ingest]:
    """Run every feed, and a background worker as a process of its own, until the block ends."""
    settings = portions[0].settings
    feeds = [feed for portion in portions for feed in portion.feeds]
    await apply_topics(feeds, [], settings, partitions=1, replication=1)
    await permit(database.dsn("policies"), portions)
    given = {
        **database.environment(),
        "DATAPOLIS_KAFKA": settings.kafka,
        "DATAPOLIS_TOPIC_PREFIX": settings.topic_prefix,
        **variables,
    }
    worker = Worker("whole", list(roles), given, folder / "ingest.log", program=("broker", "work"))
    stop = asyncio.Event()
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(workers(worker))
        worker.start()
        supervisors = []
        for portion in portions:
            publisher = await exits.enter_async_context(Publisher(portion.settings))
            names = load_names(portion.settings.city / "context.jsonld")
            supervisors.append(Supervisor(list(portion.feeds), portion.settings, names, publisher))
        url = await exits.enter_async_context(_pushed(feeds, supervisors[0]))
        tasks = [asyncio.create_task(one.run(stop)) for one in supervisors]
        try:
            yield Ingest(supervisors, settings, database, worker, feeds, within_s, url)
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), 30)
        assert worker.stop() == 0


@asynccontextmanager
async def _pushed(feeds: Sequence[Feed], supervisor: Supervisor) -> AsyncIterator[str]:
    """Serve the endpoint of the pushed feeds of a process; gives the URL before a feed's name."""
    runner = web.AppRunner(push_app({feed.feed: feed for feed in feeds}, supervisor.inbox), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/push/"
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Ingest:
    """An ingest under way."""

    supervisors: list[Supervisor]
    settings: ConnectorSettings
    database: Database
    worker: Worker
    feeds: list[Feed]
    within_s: float
    push: str
    """What is before a feed's name in the address that it is sent to."""

    async def opened(self, *names: str) -> None:
        """Wait until pushed feeds receive."""

        async def all_open() -> bool:
            return all(self.supervisors[0].inbox.door(name) is not None for name in names)

        await until(all_open, within_s=self.within_s, what="open doors", worker=self.worker)

    async def counted(self, wanted: dict[str, int]) -> dict[str, tuple[int, int, int]]:
        """Wait until each feed has received its records, and return received, mapped and rejected by feed."""
        runners = {name: runner for one in self.supervisors for name, runner in one.runners.items()}
        found: dict[str, tuple[int, int, int]] = {}

        async def all_received() -> bool:
            for name in [one for one in wanted if one not in found]:
                counters = await runners[name].count()
                if counters.received >= wanted[name]:
                    found[name] = (counters.received, counters.mapped, counters.rejected)
            return len(found) == len(wanted)

        try:
            await until(all_received, within_s=self.within_s, what="end of the feeds", worker=self.worker)
        except AssertionError as error:
            missing = {one: (runners[one].counters, runners[one].troubles) for one in wanted if one not in found}
            raise AssertionError(f"not received in full: {missing}") from error
        return found

    async def stored(self) -> None:
        """Wait until the ingest worker has taken all envelopes."""
        domains = sorted({feed.domain for feed in self.feeds})
        names = [topics.prefixed(topics.entities(one), self.settings.topic_prefix) for one in domains]
        conn = await asyncpg.connect(self.database.dsn("admin"))
        try:
            for name in names:
                end = await _end(self.settings.kafka, name)

                async def taken(name: str = name, end: int = end) -> bool:
                    return await consumed(conn, "ingest", name) >= end

                await until(taken, within_s=self.within_s, what=f"end of {name}", worker=self.worker)
        finally:
            await conn.close()


async def _end(bootstrap: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets([TopicPartition(topic, 0)])
    finally:
        await consumer.stop()
    return sum(found.values())


async def dead_letters(settings: ConnectorSettings, feeds: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Read all dead letters of some feeds, in their order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        places = {TopicPartition(topics.prefixed(topics.dead(one), settings.topic_prefix), 0): one for one in feeds}
        consumer.assign(list(places))
        ends = await consumer.end_offsets(list(places))
        for place, begin in (await consumer.beginning_offsets(list(places))).items():
            consumer.seek(place, begin)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in places.values()}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, messages in (await consumer.getmany(timeout_ms=200)).items():
                found[places[place]] += [json.loads(one.value) for one in messages]
    finally:
        await consumer.stop()
    return found
