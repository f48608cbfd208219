"""The one producer of a connectors process: idempotent, acknowledged by all replicas, with the stack's topic prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from broker.core import topics
from connectors.settings import ConnectorSettings

__all__ = ["Outgoing", "Publisher"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Kafka record to be written; `topic` without prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """Writes records and waits for their acknowledgement. Use as an async context.

    A patient one waits for a Kafka that is not there yet; any other raises aiokafka's KafkaConnectionError.
    """

    def __init__(self, settings: ConnectorSettings, *, patient: bool = False) -> None:
        self._settings = settings
        self._patient = patient
        self._prefix = settings.topic_prefix
        self._producer = self._made()

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            client_id="datapolis-connectors",
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_batch_size=262_144,
            max_request_size=2_000_000,
            **self._settings.kafka_login,
        )

    async def __aenter__(self) -> Publisher:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._producer.start()
            except KafkaConnectionError as error:
                await self._producer.stop()
                if not self._patient:
                    raise
                log.warning("Kafka is not there yet", kafka=self._settings.kafka, error=str(error), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                self._producer = self._made()
            except KafkaError:
                await self._producer.stop()
                raise
            else:
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
