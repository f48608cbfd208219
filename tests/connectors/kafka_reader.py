"""Read whole topics, as an outsider would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

__all__ = ["Read", "read_topic", "wait_for", "wait_for_events"]

Found = TypeVar("Found", bound=Sized)


@dataclass(frozen=True, slots=True)
class Read:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


async def read_topic(bootstrap: str, topic: str, partitions: int) -> list[Read]:
    """Return everything that a topic holds now, by partition and offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, begin in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, begin)
        found: list[Read] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            batch: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=200)
            for messages in batch.values():
                found += [
                    Read(one.topic, one.partition, one.offset, one.key, one.value or b"", tuple(one.headers))
                    for one in messages
                ]
    finally:
        await consumer.stop()
    return sorted(found, key=lambda one: (one.partition, one.offset))


async def wait_for(bootstrap: str, topic: str, partitions: int, count: int, timeout_s: float = 30.0) -> list[Read]:
    """Wait until a topic holds `count` records, and return all it holds."""
    return await _waited(lambda: read_topic(bootstrap, topic, partitions), count, timeout_s)


async def wait_for_events(
    bootstrap: str, topic: str, partitions: int, count: int, timeout_s: float = 30.0
) -> dict[str, Any]:
    """Wait until a topic holds envelopes of `count` events, and return the envelopes by event.

    A mapper that stops between sending and noting its place sends the same events again: they count once, as the ingest
    worker counts them.
    """

    async def events() -> dict[str, Any]:
        envelopes = [json.loads(one.value) for one in await read_topic(bootstrap, topic, partitions)]
        return {one["event"]: one for one in envelopes}

    return await _waited(events, count, timeout_s)


async def _waited(read: Callable[[], Awaitable[Found]], count: int, timeout_s: float) -> Found:
    """Read again and again until so many are found or the time is over, and return what was found last."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = await read()
        if len(found) >= count or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(0.2)
