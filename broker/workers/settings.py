"""Settings of the background roles, beside those of the whole broker."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from broker.core.principals import PRINCIPALS, Mechanism, login
from broker.settings import BrokerSettings

__all__ = ["IndexerSettings", "WorkerSettings"]


class WorkerSettings(BrokerSettings):
    """What `python -m broker work` needs to know besides BrokerSettings."""

    worker: str = Field(
        default="", description="name of this worker, kept over restarts; empty: a new name at each start"
    )
    kafka_logins: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="passwords of the principals that roles log in to Kafka as (ingest, relay, notifier), as JSON",
    )
    kafka_mechanism: Mechanism = Field(default="SCRAM-SHA-512", description="how that principal logs in")
    kafka_tls: bool = Field(default=False, description="whether that log-in goes over TLS")
    session_ms: int = Field(default=10_000, ge=1000, description="how long Kafka waits for a silent worker")
    ingest_batch: int = Field(default=2000, ge=1, le=50_000, description="most records of one ingest transaction")
    ingest_wait_s: float = Field(default=0.2, gt=0, le=10, description="longest wait for an ingest batch")
    relay_idle_s: float = Field(default=0.05, gt=0, le=10, description="pause of the relay when nothing waits")
    notify_timeout_s: float = Field(default=5.0, gt=0, le=60, description="longest wait for a receiver's answer")
    notify_tries: int = Field(default=12, ge=1, le=100, description="tries before a notification is dead")
    notify_age_h: float = Field(default=24.0, gt=0, description="hours after which a waiting notification is dead")
    notify_first_s: float = Field(default=0.5, gt=0, description="first back-off after a failed call")
    notify_longest_s: float = Field(default=600.0, gt=0, description="longest back-off")
    notify_calls: int = Field(default=256, ge=1, description="calls under way, over all receivers")
    notify_calls_each: int = Field(default=8, ge=1, description="calls under way to one subscription's receiver")
    notify_page: int = Field(
        default=500, ge=1, le=1000, description="most entities of one periodic notification; more go in further ones"
    )
    expire_every_s: float = Field(default=1.0, gt=0, description="pause between sweeps for what has expired")
    months_every_s: float = Field(default=600.0, gt=0, description="pause between looks at history's partitions")

    def kafka_login(self, role: str) -> dict[str, Any]:
        """What the Kafka clients of a role are told to log in; nothing where its principal has no password here."""
        user = PRINCIPALS[role]
        password = self.kafka_logins.get(user)
        return (
            {}
            if password is None
            else login(user, password.get_secret_value(), self.kafka_mechanism, tls=self.kafka_tls)
        )


class IndexerSettings(BaseSettings):
    """What `python -m broker indexes` needs to know: little, as it logs in as the tables' owner."""

    model_config = SettingsConfigDict(env_prefix="DATAPOLIS_", extra="ignore")

    dsn_owner: SecretStr = Field(
        default=SecretStr(""), description="PostgreSQL as datapolis_owner, who owns the tables: migrations, indexes"
    )
    broker_host: str = "127.0.0.1"
    admin_port: int = Field(default=1027, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    index_every_s: float = Field(default=60.0, gt=0, description="pause between two looks at what queries ask for")
    index_seen: int = Field(default=20, ge=1, description="how often a path must have been asked for to get an index")
    index_rows: int = Field(default=10_000, ge=0, description="how many entities a tenant must have to get indexes")
    index_most: int = Field(default=16, ge=0, description="how many indexes a tenant gets at most")
    index_unused_days: float = Field(
        default=30.0, gt=0, description="days without a query after which an index is dropped"
    )
