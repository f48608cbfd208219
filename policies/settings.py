"""Settings of the trust: environment variables `DATAPOLIS_*`, read once by each process and passed down."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from broker.core.egress import Ranges, ranges

__all__ = ["PolicySettings"]


class PolicySettings(BaseSettings):
    """Where the trust finds its database, its policy engine and the token issuer's keys."""

    model_config = SettingsConfigDict(env_prefix="DATAPOLIS_", extra="ignore", frozen=False)

    dsn_policies: SecretStr = Field(
        default=SecretStr("postgresql://datapolis_policies@127.0.0.1:15432/datapolis"),
        description="PostgreSQL as datapolis_policies; the broker passes its own DSN here",
    )
    opa_url: str = Field(default="http://127.0.0.1:18181", description="Open Policy Agent")
    jwks_url: str = Field(default="", description="the issuer's public keys; empty: where its discovery says")
    issuer: str = Field(default="http://127.0.0.1:18090", description="the only accepted `iss`")
    audience: str = Field(default="datapolis", description="the `aud` that a token must name")
    access: Literal["governed", "open"] = Field(default="governed", description="open: no policy, loopback only")
    catalog_url: str = Field(default="http://127.0.0.1:8000", description="the catalog, where to apply")
    broker_url: str = Field(default="http://127.0.0.1:1026", description="the broker")
    broker_public_url: str = Field(default="", description="the broker as others reach it; empty: as the catalog does")
    egress_allow: str = Field(default="127.0.0.0/8,::1/128", description="private ranges that may be called (CIDRs)")
    city: Path = Field(default=Path("city"), description="the city folder")
    state: Path = Field(default=Path(".local"), description="local state: keys and secrets")

    claim_party: str = Field(default="party", description="claim with the party; dots lead into objects")
    claim_tier: str = Field(default="tier", description="claim with the tier")
    claim_roles: str = Field(default="roles", description="claim with the roles, such as realm_access.roles")
    claim_purpose: str = Field(default="purpose", description="claim with the purposes that the token is for")
    token_leeway_s: float = Field(default=5.0, ge=0, le=60, description="clock difference admitted with the issuer")
    token_max_bytes: int = Field(default=8192, ge=512, description="longest token read")
    jwks_refetch_s: float = Field(default=10.0, ge=0, description="least time between fetches of the keys")
    jwks_ttl_s: float = Field(default=300.0, ge=1, description="longest life of fetched keys")
    decision_cache: int = Field(default=50_000, ge=1, description="decisions kept")
    heartbeat_s: float = Field(default=0.25, gt=0, description="OPA heartbeat and revision poll")
    stale_after_s: float = Field(default=1.0, gt=0, description="older heartbeat or revision: no decision is given")
    opa_timeout_s: float = Field(default=0.9, gt=0, description="longest wait for OPA or for the revision")
    seal_every_s: float = Field(default=1.0, gt=0, le=5, description="time between two checkpoints of the audit log")
    log_origin: str = Field(default="datapolis.example/trust/log", description="the audit log's name in checkpoints")
    token: SecretStr = Field(default=SecretStr(""), description="bearer token of the commands at the trust's desk")
    smtp_url: SecretStr = Field(
        default=SecretStr(""), description="mail server for notices: smtp://user:password@host:587; empty: no mail"
    )
    mail_from: str = Field(default="Data trust <trust@datapolis.example>", description="sender of notices by mail")
    notice_first_s: float = Field(default=2.0, gt=0, description="first back-off after a notice was not taken")
    notice_tries: int = Field(default=16, ge=1, description="tries before a notice is dead")
    notice_timeout_s: float = Field(default=5.0, gt=0, description="longest wait for a notice's receiver")
    admin_host: str = Field(default="127.0.0.1", description="address of health and metrics")
    admin_port: int | None = Field(default=None, description="port of the sealer's health and metrics")

    @cached_property
    def egress(self) -> Ranges:
        """The private ranges that outbound calls may reach."""
        return ranges(self.egress_allow)
