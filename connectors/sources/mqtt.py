"""MQTT 3.1.1 and 5: subscribe and take messages as they come; a persistent session keeps what arrives meanwhile.

A message of QoS 1 is acknowledged when Kafka holds it, so that a killed process loses none: the broker sends again what
was not acknowledged. While `in_flight` messages wait here, nothing more is read from the broker's connection, so that a
flood stands in the broker (which has bounds and rules for it) and not in memory.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.egress import check_host
from connectors.errors import FeedError
from connectors.feed import MqttSource
from connectors.settings import Network
from connectors.sources.payload import Messages, Payload
from connectors.specs.closed import revealed

__all__ = ["MqttSubscription"]

_TOGETHER = 500
_EXPIRY_S = 7 * 86_400


class _Gate:
    """Stops reading the connection while too many messages wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._socket: Any = None
        self.client: aiomqtt.Client | None = None

    def queue(self, maxsize: int = 0) -> asyncio.Queue[aiomqtt.Message]:
        """Make the client's queue: unbounded itself, since the gate bounds what comes in."""
        gate = self

        class Gated(asyncio.Queue[aiomqtt.Message]):
            def _put(self, item: aiomqtt.Message) -> None:
                super()._put(item)
                if self.qsize() >= gate._most:
                    gate.close()

        return Gated()

    def close(self) -> None:
        """Read no more."""
        paho = _paho(self.client)
        sock = paho.socket() if paho is not None else None
        if sock is not None and self._socket is None:
            self._socket = sock
            asyncio.get_running_loop().remove_reader(sock.fileno())

    def open(self) -> None:
        """Read on, if reading was stopped on this connection."""
        paho, sock = _paho(self.client), self._socket
        self._socket = None
        if sock is not None and paho is not None and paho.socket() is sock:
            asyncio.get_running_loop().add_reader(sock.fileno(), paho.loop_read)


def _paho(client: aiomqtt.Client | None) -> Any:
    """Return the protocol client below, whose manual acknowledgement aiomqtt does not pass on (aiomqtt 2.5)."""
    return None if client is None else client._client


class MqttSubscription:
    """Yields messages that wait together; one over `max_bytes` is cut, so that its decoding fails and is told."""

    def __init__(self, spec: MqttSource, broker: str, client: str, allow: Sequence[Network]) -> None:
        host, found, port = (spec.host or broker).rpartition(":")
        if not found or not port.isdecimal():
            raise FeedError(f"source.host: {spec.host or broker!r} is not host:port; see DATAPOLIS_MQTT")
        self._host, self._port = host, int(port)
        self._spec = spec
        self._client = client
        self._allow = allow

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Messages, None]:
        """Yield messages; the broker's session holds the place."""
        if self._spec.host is not None:
            await check_host(self._host, self._port, self._allow)
        gate = _Gate(self._spec.in_flight)
        async with self._connection(gate) as client:
            for topic in self._spec.topics:
                await client.subscribe(topic, qos=self._spec.qos)
            gate.client = client  # not before: a closed gate would hold back the answer to subscribe
            messages = client.messages
            async for first in messages:
                batch = [first]
                while len(messages) and len(batch) < _TOGETHER:
                    batch.append(await anext(messages))
                yield Messages(tuple(self._payload(one) for one in batch), _acknowledge(client, batch))
                if len(messages) < self._spec.in_flight // 2:
                    gate.open()

    def _connection(self, gate: _Gate) -> aiomqtt.Client:
        spec = self._spec
        five = spec.version == "5"
        properties = None
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho types it not
            properties.SessionExpiryInterval = _EXPIRY_S
            properties.ReceiveMaximum = spec.in_flight
        client = aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._client,
            username=spec.username,
            password=revealed(spec.password) if spec.password else None,
            tls_context=ssl.create_default_context() if spec.tls else None,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else False,
            clean_start=False if five else MQTT_CLEAN_START_FIRST_ONLY,
            properties=properties,
            keepalive=30,
            timeout=10,
            queue_type=gate.queue,  # type: ignore[arg-type]  # called as a class would be
        )
        _paho(client).manual_ack_set(True)
        return client

    def _payload(self, message: aiomqtt.Message) -> Payload:
        raw = message.payload
        body = raw if isinstance(raw, bytes) else str(raw).encode()
        return Payload(message.topic.value, io.BytesIO(body[: self._spec.max_bytes]))


def _acknowledge(client: aiomqtt.Client, batch: Sequence[aiomqtt.Message]) -> Any:
    async def taken() -> None:
        paho = _paho(client)
        for message in batch:
            paho.ack(message.mid, message.qos)

    return taken
