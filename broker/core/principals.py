"""Who logs in to Kafka, and what each principal of the platform may do there; nobody may do more.

The background roles of the broker have a principal each. What connectors may do follows from their feeds
(`connectors.acls`), which also makes all of these rules on a Kafka whose authorizer denies by default.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import Any, Final, Literal

from broker.core import topics

__all__ = ["ADMIN", "CONNECTORS", "PRINCIPALS", "Mechanism", "Need", "login", "needs", "once_is_enough"]

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

ADMIN: Final = "admin"
"""Kafka's super user: makes topics and rules, and is no process of ours that stays."""
CONNECTORS: Final = "connectors"
PRINCIPALS: Final = {"ingest": "ingest", "relay": "relay", "notify": "notifier"}
"""Role of `broker work` to its principal; the other roles and processes have no business with Kafka."""


@dataclass(frozen=True, slots=True)
class Need:
    """Topics (or groups) that a principal reads or writes; with `prefix`, all whose names begin so."""

    kind: Literal["topic", "group"]
    name: str
    operation: Literal["read", "write"]
    prefix: bool = False


def needs(role: str, prefix: str = "") -> list[Need]:
    """Say what a background role does with Kafka (`prefix`: of the stack's topics and groups)."""

    def named(name: str) -> str:
        return topics.prefixed(name, prefix)

    group = Need("group", named(f"broker-{role}"), "read")
    match role:
        case "ingest":
            entities = Need("topic", named("entities."), "read", prefix=True)
            return [entities, Need("topic", named(topics.OPTOUTS), "read"), group]
        case "relay":
            dead = Need("topic", named("dead."), "write", prefix=True)
            return [Need("topic", named(topics.CHANGES), "write"), Need("topic", named(topics.OPTOUTS), "write"), dead]
        case "notify":
            return [Need("topic", named(topics.CHANGES), "read"), group]
    raise ValueError(f"role {role!r} has nothing to do with Kafka; these have: {', '.join(PRINCIPALS)}")


def once_is_enough(record: logging.LogRecord) -> bool:
    """Leave out aiokafka's word on every connection that a password goes without TLS: DATAPOLIS_KAFKA_TLS decides."""
    return "password in the clear" not in record.getMessage()


def login(user: str, password: str, mechanism: Mechanism, *, tls: bool) -> dict[str, Any]:
    """Give what each of aiokafka's clients is told to log in; nothing without a user."""
    if not user:
        return {}
    return {
        "security_protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "ssl_context": ssl.create_default_context() if tls else None,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }
