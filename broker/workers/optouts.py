"""The opt-out set: who must not be kept, followed from the compacted topic `control.optouts`.

The whole topic is read before the first record is ingested; from then on it is followed. A tombstone takes an opt-out
back. Every worker holds the whole set, so it needs no group and no positions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from broker.bus.produce import BusUnavailable
from broker.core import topics

__all__ = ["OptOuts"]

_log = structlog.get_logger(__name__)


class OptOuts:
    """The live set of (domain, pseudonym)."""

    def __init__(self, bootstrap: str, prefix: str = "", login: Mapping[str, Any] | None = None) -> None:
        self._bootstrap = bootstrap
        self._login = dict(login or {})
        self._topic = topics.prefixed(topics.OPTOUTS, prefix)
        self._members: set[tuple[str, str]] = set()
        self.complete = asyncio.Event()
        """Set once all that was in the topic at the start has been read."""

    def __contains__(self, one: object) -> bool:
        return one in self._members

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until `stop`."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except (KafkaError, OSError, TimeoutError, BusUnavailable) as error:
                _log.warning("optouts.waiting", reason=repr(error))
                await asyncio.sleep(1.0)

    async def _follow(self, stop: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            self._topic,
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            **self._login,
        )
        try:
            await consumer.start()
            partitions = consumer.assignment()
            if not partitions:
                raise BusUnavailable(f"topic {self._topic} is not declared: run `python -m connectors topics apply`")
            ends = await consumer.end_offsets(partitions)
            while not stop.is_set():
                if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                    self.complete.set()
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._note(record.key, record.value)
        finally:
            await consumer.stop()

    def _note(self, key: bytes | None, value: bytes | None) -> None:
        try:
            one = topics.split_key(key or b"")
        except ValueError:
            _log.error("optouts.key", detail="a record's key is not domain, NUL, pseudonym")
            return
        if value:
            self._members.add(one)
        else:
            self._members.discard(one)
