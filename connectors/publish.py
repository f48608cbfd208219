"""The one producer of a connectors process: idempotent, acknowledged by all replicas, with the stack's topic prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from aiokafka import AIOKafkaProducer

from broker.core import topics
from connectors.settings import ConnectorSettings

__all__ = ["Outgoing", "Publisher"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Kafka record to be written; `topic` without prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """Writes records and waits for their acknowledgement. Use as an async context."""

    def __init__(self, settings: ConnectorSettings) -> None:
        self._prefix = settings.topic_prefix
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            client_id="datapolis-connectors",
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_batch_size=262_144,
            max_request_size=2_000_000,
        )

    async def __aenter__(self) -> Publisher:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send_all(self, records: Iterable[Outgoing]) -> None:
        """Write records in order; returns when all are acknowledged. Raises aiokafka's errors."""
        waiting = [
            await self._producer.send(
                topics.prefixed(record.topic, self._prefix), record.value, key=record.key, headers=list(record.headers)
            )
            for record in records
        ]
        if waiting:
            await asyncio.gather(*waiting)
