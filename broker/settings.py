"""The broker's settings, from environment variables that start with DATAPOLIS_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["BrokerSettings"]


class BrokerSettings(BaseSettings):
    """What one broker process needs to know; built in `__main__` and `app`, and passed down."""

    model_config = SettingsConfigDict(env_prefix="DATAPOLIS_", extra="ignore")

    dsn_broker: SecretStr = Field(
        default=SecretStr("postgresql://datapolis_broker@127.0.0.1:15432/datapolis"),
        description="PostgreSQL as datapolis_broker",
    )
    broker_host: str = Field(default="127.0.0.1", description="address the HTTP server binds")
    broker_port: int = Field(default=1026, ge=0, le=65535, description="port the HTTP server binds")
    broker_url: str = Field(default="http://127.0.0.1:1026", description="the broker as others reach it")
    broker_workers: int = Field(default=1, ge=1, le=64, description="HTTP worker processes")
    admin_port: int = Field(default=1027, ge=0, le=65535, description="port of metrics and health of the whole server")
    access: Literal["governed", "open"] = Field(default="governed", description="open: no policy, loopback only")
    city: Path = Field(default=Path("city"), description="the city folder")
    kafka: str = Field(default="127.0.0.1:19092", description="Kafka's bootstrap servers")
    topic_prefix: str = Field(default="", description="put before every topic and consumer group")
    egress_allow: str = Field(
        default="127.0.0.0/8,::1/128", description="private ranges that may be called, comma-separated CIDRs"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )

    pool_size: int = Field(
        default=8, ge=2, le=200, description="PostgreSQL connections per worker, besides two for the audit"
    )
    statement_timeout_s: float = Field(default=30.0, gt=0, description="longest wait for one SQL statement")
    body_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="longest request body")
    batch_max: int = Field(default=1000, ge=1, description="most entities in one batch")
    page_default: int = Field(default=20, ge=1, description="page size where the request names none")
    page_max: int = Field(default=1000, ge=1, description="largest page")
    temporal_page: int = Field(
        default=19,
        ge=1,
        description="most instances per attribute in one answer, the rest in further ones (206); ETSI's suite: 7 to 19",
    )
    join_max: int = Field(default=1000, ge=1, description="most linked entities that one answer joins")
    offset_max: int = Field(default=1_000_000, ge=0, description="largest offset; walks use `after`")
    drain_s: float = Field(default=10.0, gt=0, description="longest wait for open requests at the end")
