"""Declarations of the basic sources: an MQTT broker, a URL, files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connectors.specs.closed import Closed, Duration, Secret

__all__ = ["FileSource", "HttpSource", "MqttSource"]


class MqttSource(Closed):
    """Subscribe to topics of an MQTT broker; without `host` the city's own (`DATAPOLIS_MQTT`).

    A message is acknowledged once Kafka holds it. QoS 2 is not offered: its handshake ends before that.
    """

    kind: Literal["mqtt"]
    topics: tuple[str, ...] = Field(min_length=1)
    host: str | None = None
    qos: Literal[0, 1] = 1
    version: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    max_bytes: int = Field(default=65_536, gt=0)
    in_flight: int = Field(default=1_000, gt=0, le=65_535, description="messages taken and not yet acknowledged")

    @model_validator(mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("version"), int | float):
            return {**value, "version": str(value["version"])}
        return value

    @model_validator(mode="after")
    def _together(self) -> MqttSource:
        if self.password is not None and self.username is None:
            raise ValueError("password needs username")
        return self


class HttpSource(Closed):
    """Poll a URL; an unchanged answer (ETag, Last-Modified, or same bytes) is not taken again."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^(https?://|\$\{)")
    every: Duration = Field(default=30.0, ge=0.2, description="seconds, or a duration such as 15s")
    timeout: Duration = Field(default=20.0, gt=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    headers: dict[str, str] = Field(default_factory=dict)


class FileSource(Closed):
    """Read a file, the files of a glob pattern, or a file inside an installed package (`package://name/path`)."""

    kind: Literal["file"]
    path: str
    every: Duration = Field(default=5.0, ge=0.2)
    max_bytes: int = Field(default=2_000_000_000, gt=0)
