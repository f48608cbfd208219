"""Kafka's access rules on a real Kafka with SASL: a principal publishes its feeds' topics, and nothing else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from broker.core import topics
from connectors.acls import Right, apply_rights, rights
from connectors.declare import apply_topics
from connectors.feed import Feed, load
from connectors.publish import Outgoing, Publisher
from connectors.settings import ConnectorSettings
from tests.connectors.kafka_reader import read_topic
from tests.connectors.test_pipeline import STATIONS
from tests.faults.private_kafka import PrivateKafka, private_kafka
from tests.fixtures.broker import free_port

Make = Callable[..., ConnectorSettings]
REFUSED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
"""Who may write no topic at all is not even given the number of an idempotent producer."""
PASSWORDS = {"stations": secrets.token_hex(8), "nobody": secrets.token_hex(8)}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivateKafka, str]]:
    """A Kafka that asks who calls on a second listener, and admits nothing unless a rule says so."""
    sasl = free_port()
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())

    def properties(port: int, controller: int) -> str:
        guarded = f"SASL_PLAINTEXT://127.0.0.1:{sasl}"
        given = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},{guarded}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},{guarded}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }
        return "".join(f"{name}={value}\n" for name, value in given.items())

    with private_kafka(tmp_path_factory.mktemp("kafka") / "log", properties) as kafka:
        kafka.start()
        yield kafka, f"127.0.0.1:{sasl}"


@pytest.fixture
def feeds(city: Path) -> list[Feed]:
    """Two feeds of two domains."""
    text = STATIONS % "/nowhere/a.csv"
    (city / "feeds" / "stations.yaml").write_text(text)
    other = text.replace("feed: stations", "feed: trams").replace("domain: environment", "domain: mobility")
    (city / "feeds" / "trams.yaml").write_text(other)
    return [load(city / "feeds" / f"{name}.yaml") for name in ("stations", "trams")]


async def sent(settings: ConnectorSettings, *names: str) -> None:
    async with Publisher(settings) as publisher:
        await publisher.send_all([Outgoing(name, b"k", b"{}") for name in names])


async def admitted(settings: ConnectorSettings, name: str) -> None:
    """Send once the rules that were given have reached the broker."""
    async with asyncio.timeout(20):
        while True:
            try:
                await sent(settings, name)
            except REFUSED:
                await asyncio.sleep(0.1)
            else:
                return


def test_what_a_feed_needs_is_its_own(feeds: list[Feed]) -> None:
    read, write, topic, group = 3, 4, 2, 3
    assert rights(feeds[:1], "p.") == {
        Right(topic, "p.feeds.stations.records", read),
        Right(topic, "p.feeds.stations.records", write),
        Right(topic, "p.dead.stations", read),
        Right(topic, "p.dead.stations", write),
        Right(topic, "p.entities.environment", write),
        Right(topic, "p.entities.platform", write),
        Right(group, "p.connectors.stations", read),
    }
    assert rights([]) == set()


@pytest.mark.timeout(240)
async def test_a_principal_publishes_its_feeds_topics_and_nothing_else(
    guarded: tuple[PrivateKafka, str], make_settings: Make, feeds: list[Feed]
) -> None:
    kafka, sasl = guarded
    await kafka.ready()
    inside = make_settings(kafka=kafka.bootstrap)
    await apply_topics(feeds, ["environment", "mobility"], inside, 1, 1)

    def of(user: str, password: str) -> ConnectorSettings:
        return make_settings(kafka=sasl, kafka_user=user, kafka_password=password, kafka_mechanism="PLAIN")

    process = of("stations", PASSWORDS["stations"])
    own = [topics.records("stations"), topics.dead("stations"), topics.entities("environment")]
    others = [
        topics.records("trams"),
        topics.dead("trams"),
        topics.entities("mobility"),
        topics.CHANGES,
        topics.OPTOUTS,
    ]
    with pytest.raises(REFUSED):
        await sent(process, own[0])

    assert await apply_rights(feeds[:1], "stations", inside) == {"given": 7, "kept": 0, "taken": 0}
    await admitted(process, topics.entities("platform"))
    for name in own:
        await admitted(process, name)
    await asyncio.sleep(1)
    assert await apply_rights(feeds[:1], "stations", inside) == {"given": 0, "kept": 7, "taken": 0}
    for name in others:
        with pytest.raises(TopicAuthorizationFailedError):
            await sent(process, name)
    with pytest.raises(REFUSED):
        await sent(of("nobody", PASSWORDS["nobody"]), own[0])
    with pytest.raises(KafkaError):
        await sent(of("stations", "wrong"), own[0])
    assert [len(await read_topic(kafka.bootstrap, name, 1)) for name in own] == [1, 1, 1]
    assert [len(await read_topic(kafka.bootstrap, name, 1)) for name in others] == [0] * len(others)

    assert await apply_rights(feeds[1:], "stations", inside) == {"given": 6, "kept": 1, "taken": 6}
    await admitted(process, topics.entities("mobility"))
    with pytest.raises(TopicAuthorizationFailedError):
        await sent(process, own[0])
