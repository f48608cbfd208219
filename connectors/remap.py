"""From the feed's record topic to entity envelopes: the mapper's consumer loop, and the replay of a whole topic.

The counters of a partition are committed together with its offset (as the offset's metadata), so they are exact under
kills and rebalances, and any process can read the whole group's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IllegalStateError,
    NotCoordinatorForGroupError,
)

from broker.core import topics
from broker.core.envelope import MAX_BYTES, Envelope, event_id, serialise
from broker.core.ids import TenantId
from connectors.dead import dead_letter
from connectors.errors import FeedError, Rejected, Rejection
from connectors.expression import guarded
from connectors.feed import Feed
from connectors.functions import epoch_ms, utc
from connectors.mapping import Mapper
from connectors.names import Names
from connectors.publish import Outgoing, Publisher
from connectors.quality import Counters, Recent
from connectors.settings import ConnectorSettings

__all__ = ["MapWorker", "RecordMapper", "group_counters", "partitions_of", "replay"]

_MOST = 2_000
_FINISH_S = 3.0
_COORDINATOR_S = 10.0
_LACKING = frozenset({"required", "any-of"})
log = structlog.get_logger()


class Message(Protocol):
    """What is read of a Kafka record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class RecordMapper:
    """Maps Kafka records of a feed to what is to be produced, counting. Pure but for the memory of repeats."""

    def __init__(self, feed: Feed, names: Names) -> None:
        self.feed = feed
        self.mapper = Mapper(feed, names)
        self._subject = guarded(feed.subject, f"{feed.feed}: subject", feed.tables) if feed.subject else None
        self._recent = Recent()

    def map(self, message: Message, counters: Counters, now: datetime) -> list[Outgoing]:
        """Return the envelopes and dead letters that this record makes, `now` being the same for a batch."""
        feed = self.feed
        raw = message.value or b""
        received = epoch_ms(message.timestamp) or utc(now)
        counters.received += 1
        counters.last_record_at = max(counters.last_record_at, received)
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return [self._dead(Rejection("map", "json", "", "the record is no JSON"), message, counters)]
        try:
            subjects = self._subjects(record)
        except Rejected as error:
            return [self._dead(error.rejection, message, counters)]
        outgoing: list[Outgoing] = []
        for n, outcome in enumerate(self.mapper.map(record, now)):
            if isinstance(outcome, Rejection):
                outgoing.append(self._dead(outcome, message, counters))
                continue
            event = event_id(feed.feed, message.partition, message.offset, n)
            value = serialise(
                Envelope(event, feed.feed, self.mapper.hash, TenantId(feed.tenant), feed.domain, "merge", received,
                         outcome, subjects)
            )  # fmt: skip
            if len(value) > MAX_BYTES:
                large = Rejection("check", "size", "", f"the entity is larger than {MAX_BYTES} bytes; map less of it")
                outgoing.append(self._dead(large, message, counters))
                continue
            self._count(outcome, record, received, counters, (message.partition, message.offset))
            outgoing.append(Outgoing(topics.entities(feed.domain), topics.key(feed.tenant, outcome["id"]), value))
        return outgoing

    def _subjects(self, record: Any) -> tuple[str, ...]:
        found = self._subject(record) if self._subject else None
        return (str(found),) if found else ()

    def _reference(self, record: Any) -> str | None:
        """Give the time to measure age against, or None where the record has none."""
        try:
            found = self.mapper.reference(record) if self.mapper.reference else None
        except Rejected:
            return None
        return found if isinstance(found, str) else None

    def _dead(self, rejection: Rejection, message: Message, counters: Counters) -> Outgoing:
        counters.rejected += 1
        if rejection.rule in _LACKING:
            counters.expected += len(self.mapper.expected)
        name = self.feed.feed
        source = next((value.decode() for key, value in message.headers if key == "position"), "")
        position = f"{topics.records(name)}/{message.partition}/{message.offset} {source}".rstrip()
        letter = dead_letter(name, rejection, position, message.value or b"", datetime.now(UTC))
        return Outgoing(topics.dead(name), message.key or b"", letter)

    def _count(
        self, entity: dict[str, Any], record: Any, received: str, counters: Counters, place: tuple[int, int]
    ) -> None:
        counters.mapped += 1
        expected = self.mapper.expected
        counters.expected += len(expected)
        counters.present += sum(iri in entity for iri in expected)
        observed = max({item["observedAt"] for item in entity.values() if isinstance(item, dict)})
        counters.last_observed_at = max(counters.last_observed_at, observed)
        counters.repeated += self._recent.repeated(entity["id"], observed, frozenset(entity), place)
        most = self.feed.quality.max_age
        if most is not None:
            reference = self._reference(record) if self.mapper.reference else received
            if reference:
                age = datetime.fromisoformat(reference) - datetime.fromisoformat(observed)
                counters.timed += 1
                counters.timely += age.total_seconds() <= most


