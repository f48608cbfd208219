"""Kafka's access rules: a connectors process publishes its feeds' topics and nothing else, a broker's role its own.

A process logs in as a principal of its own (`DATAPOLIS_KAFKA_USER`) on a listener with SASL. What that principal may
do follows from the declarations of the feeds that it runs: write and read back their records and dead letters, write
the entities of their domains and of the platform. What the broker's roles may do stands in `broker.core.principals`.
Kafka's StandardAuthorizer refuses everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from broker.core import topics
from broker.core.principals import CONNECTORS, PRINCIPALS, needs
from connectors.feed import Feed
from connectors.settings import ConnectorSettings

__all__ = ["Right", "apply_all", "apply_rights", "rights", "role_rights"]

_ANY: Final = 1
_TOPIC: Final = 2
_GROUP: Final = 3
_READ: Final = 3
_WRITE: Final = 4
_ALLOW: Final = 3
_LITERAL: Final = 3
_PREFIXED: Final = 4
_PLATFORM: Final = "platform"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that a principal may do, in Kafka's own numbers."""

    kind: int
    name: str
    operation: int
    pattern: int = _LITERAL


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


def role_rights(role: str, prefix: str = "") -> set[Right]:
    """Say what a background role of the broker needs."""
    kinds, operations = {"topic": _TOPIC, "group": _GROUP}, {"read": _READ, "write": _WRITE}
    return {
        Right(kinds[one.kind], one.name, operations[one.operation], _PREFIXED if one.prefix else _LITERAL)
        for one in needs(role, prefix)
    }


async def apply_rights(feeds: Iterable[Feed], principal: str, settings: ConnectorSettings) -> dict[str, int]:
    """Give a principal what these feeds need and take every other right of it; how many were given and taken.

    Raises aiokafka's errors, such as SecurityDisabledError from a Kafka without an authorizer.
    """
    return await _apply({principal: rights(feeds, settings.topic_prefix)}, settings)


async def apply_all(feeds: Iterable[Feed], settings: ConnectorSettings) -> dict[str, int]:
    """Do so for all principals of the platform: the one that runs all these feeds, and the broker's roles."""
    wanted = {user: role_rights(role, settings.topic_prefix) for role, user in PRINCIPALS.items()}
    return await _apply({CONNECTORS: rights(feeds, settings.topic_prefix), **wanted}, settings)


async def _apply(wanted: Mapping[str, set[Right]], settings: ConnectorSettings) -> dict[str, int]:
    client = AIOKafkaClient(bootstrap_servers=settings.kafka, client_id="datapolis-rights", **settings.kafka_login)
    await client.bootstrap()
    try:
        node = client.get_random_node()
        done = [await _settle(client, node, f"User:{name}", each) for name, each in wanted.items()]
    finally:
        await client.close()
    return {word: sum(one[word] for one in done) for word in ("given", "kept", "taken")}


async def _settle(client: AIOKafkaClient, node: int, user: str, wanted: set[Right]) -> dict[str, int]:
    present = await _present(client, node, user)
    unwanted = [one for one in present if one[0] not in wanted or one[1:] != ("*", _ALLOW)]
    for right, host, permission in sorted(unwanted):
        request = DeleteAclsRequest(right.kind, right.name, right.pattern, user, host, right.operation, permission)
        await _tell(client, node, request)
    given = {right for right, *rest in present if rest == ["*", _ALLOW]}
    for right in sorted(wanted - given):
        await _tell(
            client,
            node,
            CreateAclsRequest(right.kind, right.name, right.pattern, user, "*", right.operation, _ALLOW),
        )
    kept = len(wanted & given)
    return {"given": len(wanted) - kept, "kept": kept, "taken": len(present) - kept}


async def _present(client: AIOKafkaClient, node: int, user: str) -> set[tuple[Right, str, int]]:
    answer: Any = await client.send(node, DescribeAclsRequest(_ANY, None, _ANY, user, None, _ANY, _ANY))
    _check(answer.error_code, answer.error_message)
    return {
        (Right(kind, name, operation, pattern), host, permission)
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
