"""MQTT: subscribe and take messages as they come; a persistent session keeps what arrives while we are away."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt

from connectors.errors import FeedError
from connectors.feed import MqttSource
from connectors.sources.payload import Payload

__all__ = ["MqttSubscription"]


class MqttSubscription:
    """Yields one payload per message; a message over `max_bytes` is cut, so that its decoding fails and is told."""

    def __init__(self, spec: MqttSource, broker: str, client: str) -> None:
        host, found, port = (spec.host or broker).rpartition(":")
        if not found or not port.isdecimal():
            raise FeedError(f"source.host: {spec.host or broker!r} is not host:port; see DATAPOLIS_MQTT")
        self._host, self._port = host, int(port)
        self._spec = spec
        self._client = client

    async def payloads(self, place: dict[str, Any]) -> AsyncIterator[Payload]:
        """Yield messages; the broker's session holds the place."""
        async with aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._client,
            clean_session=False,
            keepalive=30,
            timeout=10,
            max_queued_incoming_messages=10_000,
        ) as client:
            for topic in self._spec.topics:
                await client.subscribe(topic, qos=self._spec.qos)
            async for message in client.messages:
                raw = message.payload
                body = raw if isinstance(raw, bytes) else str(raw).encode()
                yield Payload(message.topic.value, io.BytesIO(body[: self._spec.max_bytes]))
