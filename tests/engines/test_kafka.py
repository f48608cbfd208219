"""aiokafka against the pinned Kafka: produce, consume, rebalance, and a consumer that dies without a word."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

CONSUMER = Path(__file__).with_name("consume_forever.py")
PARTITIONS = 4


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client for the length of a block."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@pytest.fixture
async def topic(kafka: str, topic_prefix: str) -> str:
    """Make an empty topic of four partitions."""
    name = f"{topic_prefix}probe"
    async with admin_of(kafka) as admin:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    return name


@asynccontextmanager
async def producer_of(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Open an idempotent producer for the length of a block."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consumer_of(bootstrap: str, topic: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a member of a consumer group for the length of a block."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=3000,
        heartbeat_interval_ms=300,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def assigned(consumer: AIOKafkaConsumer, count: int) -> None:
    """Wait until a consumer holds exactly so many partitions."""
    async with asyncio.timeout(20):
        while len(consumer.assignment()) != count:  # noqa: ASYNC110 - aiokafka tells nobody
            await asyncio.sleep(0.05)


async def test_produces_and_consumes_in_order_per_key(kafka: str, topic: str) -> None:
    """What was sent under one key comes back once, in the order in which it was sent."""
    sent = [(f"key-{n % 5}".encode(), f"{n}".encode()) for n in range(200)]
    async with producer_of(kafka) as producer:
        await asyncio.gather(*[await producer.send(topic, value, key=key) for key, value in sent])
    async with consumer_of(kafka, topic, f"{topic}-group") as consumer:
        got = [await asyncio.wait_for(consumer.getone(), 20) for _ in sent]
    for key in {key for key, _ in sent}:
        mine = [record for record in got if record.key == key]
        assert [record.value for record in mine] == [value for each, value in sent if each == key]
        assert len({record.partition for record in mine}) == 1


async def test_a_topic_must_be_declared(kafka: str, topic_prefix: str) -> None:
    """Auto-creation is off: a misspelt topic is an error and makes nothing."""
    name = f"{topic_prefix}never-declared"
    async with admin_of(kafka) as admin:
        described = await admin.describe_topics([name])
        assert described[0]["error_code"] == UnknownTopicOrPartitionError.errno
        assert name not in await admin.list_topics()


async def test_two_members_share_and_take_over(kafka: str, topic: str) -> None:
    """A second member takes half of the partitions, and gives them back when it leaves."""
    group = f"{topic}-group"
    async with consumer_of(kafka, topic, group) as first:
        await assigned(first, PARTITIONS)
        async with consumer_of(kafka, topic, group) as second:
            await asyncio.gather(assigned(first, PARTITIONS // 2), assigned(second, PARTITIONS // 2))
            assert first.assignment().isdisjoint(second.assignment())
            together = first.assignment() | second.assignment()
            assert together == {TopicPartition(topic, number) for number in range(PARTITIONS)}
        await assigned(first, PARTITIONS)


async def test_a_killed_member_loses_its_partitions_and_nothing_is_lost(kafka: str, topic: str) -> None:
    """After SIGKILL of one member the other receives every record that was not committed."""
    group = f"{topic}-group"
    victim = await asyncio.create_subprocess_exec(
        sys.executable, str(CONSUMER), kafka, topic, group, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    async with producer_of(kafka) as producer:
        for number in range(PARTITIONS * 5):
            await producer.send_and_wait(topic, f"before-{number}".encode(), partition=number % PARTITIONS)
        seen = [await asyncio.wait_for(victim.stdout.readline(), 20) for _ in range(PARTITIONS)]
        victim.kill()
        assert await victim.wait() == -9
        seen += (await victim.stdout.read()).splitlines()
        for number in range(PARTITIONS):
            await producer.send_and_wait(topic, f"after-{number}".encode(), partition=number)
    handled = {line.split()[2].decode() for line in seen if line.strip()}
    wanted = {f"before-{number}" for number in range(PARTITIONS * 5)} | {f"after-{n}" for n in range(PARTITIONS)}
    async with consumer_of(kafka, topic, group) as survivor:
        got: set[str] = set()
        async with asyncio.timeout(30):
            while not wanted <= got | handled:
                got.add((await survivor.getone()).value.decode())
    assert got | handled == wanted
    assert {f"after-{number}" for number in range(PARTITIONS)} <= got
