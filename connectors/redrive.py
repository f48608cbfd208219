"""Dead letters driven again: the records that they speak of, mapped once more after the declaration was corrected.

A dead letter has no payload, but says where its record stands in `feeds.<feed>.records`. What was refused before it
came there (decoding, minimisation) stands at the source alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.core import topics
from connectors.settings import ConnectorSettings

__all__ = ["DeadPlaces", "dead_places"]

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DeadPlaces:
    """Partitions and offsets of records that were refused, and how many were refused before they were records."""

    places: frozenset[Place]
    at_source: int


async def dead_places(feed: str, settings: ConnectorSettings) -> DeadPlaces:
    """Read a feed's dead letters, from the first to the present last."""
    topic = TopicPartition(topics.prefixed(topics.dead(feed), settings.topic_prefix), 0)
    begin = f"{topics.records(feed)}/"
    consumer: AIOKafkaConsumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        client_id="datapolis-redrive",
        enable_auto_commit=False,
        **settings.kafka_login,
    )
    places: set[Place] = set()
    at_source = 0
    await consumer.start()
    try:
        consumer.assign([topic])
        end = (await consumer.end_offsets([topic]))[topic]
        consumer.seek(topic, (await consumer.beginning_offsets([topic]))[topic])
        while await consumer.position(topic) < end:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    position = str(orjson.loads(message.value)["position"])
                    if position.startswith(begin):
                        partition, offset = position.removeprefix(begin).split(" ", 1)[0].split("/")
                        places.add((int(partition), int(offset)))
                    else:
                        at_source += 1
    finally:
        await consumer.stop()
    return DeadPlaces(frozenset(places), at_source)
