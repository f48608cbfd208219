"""Kafka behind a log-in: who may call it, and the settings by which it asks and refuses. Standard library only.

Both listeners want SASL PLAIN, with generated passwords that stand in `secrets.env` and in Kafka's own settings, which
its account alone can read. The authorizer denies whatever no rule allows; rules are made by `connectors topics apply`.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ADMIN", "KAFKA_LOGINS", "PRINCIPALS", "access_properties", "password_name"]

ADMIN = "admin"
PRINCIPALS = (ADMIN, "connectors", "ingest", "relay", "notifier")
# Which principals each process logs in as; one of a single principal takes it for all that it does.
KAFKA_LOGINS: dict[str, tuple[str, ...]] = {
    "topics": (ADMIN,),
    "connectors": ("connectors",),
    "worker": ("ingest", "relay", "notifier"),
}
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def password_name(principal: str) -> str:
    """Name a principal's password as `secrets.env` does."""
    return f"KAFKA_{principal.upper()}"


def access_properties(port: int, controller: int, passwords: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a guarded Kafka on the loopback; `passwords` by principal."""
    own = f'{_PLAIN} username="{ADMIN}" password="{passwords[ADMIN]}"'
    users = " ".join(f'user_{name}="{password}"' for name, password in passwords.items())
    return {
        "listeners": f"INSIDE://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"INSIDE://127.0.0.1:{port}",
        "listener.security.protocol.map": "INSIDE:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.inside.plain.sasl.jaas.config": f"{own} {users};",
        "listener.name.controller.plain.sasl.jaas.config": f'{own} user_{ADMIN}="{passwords[ADMIN]}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{ADMIN}",
    }
