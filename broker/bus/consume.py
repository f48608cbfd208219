"""A Kafka consumer whose positions live in PostgreSQL.

Kafka's group decides which worker reads which partition; it never holds a position. When a partition is assigned, it is
claimed in `broker.ingest_offsets` (which fences whoever held it) and read from there. What a batch says is stored
together with `advance(batch.steps())`, in one transaction: a worker that has lost a partition fails there, keeps
nothing, closes its consumer and joins anew. So every record takes effect exactly once, whatever Kafka believes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from broker.bus.produce import BusUnavailable
from broker.store import offsets
from broker.store.offsets import Advance, Fenced, Position
from broker.store.pool import Pool

__all__ = ["Batch", "Consumer", "Message", "Source"]

_log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """One record as it came. `topic` has the stack's prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in order per partition, and where each partition stood when they were fetched."""

    messages: Mapping[tuple[str, int], Sequence[Message]]
    stood: Mapping[tuple[str, int], Position]

    def steps(self) -> list[Advance]:
        """Say how the positions move when all records of the batch have taken effect."""
        return [
            Advance(topic, partition, self.stood[topic, partition].next, found[-1].offset + 1, at.generation)
            for (topic, partition), found in self.messages.items()
            for at in (self.stood[topic, partition],)
        ]

    def extended(self, later: Batch) -> Batch:
        """Return this batch with the records that came after it; Fenced if a partition changed hands in between."""
        messages = dict(self.messages)
        stood = dict(self.stood)
        for place, found in later.messages.items():
            if place in stood and stood[place] != later.stood[place]:
                raise Fenced(f"{place[0]}/{place[1]} changed hands")
            stood[place] = later.stood[place]
            messages[place] = [*messages.get(place, ()), *found]
        return Batch(messages, stood)

    def all(self) -> list[Message]:
        """Return the records of all partitions."""
        return [message for found in self.messages.values() for message in found]


@dataclass(frozen=True, slots=True)
class Source:
    """What to read and as whom. `member` makes the membership static: restarted, it takes its partitions back at once.

    `consumer` names the positions in the database; `group` is Kafka's group (with the stack's prefix).
    """

    bootstrap: str
    consumer: str
    group: str
    owner: str
    pattern: str
    member: str | None = None
    session_ms: int = 10_000
    login: Mapping[str, Any] = field(default_factory=dict)
    """What aiokafka is told to log in (`broker.core.principals.login`)."""


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Reads a source. Use `start`, `fetch`, `moved` after each stored batch, and `close`."""

    def __init__(self, source: Source, pool: Pool) -> None:
        self.source = source
        self.held: dict[tuple[str, int], Position] = {}
        self.assigned = asyncio.Event()
        self._fetched: dict[tuple[str, int], int] = {}
        self.generation = 0
        """Raised by every assignment."""
        self._pool = pool
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=source.bootstrap,
            client_id=source.owner,
            group_id=source.group,
            group_instance_id=source.member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=source.session_ms,
            heartbeat_interval_ms=max(200, source.session_ms // 5),
            rebalance_timeout_ms=source.session_ms,
            max_poll_interval_ms=600_000,
            metadata_max_age_ms=10_000,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=4_194_304,
            retry_backoff_ms=100,
            **source.login,
        )

    async def start(self) -> None:
        """Join the group. Raises BusUnavailable."""
        try:
            self._kafka.subscribe(pattern=self.source.pattern, listener=self)
            async with asyncio.timeout(30):
                await self._kafka.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._kafka.stop()
            raise BusUnavailable(f"Kafka at {self.source.bootstrap}: {error!r}") from error

    async def close(self) -> None:
        """Leave the group (a static member stays in it until its session ends)."""
        self.held.clear()
        try:
            async with asyncio.timeout(8):
                await self._kafka.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("consumer.close", group=self.source.group, error=repr(error))

    async def fetch(self, limit: int, wait_s: float) -> Batch:
        """Return what has come, at most `limit` records, waiting `wait_s` for the first. Raises BusUnavailable."""
        try:
            found: dict[Any, list[Any]] = await self._kafka.getmany(timeout_ms=int(wait_s * 1000), max_records=limit)
        except (KafkaError, OSError) as error:
            raise BusUnavailable(f"Kafka at {self.source.bootstrap}: {error!r}") from error
        messages: dict[tuple[str, int], list[Message]] = {}
        stood: dict[tuple[str, int], Position] = {}
        for tp, records in found.items():
            at = self.held.get((tp.topic, tp.partition))
            if at is None:
                continue
            fresh = [_message(record) for record in records if record.offset >= at.next]
            if not fresh:
                continue
            expected = max(at.next, self._fetched.get((tp.topic, tp.partition), 0))
            if fresh[0].offset > expected > 0:
                _log.warning(
                    "consumer.gap", topic=tp.topic, partition=tp.partition, expected=expected, found=fresh[0].offset
                )
            self._fetched[tp.topic, tp.partition] = fresh[-1].offset + 1
            messages[tp.topic, tp.partition] = fresh
            stood[tp.topic, tp.partition] = at
        return Batch(messages, stood)

    def renewed(self, batch: Batch) -> Batch:
        """Give a batch that was fetched before another one was stored, as from where its partitions stand now.

        Partitions that have been assigned since, to this consumer or to another, bring nothing: they are read again.
        """
        messages: dict[tuple[str, int], Sequence[Message]] = {}
        stood: dict[tuple[str, int], Position] = {}
        for place, found in batch.messages.items():
            at = self.held.get(place)
            if at is not None and at.generation == batch.stood[place].generation:
                messages[place], stood[place] = found, at
        return Batch(messages, stood)

    def moved(self, steps: Sequence[Advance]) -> None:
        """Note that the transaction with these steps is committed."""
        for step in steps:
            at = self.held.get((step.topic, step.partition))
            if at is not None and at.generation == step.generation:
                self.held[step.topic, step.partition] = Position(step.next, at.generation)

    async def end_offsets(self, partitions: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the offset after the last record of each partition. Raises BusUnavailable."""
        try:
            found = await self._kafka.end_offsets([TopicPartition(*one) for one in partitions])
        except (KafkaError, OSError) as error:
            raise BusUnavailable(f"Kafka at {self.source.bootstrap}: {error!r}") from error
        return {(tp.topic, tp.partition): end for tp, end in found.items()}

    def lag(self) -> int:
        """Sum how many records of the held partitions are known to be unread."""
        total = 0
        for (topic, partition), at in self.held.items():
            high = self._kafka.highwater(TopicPartition(topic, partition))
            total += max(0, (high or 0) - at.next)
        return total

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Forget partitions that Kafka gives to another."""
        self.held.clear()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Claim the partitions, fencing their former owner, and read each from the position in the database."""
        held: dict[tuple[str, int], Position] = {}
        async with self._pool.tx(None) as conn:
            for tp in sorted(assigned):
                held[tp.topic, tp.partition] = await offsets.claim(
                    conn, self.source.consumer, self.source.owner, tp.topic, tp.partition
                )
        for (topic, partition), at in held.items():
            self._kafka.seek(TopicPartition(topic, partition), at.next)
        self.held = held
        self._fetched.clear()
        self.generation += 1
        self.assigned.set()
        _log.info("consumer.assigned", group=self.source.group, owner=self.source.owner, partitions=len(held))


def topic_pattern(prefix: str, topic: str) -> str:
    """Build the pattern that matches exactly one topic of the stack."""
    return f"^{re.escape(prefix + topic)}$"


def _message(record: Any) -> Message:
    return Message(record.topic, record.partition, record.offset, record.key or b"", record.value or b"")
