"""Kafka as the stack runs it: everybody logs in, each principal does its own work there, and nothing else is let."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from broker.core import topics
from broker.core.principals import login
from docker.local.kafka_access import PRINCIPALS, password_name
from tests.fixtures.stack import Stack

REFUSED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
FEED, FOREIGN = "transit-live", "another-cities-feed"
MAY_WRITE = {
    "connectors": {topics.records(FEED), topics.dead(FEED), topics.entities("mobility"), topics.entities("platform")},
    "ingest": set(),
    "relay": {topics.CHANGES, topics.OPTOUTS, topics.dead(FEED), topics.dead(FOREIGN)},
    "notifier": set(),
}
MAY_READ = {
    "connectors": {topics.records(FEED), topics.dead(FEED)},
    "ingest": {topics.entities("mobility"), topics.entities("platform"), topics.OPTOUTS},
    "relay": set(),
    "notifier": {topics.CHANGES},
}
TOPICS = sorted({topics.records(FOREIGN), topics.dead(FOREIGN)}.union(*MAY_WRITE.values(), *MAY_READ.values()))


def account(stack: Stack, principal: str) -> dict[str, Any]:
    password = stack.passwords[password_name(principal)]
    return {"bootstrap_servers": stack.environment["DATAPOLIS_KAFKA"], **login(principal, password, "PLAIN", tls=False)}


def prefixed(stack: Stack, name: str) -> str:
    return topics.prefixed(name, stack.environment["DATAPOLIS_TOPIC_PREFIX"])


async def writes(stack: Stack, principal: str, name: str) -> bool:
    producer = AIOKafkaProducer(**account(stack, principal), acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(prefixed(stack, name), b"{}", b"probe")
    except REFUSED:
        return False
    finally:
        await producer.stop()
    return True


async def reads(stack: Stack, principal: str, name: str) -> bool:
    consumer = AIOKafkaConsumer(**account(stack, principal), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        place = TopicPartition(prefixed(stack, name), 0)
        if place.topic not in await consumer.topics():  # Kafka lists what may be described
            return False
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        await consumer.getmany(timeout_ms=500)
    except REFUSED:
        return False
    finally:
        await consumer.stop()
    return True


@pytest.fixture
async def foreign(stack: Stack) -> None:
    """A feed's topics that no declaration of the city names."""
    admin = AIOKafkaAdminClient(**account(stack, "admin"))
    await admin.start()
    try:
        names = [prefixed(stack, one) for one in (topics.records(FOREIGN), topics.dead(FOREIGN))]
        known = set(await admin.list_topics())
        await admin.create_topics([NewTopic(one, 1, 1) for one in names if one not in known])
    finally:
        await admin.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("principal", sorted(MAY_WRITE))
async def test_a_principal_writes_and_reads_its_topics_and_no_others(
    stack: Stack, foreign: None, principal: str
) -> None:
    refused = [name for name in TOPICS if name not in MAY_WRITE[principal]]
    assert [name for name in refused if await writes(stack, principal, name)] == []
    if principal == "connectors":
        assert topics.records(FOREIGN) in refused
    own = MAY_WRITE[principal] - {topics.CHANGES, topics.OPTOUTS, topics.records(FEED)}  # these would be acted upon
    assert [name for name in sorted(own) if not await writes(stack, principal, name)] == []
    assert [name for name in TOPICS if await reads(stack, principal, name)] == sorted(MAY_READ[principal])


async def test_nobody_joins_anothers_group(stack: Stack) -> None:
    group = prefixed(stack, "broker-ingest")
    consumer = AIOKafkaConsumer(**account(stack, "notifier"), group_id=group, enable_auto_commit=False)
    consumer.subscribe([prefixed(stack, topics.CHANGES)])
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.start()
    finally:
        await consumer.stop()


async def test_without_a_log_in_or_with_a_wrong_one_nobody_is_let_in(stack: Stack) -> None:
    bootstrap = stack.environment["DATAPOLIS_KAFKA"]
    for given in ({}, login("connectors", "wrong", "PLAIN", tls=False), login("somebody", "x", "PLAIN", tls=False)):
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=3_000, **given)
        with pytest.raises(KafkaError):
            await producer.start()
        await producer.stop()


def test_a_process_knows_its_own_password_alone(stack: Stack) -> None:
    for name, process in stack.processes.items():
        with open(f"/proc/{process.pid}/environ", encoding="utf-8", errors="replace") as file:
            said = file.read()
        known = {one for one in PRINCIPALS if stack.passwords[password_name(one)] in said}
        assert known == {"connectors": {"connectors"}, "worker": {"ingest", "relay", "notifier"}}.get(name, set()), name
