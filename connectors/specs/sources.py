"""Declarations of the basic sources: an MQTT broker, a URL, files."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from connectors.specs.closed import Closed, Duration, Secret

__all__ = ["FileSource", "GbfsSource", "HttpSource", "MqttSource", "Window"]


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


class Window(Closed):
    """Ask for windows of time that follow each other, each from the end of the last; what overlaps changes nothing.

    `since` and `until` name the query's parameters (Open311: start_date, end_date).
    """

    since: str
    until: str | None = None
    span: Duration = Field(default=86_400.0, gt=0, description="length of a window; Open311 allows 90d")
    begin: datetime | None = Field(default=None, description="where the first window begins; else one span ago")
    overlap: Duration = Field(default=0.0, ge=0, description="so much of the last window is asked for again")
    delay: Duration = Field(default=0.0, ge=0, description="the newest so much is left for later")


class HttpSource(Closed):
    """Poll a URL; an unchanged answer (ETag, Last-Modified, or same bytes) is not taken again."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^(https?://|\$\{)")
    every: Duration = Field(default=30.0, ge=0.2, description="seconds, or a duration such as 15s")
    timeout: Duration = Field(default=20.0, gt=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    headers: dict[str, str] = Field(default_factory=dict)
    post: str | None = Field(default=None, description="body to send by POST (SIRI requests); {now} is the time")
    next: str | None = Field(default=None, description="where a page leads on (expression over its JSON)")
    max_pages: int = Field(default=10_000, gt=0)
    window: Window | None = None

    @model_validator(mode="after")
    def _one_way(self) -> HttpSource:
        if self.post is not None and (self.window is not None or self.next is not None):
            raise ValueError("post goes with neither window nor next")
        return self


class GbfsSource(Closed):
    """Poll the files of a GBFS system, found by its discovery file, each when its `ttl` has passed."""

    kind: Literal["gbfs"]
    url: str = Field(pattern=r"^(https?://|\$\{)", description="gbfs.json")
    files: tuple[str, ...] = Field(min_length=1, description="e.g. station_information, station_status")
    language: str | None = Field(default=None, description="versions 1 and 2: which list of files; else the first")
    every: Duration = Field(default=30.0, ge=0.2)
    timeout: Duration = Field(default=20.0, gt=0)
    max_bytes: int = Field(default=50_000_000, gt=0)
    headers: dict[str, str] = Field(default_factory=dict)


class FileSource(Closed):
    """Read a file, the files of a glob pattern, or a file inside an installed package (`package://name/path`)."""

    kind: Literal["file"]
    path: str
    every: Duration = Field(default=5.0, ge=0.2)
    max_bytes: int = Field(default=2_000_000_000, gt=0)
