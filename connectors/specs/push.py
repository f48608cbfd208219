"""Declarations of endpoints that others send to, and how they prove who they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.specs.closed import Closed, Duration, Secret

__all__ = [
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "HeaderAuth",
    "HmacAuth",
    "PushSource",
    "QueryAuth",
    "Received",
    "StandardWebhooks",
]


class BearerAuth(Closed):
    """`Authorization: Bearer <token>`: what network servers and brokers can send as a fixed header."""

    kind: Literal["bearer"]
    token: Secret


class BasicAuth(Closed):
    """`Authorization: Basic ..`."""

    kind: Literal["basic"]
    username: str = Field(min_length=1)
    password: Secret


class HeaderAuth(Closed):
    """A header of the sender's own with a fixed value, such as X-Api-Key."""

    kind: Literal["header"]
    name: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    value: Secret


class QueryAuth(Closed):
    """A secret in the address, `?token=..`, for senders that can do nothing else. Keep it out of proxies' logs."""

    kind: Literal["query"]
    name: str = Field(default="token", pattern=r"^[A-Za-z0-9_-]+$")
    value: Secret


class HmacAuth(Closed):
    """A signature over the body by a shared secret; with `timestamp`, over `<timestamp>.<body>`, for a while."""

    kind: Literal["hmac"]
    secret: Secret
    header: str = Field(default="X-Hub-Signature-256", pattern=r"^[A-Za-z0-9-]+$")
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", description="before the signature in the header, e.g. sha256=")
    timestamp: str | None = Field(default=None, description="header with the seconds since 1970 that are signed too")
    tolerance: Duration = Field(default=300.0, gt=0, description="a timestamp further off is refused (replay)")


class StandardWebhooks(Closed):
    """Standard Webhooks 1.0: webhook-id, webhook-timestamp, webhook-signature (v1, symmetric)."""

    kind: Literal["standard-webhooks"]
    secret: Secret = Field(description="whsec_ and base64, as the sender shows it")
    tolerance: Duration = Field(default=300.0, gt=0)


Auth = Annotated[
    BearerAuth | BasicAuth | HeaderAuth | QueryAuth | HmacAuth | StandardWebhooks, Field(discriminator="kind")
]
"""How a sender proves who it is; there is no endpoint without."""


class Received(Closed):
    """What every feed that is sent to says: who may send, and how much."""

    auth: Auth
    max_bytes: int = Field(default=1_000_000, gt=0)
    waiting: int = Field(default=200, gt=0, description="requests that may wait for Kafka; more get 503")
    timeout: Duration = Field(default=10.0, gt=0, description="longest wait for Kafka")


class PushSource(Received):
    """Receive at `/push/<feed>`; a request is answered once Kafka holds it, and with 503 where that is not possible."""

    kind: Literal["push"]