class _Ownership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Tracks which partitions are ours; the owner of partition 0 also fetches the source."""

    def __init__(self, worker: MapWorker) -> None:
        self._worker = worker

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Stop fetching until we know what is ours."""
        self._worker.lose()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note our partitions; their counters are read by the loop, where a failure is seen and tried again."""
        self._worker.pending = [item.partition for item in assigned]


class MapWorker:
    """The mapper of one feed in this process: a member of the feed's consumer group."""

    def __init__(self, records: RecordMapper, settings: ConnectorSettings, publisher: Publisher) -> None:
        self._records = records
        self._settings = settings
        self._publisher = publisher
        self.counters: dict[int, Counters] = {}
        self.leads = asyncio.Event()
        self.follows = asyncio.Event()
        self.pending: list[int] | None = None

    async def run(self, on_batch: Callable[[], None]) -> None:
        """Consume for ever: map, produce, wait for the acknowledgement, then commit."""
        feed = self._records.feed.feed
        consumer: AIOKafkaConsumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            **self._settings.kafka_login,
            group_id=_group(feed, self._settings),
            client_id=f"datapolis-map-{feed}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._settings.session_ms,
            heartbeat_interval_ms=max(200, self._settings.session_ms // 5),
            max_poll_records=_MOST,
        )
        topic = topics.prefixed(topics.records(feed), self._settings.topic_prefix)
        consumer.subscribe([topic], listener=_Ownership(self))
        try:
            await consumer.start()
            while True:
                batch = await consumer.getmany(timeout_ms=500, max_records=_MOST)
                while self.pending is not None:
                    batch = {}
                    await self._take_up(consumer, self.pending)
                if batch:
                    await self._take(consumer, batch)
                on_batch()
        finally:
            self.lose()
            await consumer.stop()

    def lose(self) -> None:
        """Fetch no more: partition 0 may be another's now."""
        self.leads.clear()
        self.follows.set()

    async def _take_up(self, consumer: AIOKafkaConsumer, partitions: list[int]) -> None:
        """Start at the committed offsets with the counters that were committed with them; raises Kafka's errors.

        What was read before is dropped: it may stem from before the rebalance and would be counted twice.
        """
        kept = await group_counters(self._records.feed.feed, self._settings)
        places = [place for place in consumer.assignment() if place.partition in partitions]
        begins = await consumer.beginning_offsets(places) if places else {}
        for place in places:
            committed = await consumer.committed(place)
            if partitions is not self.pending:
                return
            consumer.seek(place, begins[place] if committed is None else committed)
        if partitions is not self.pending:
            return
        self.pending = None
        self.counters = {partition: kept.get(partition, Counters()) for partition in partitions}
        if 0 in partitions:
            self.follows.clear()
            self.leads.set()

    async def _take(
        self,
        consumer: AIOKafkaConsumer,
        batch: dict[TopicPartition, list[Message]],
    ) -> None:
        outgoing: list[Outgoing] = []
        offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        now = datetime.now(UTC)
        for partition, messages in batch.items():
            before = self.counters.get(partition.partition, Counters())
            counters = Counters.of(before.state())
            for message in messages:
                outgoing += self._records.map(message, counters, now)
            self.counters[partition.partition] = counters
            text = orjson.dumps(counters.state()).decode()
            offsets[partition] = OffsetAndMetadata(messages[-1].offset + 1, text)
        await self._publisher.send_all(outgoing)
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            log.warning("partitions went to another member; it maps these records again", feed=self._records.feed.feed)


