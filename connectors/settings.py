"""Settings of the connectors, read from the environment once, by `__main__`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.core.principals import Mechanism, login

__all__ = ["ConnectorSettings", "Network"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConnectorSettings(BaseSettings):
    """Every variable is `DATAPOLIS_` and the field's name in capitals; README.md lists them."""

    model_config = SettingsConfigDict(env_prefix="DATAPOLIS_", extra="ignore")

    kafka: str = "127.0.0.1:19092"
    kafka_user: str = Field(default="", description="principal that logs in to a Kafka with SASL; empty: none")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="password of that principal")
    kafka_mechanism: Mechanism = Field(default="SCRAM-SHA-512", description="how that principal logs in")
    kafka_tls: bool = Field(default=False, description="whether that log-in goes over TLS")
    session_ms: int = Field(default=10_000, ge=1_000, description="how long Kafka waits for a silent worker")
    mqtt: str = Field(default="127.0.0.1:11883", description="MQTT broker, host:port")
    city: Path = Path("city")
    data: Path | None = Field(default=None, description="folder of recorded data that feeds may name")
    state: Path = Path(".local")
    topic_prefix: str = ""
    admin_host: str = Field(default="127.0.0.1", description="address of health and metrics")
    admin_port: int = 18093
    push_host: str = Field(default="127.0.0.1", description="address that receives pushed feeds; put TLS before it")
    push_port: int = Field(default=18099, description="port of /push/<feed>; opened where a feed is pushed")
    egress_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    quality_interval: float = Field(default=5.0, gt=0, description="seconds between two reports of a feed's quality")
    domain_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="pseudonym keys by domain, as JSON; without, made in the state folder"
    )

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("data", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @property
    def kafka_login(self) -> dict[str, Any]:
        """What each of aiokafka's clients is told to log in; nothing without a user."""
        password = self.kafka_password.get_secret_value()
        return login(self.kafka_user, password, self.kafka_mechanism, tls=self.kafka_tls)

    @property
    def feeds(self) -> Path:
        """Folder of the city's feed declarations."""
        return self.city / "feeds"

    @property
    def feed_state(self) -> Path:
        """Folder where positions, counters and pauses are kept."""
        return self.state / "connectors"
