"""The MQTT broker that tests get: on the loopback, delivering at quality of service 1."""

from __future__ import annotations

import asyncio

import aiomqtt


async def test_delivers_what_was_published(mqtt: tuple[str, int], topic_prefix: str) -> None:
    """A subscriber receives each message once, in order, and nothing from beside its filter."""
    host, port = mqtt
    async with aiomqtt.Client(host, port) as reader, aiomqtt.Client(host, port) as writer:
        await reader.subscribe(f"{topic_prefix}in/#", qos=1)
        await writer.publish(f"{topic_prefix}out/0", b"elsewhere", qos=1)
        for number in range(20):
            await writer.publish(f"{topic_prefix}in/{number}", str(number).encode(), qos=1)
        async with asyncio.timeout(10):
            got = [await anext(aiter(reader.messages)) for _ in range(20)]
    assert [(str(message.topic), message.payload) for message in got] == [
        (f"{topic_prefix}in/{number}", str(number).encode()) for number in range(20)
    ]