def _group(feed: str, settings: ConnectorSettings) -> str:
    return topics.prefixed(f"connectors.{feed}", settings.topic_prefix)


async def group_counters(feed: str, settings: ConnectorSettings) -> dict[int, Counters]:
    """Read the counters of every partition of a feed, whoever owns it.

    Cancelled, it reads to the end first: a client that is cancelled while it connects leaves its connection open.
    """
    reading = asyncio.create_task(_group_counters(feed, settings))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        if not (await asyncio.wait({reading}, timeout=_FINISH_S))[0]:
            reading.cancel()
        elif not reading.cancelled() and reading.exception() is not None:
            log.debug("counters not read", feed=feed)
        raise


async def _group_counters(feed: str, settings: ConnectorSettings) -> dict[int, Counters]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka, client_id="datapolis-counters", **settings.kafka_login
    )
    try:
        await admin.start()
        committed = await _committed(admin, _group(feed, settings))
    finally:
        await admin.close()
    found: dict[int, Counters] = {}
    for partition, offset in committed.items():
        if offset.metadata:
            try:
                found[partition.partition] = Counters.of(orjson.loads(offset.metadata))
            except orjson.JSONDecodeError:
                continue
    return found


async def _committed(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Read a group's offsets; a Kafka that has only begun to keep groups is given some seconds."""
    last = asyncio.get_running_loop().time() + _COORDINATOR_S
    while True:
        try:
            found: Mapping[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(group)
            return found
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            if asyncio.get_running_loop().time() > last:
                raise
            await asyncio.sleep(0.2)


async def replay(
    records: RecordMapper,
    settings: ConnectorSettings,
    publisher: Publisher,
    only: frozenset[tuple[int, int]] | None = None,
) -> Counters:
    """Map the records of the feed's topic again, from its first offset to its present end; same event ids.

    `only` names partitions and offsets; without it, all are mapped.
    """
    topic = topics.prefixed(topics.records(records.feed.feed), settings.topic_prefix)
    consumer: AIOKafkaConsumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, client_id="datapolis-replay", enable_auto_commit=False, **settings.kafka_login
    )
    counters = Counters()
    try:
        await consumer.start()
        partitions = await partitions_of(topic, settings)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition, begin in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(partition, begin)
        while [one for one in partitions if await consumer.position(one) < ends[one]]:
            batch = await consumer.getmany(timeout_ms=500, max_records=_MOST)
            outgoing: list[Outgoing] = []
            now = datetime.now(UTC)
            for partition, messages in batch.items():
                for message in messages:
                    place = (message.partition, message.offset)
                    if message.offset < ends[partition] and (only is None or place in only):
                        outgoing += records.map(message, counters, now)
            await publisher.send_all(outgoing)
    finally:
        await consumer.stop()
    return counters


async def partitions_of(topic: str, settings: ConnectorSettings) -> list[TopicPartition]:
    """List a topic's partitions. FeedError where there is no such topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, client_id="datapolis-replay", **settings.kafka_login)
    try:
        await admin.start()
        described = await admin.describe_topics([topic])
    finally:
        await admin.close()
    if not described or not described[0]["partitions"]:
        raise FeedError(f"topic {topic} does not exist; run `python -m connectors topics apply`")
    return [TopicPartition(topic, item["partition"]) for item in described[0]["partitions"]]
