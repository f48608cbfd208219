"""Kafka's access rules of a connectors process: it publishes its feeds' topics and nothing else.

A process logs in as a principal of its own (`DATAPOLIS_KAFKA_USER`) on a listener with SASL. What that principal may
do follows from the declarations of the feeds that it runs: write and read back their records and dead letters, write
the entities of their domains and of the platform. Kafka's StandardAuthorizer refuses everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from broker.core import topics
from connectors.feed import Feed
from connectors.settings import ConnectorSettings

__all__ = ["Right", "apply_rights", "rights"]

_ANY: Final = 1
_TOPIC: Final = 2
_GROUP: Final = 3
_READ: Final = 3
_WRITE: Final = 4
_ALLOW: Final = 3
_LITERAL: Final = 3
_PLATFORM: Final = "platform"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that a principal may do, in Kafka's own numbers."""

    kind: int
    name: str
    operation: int


def rights(feeds: Iterable[Feed], prefix: str = "") -> set[Right]:
    """Say what a process that runs these feeds needs; nothing where it runs none."""
    found: set[Right] = set()
    for feed in feeds:
        for name in (topics.records(feed.feed), topics.dead(feed.feed)):
            found |= {Right(_TOPIC, topics.prefixed(name, prefix), each) for each in (_READ, _WRITE)}
        for domain in (feed.domain, _PLATFORM):
            found.add(Right(_TOPIC, topics.prefixed(topics.entities(domain), prefix), _WRITE))
        found.add(Right(_GROUP, topics.prefixed(f"connectors.{feed.feed}", prefix), _READ))
    return found


async def apply_rights(feeds: Iterable[Feed], principal: str, settings: ConnectorSettings) -> dict[str, int]:
    """Give a principal what these feeds need and take every other right of it; how many were given and taken.

    Raises aiokafka's errors, such as SecurityDisabledError from a Kafka without an authorizer.
    """
    wanted = rights(feeds, settings.topic_prefix)
    client = AIOKafkaClient(bootstrap_servers=settings.kafka, client_id="datapolis-rights", **settings.kafka_login)
    await client.bootstrap()
    try:
        node, user = client.get_random_node(), f"User:{principal}"
        present = await _present(client, node, user)
        for right, pattern, host, permission in sorted(present):
            if right not in wanted or (pattern, host, permission) != (_LITERAL, "*", _ALLOW):
                await _tell(
                    client,
                    node,
                    DeleteAclsRequest(right.kind, right.name, pattern, user, host, right.operation, permission),
                )
        given = {right for right, *rest in present if rest == [_LITERAL, "*", _ALLOW]}
        for right in sorted(wanted - given):
            await _tell(
                client,
                node,
                CreateAclsRequest(right.kind, right.name, _LITERAL, user, "*", right.operation, _ALLOW),
            )
    finally:
        await client.close()
    kept = len(wanted & given)
    return {"given": len(wanted) - kept, "kept": kept, "taken": len(present) - kept}


async def _present(client: AIOKafkaClient, node: int, user: str) -> set[tuple[Right, int, str, int]]:
    answer: Any = await client.send(node, DescribeAclsRequest(_ANY, None, _ANY, user, None, _ANY, _ANY))
    _check(answer.error_code, answer.error_message)
    return {
        (Right(kind, name, operation), pattern, host, permission)
        for kind, name, pattern, rules in answer.resources
        for _, host, operation, permission in rules
    }


async def _tell(client: AIOKafkaClient, node: int, request: CreateAclsRequest | DeleteAclsRequest) -> None:
    answer: Any = await client.send(node, request)
    results = answer.creation_responses if isinstance(request, CreateAclsRequest) else answer.filter_responses
    for code, message, *_ in results:
        _check(code, message)


def _check(code: int, message: str | None) -> None:
    if code:
        kind: type[KafkaError] = for_code(code)
        raise kind(message or "")
