"""The Kafka producer: idempotent, acknowledged by every replica in sync."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

__all__ = ["BusUnavailable", "Producer", "Record", "UnknownTopic"]

Record = tuple[str, bytes, bytes]
"""Topic, key, value."""


class BusUnavailable(Exception):
    """Kafka did not acknowledge; what was sent may or may not be there, so it is sent again."""


class UnknownTopic(Exception):
    """The topic is not declared (auto-creation is off); the remedy is `python -m connectors topics apply`."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic} is not declared: run `python -m connectors topics apply`")
        self.topic = topic


class Producer:
    """Sends groups of records and waits for all acknowledgements.

    A group that fails leaves the connection closed, so that nothing sent later can overtake what is sent again.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str = "datapolis-broker",
        timeout_s: float = 15.0,
        login: Mapping[str, Any] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._login = dict(login or {})
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._known: set[str] = set()

    async def send(self, records: Sequence[Record]) -> None:
        """Send the records in order and return when Kafka holds them all. Raises BusUnavailable or UnknownTopic."""
        try:
            producer = await self._open()
            for topic in {record[0] for record in records} - self._known:
                await self._check(producer, topic)
            waiting = [await producer.send(topic, value, key) for topic, key, value in records]
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(*waiting)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise BusUnavailable(f"Kafka at {self._bootstrap} did not acknowledge: {error!r}") from error

    async def close(self) -> None:
        """Close the connection; the next `send` opens a new one."""
        producer, self._producer = self._producer, None
        self._known.clear()
        if producer is not None:
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except (KafkaError, OSError, TimeoutError):
                return

    async def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                enable_idempotence=True,
                acks="all",
                linger_ms=2,
                max_batch_size=262_144,
                max_request_size=8_388_608,
                request_timeout_ms=10_000,
                **self._login,
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _check(self, producer: AIOKafkaProducer, topic: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.partitions_for(topic)
        except (UnknownTopicOrPartitionError, TimeoutError) as error:
            raise UnknownTopic(topic) from error
        self._known.add(topic)
