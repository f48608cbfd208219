"""Declarations of sources that are systems of their own: databases, SFTP servers, OPC UA servers, oneM2M platforms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connectors.specs.closed import Closed, Duration, Secret
from connectors.specs.push import Received

__all__ = ["OneM2MSource", "OpcUaSource", "SftpSource", "SqlSource"]

_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"


class SqlSource(Closed):
    """Rows of a table or view above a high-water mark: those whose (mark, id) is beyond the last one taken.

    Records are rows as JSON objects (decoder `json`). Only reads are made, in read-only transactions.
    """

    kind: Literal["sql"]
    dsn: Secret = Field(
        description="postgresql://user:password@host/database, mysql://.. (MariaDB too; ?tls=true), or sqlite:///path"
    )
    table: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")
    mark: str = Field(pattern=_IDENTIFIER, description="column that only grows: a serial number, or a time of change")
    id: str = Field(pattern=_IDENTIFIER, description="column that tells rows of the same mark apart; may be the mark")
    columns: tuple[str, ...] = Field(default=(), description="columns to read; all when empty")
    lag: Duration = Field(default=0.0, ge=0, description="a time mark is read when so old: transactions end late")
    batch: int = Field(default=1_000, gt=0, le=50_000)
    every: Duration = Field(default=10.0, ge=0.2)
    timeout: Duration = Field(default=30.0, gt=0)


class SftpSource(Closed):
    """Files of a folder on an SFTP server; one that changed is taken again. Needs the extra `sftp`."""

    kind: Literal["sftp"]
    host: str
    port: int = Field(default=22, gt=0, le=65_535)
    path: str = Field(description="a glob, such as /out/*.csv")
    username: str
    password: Secret | None = None
    key_file: str | None = Field(default=None, description="private key to log in with")
    host_key: str = Field(description="the server's public key, as in known_hosts: `ssh-ed25519 AAAA..`")
    every: Duration = Field(default=60.0, ge=0.2)
    timeout: Duration = Field(default=30.0, gt=0)
    max_bytes: int = Field(default=500_000_000, gt=0)

    @model_validator(mode="after")
    def _login(self) -> SftpSource:
        if (self.password is None) == (self.key_file is None):
            raise ValueError("needs either password or key_file")
        return self


class OpcUaSource(Closed):
    """Changes of variables of an OPC UA server, by subscription. Needs the extra `opcua`.

    Records are {node, name, value, status, source_time, server_time} (decoder `json`).
    """

    kind: Literal["opcua"]
    url: str = Field(pattern=r"^(opc\.tcp://|\$\{)")
    nodes: dict[str, str] = Field(default_factory=dict, description="name to node id, e.g. ns=2;s=Pump.Speed")
    browse: tuple[str, ...] = Field(default=(), description="node ids below which every variable is taken")
    interval: Duration = Field(default=1.0, gt=0, description="how often the server reports changes")
    queue: int = Field(default=100, gt=0, description="changes of a variable that the server keeps between reports")
    in_flight: int = Field(default=1_000, gt=0, description="changes taken and not yet in Kafka")
    username: str | None = None
    password: Secret | None = None
    timeout: Duration = Field(default=10.0, gt=0)
    max_nodes: int = Field(default=10_000, gt=0)

    @model_validator(mode="after")
    def _some(self) -> OpcUaSource:
        if not self.nodes and not self.browse:
            raise ValueError("needs nodes or browse")
        return self


class OneM2MSource(Received):
    """Content instances of a oneM2M CSE: subscribed to at the start, then received at `/push/<feed>`.

    `notify` is this endpoint's address as the CSE sees it. To poll instead, use `http` with the container's `/la`.
    """

    kind: Literal["onem2m"]
    url: str = Field(pattern=r"^(https?://|\$\{)", description="of the CSE, e.g. http://cse.example:8080")
    originator: str = Field(description="X-M2M-Origin, e.g. CAdmin or the AE's id")
    containers: tuple[str, ...] = Field(min_length=1, description="paths, e.g. cse-in/streetlights/levels")
    notify: str = Field(pattern=r"^(https?://|\$\{)")
    release: str = "3"
    latest: bool = Field(default=True, description="take each container's latest instance at the start")
