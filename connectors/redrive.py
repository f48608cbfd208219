"""Dead letters driven again: the records that they speak of, mapped once more after the declaration was corrected.

A dead letter has no payload, but says where its record stands in `feeds.<feed>.records`. What was refused before it
came there (decoding, minimisation) stands at the source alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from broker.core import topics
from connectors.remap import partitions_of
from connectors.settings import ConnectorSettings

__all__ = ["DeadPlaces", "Reason", "dead_places", "dead_reasons"]

Place = tuple[int, int]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class DeadPlaces:
    """Partitions and offsets of records that were refused, and how many were refused before they were records."""

    places: frozenset[Place]
    at_source: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why records were refused, how many, where the first of them stand, and when the last one was."""

    stage: str
    rule: str
    field: str
    suggestion: str
    records: int
    positions: tuple[str, ...]
    last: str


async def dead_places(feed: str, settings: ConnectorSettings) -> DeadPlaces:
    """Read a feed's dead letters, from the first to the present last."""
    begin = f"{topics.records(feed)}/"
    places: set[Place] = set()
    at_source = 0
    async for letter in _letters(feed, settings):
        position = str(letter["position"])
        if position.startswith(begin):
            partition, offset = position.removeprefix(begin).split(" ", 1)[0].split("/")
            places.add((int(partition), int(offset)))
        else:
            at_source += 1
    return DeadPlaces(frozenset(places), at_source)


async def dead_reasons(feed: str, settings: ConnectorSettings) -> list[Reason]:
    """Sum up a feed's dead letters by reason, the most frequent first; a record refused again counts once."""
    found: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for_reason = ("stage", "rule", "field", "suggestion")
    async for letter in _letters(feed, settings):
        stage, rule, field, suggestion = (str(letter[member]) for member in for_reason)
        positions = found.setdefault((stage, rule, field, suggestion), {})
        positions[str(letter["position"])] = str(letter["at"])
    reasons = [
        Reason(*reason, len(positions), tuple(islice(positions, _SHOWN)), max(positions.values()))
        for reason, positions in found.items()
    ]
    return sorted(reasons, key=lambda one: (-one.records, one.stage, one.rule, one.field))


async def _letters(feed: str, settings: ConnectorSettings) -> AsyncIterator[dict[str, Any]]:
    (topic,) = await partitions_of(topics.prefixed(topics.dead(feed), settings.topic_prefix), settings)
    consumer: AIOKafkaConsumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        client_id="datapolis-redrive",
        enable_auto_commit=False,
        **settings.kafka_login,
    )
    try:
        await consumer.start()
        consumer.assign([topic])
        end = (await consumer.end_offsets([topic]))[topic]
        consumer.seek(topic, (await consumer.beginning_offsets([topic]))[topic])
        while await consumer.position(topic) < end:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    yield orjson.loads(message.value)
    finally:
        await consumer.stop()
