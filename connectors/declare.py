"""Make Kafka's topics what the city's feeds and domains need (`connectors topics apply`)."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from broker.core import topics
from connectors.feed import Feed
from connectors.settings import ConnectorSettings

__all__ = ["apply_topics"]

PLATFORM = "platform"


async def apply_topics(
    feeds: Iterable[Feed], domains: Iterable[str], settings: ConnectorSettings, partitions: int, replication: int
) -> dict[str, str]:
    """Create the topics that are missing and set the others' clean-up; returns what was done by topic."""
    found = list(feeds)
    wanted = topics.specs(
        [feed.feed for feed in found],
        sorted({*domains, *(feed.domain for feed in found), PLATFORM}),
        partitions=partitions,
        prefix=settings.topic_prefix,
    )
    wanted.append(topics.Topic(topics.prefixed(topics.dead(PLATFORM), settings.topic_prefix), 1, 30 * 86_400_000))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, client_id="datapolis-topics", **settings.kafka_login)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing:
            await admin.create_topics(
                [NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.config) for topic in missing]
            )
        present = [topic for topic in wanted if topic.name in existing]
        if present:
            await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic.name, topic.config) for topic in present]
            )
    finally:
        await admin.close()
    made = {topic.name for topic in missing}
    return {topic.name: "created" if topic.name in made else "set" for topic in wanted}
