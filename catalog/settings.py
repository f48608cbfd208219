"""Settings of the catalog, read once from the environment (`DATAPOLIS_...`) by `app.py` and `__main__.py`."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from broker.core.egress import Ranges, ranges

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Every variable the catalog reads; the README lists them and a test compares."""

    model_config = SettingsConfigDict(env_prefix="DATAPOLIS_", extra="ignore", frozen=True)

    city: Path = Field(default=Path("city"), description="the city folder")
    dsn_catalog: SecretStr = Field(
        default=SecretStr("postgresql://datapolis_catalog@127.0.0.1:15432/datapolis"),
        description="PostgreSQL, as datapolis_catalog",
    )
    broker_url: str = Field(default="http://127.0.0.1:1026", description="where the catalog reads the broker")
    broker_public_url: str = Field(default="", description="the broker as others reach it; empty: as the catalog does")
    catalog_url: str = Field(default="http://127.0.0.1:8000", description="the catalog as others reach it")
    catalog_host: str = Field(default="127.0.0.1", description="address to listen on")
    catalog_port: int = Field(default=8000, description="port to listen on")
    token_url: str = Field(default="http://127.0.0.1:18090/token", description="OIDC token endpoint")
    catalog_client_id: str = Field(default="catalog", description="the catalog's own client at the issuer")
    catalog_client_secret: SecretStr = Field(
        default=SecretStr(""), description="its secret; empty: from clients.json in DATAPOLIS_STATE"
    )
    state: Path = Field(default=Path(".local"), description="local state: the development issuer's client secrets")
    catalog_purpose: str = Field(default="", description="purpose named in the catalog's own reads")
    public_purpose: str = Field(default="", description="purpose named where the portal reads as the public")
    assess_interval_s: float = Field(default=5.0, gt=0, description="seconds between two assessments")
    roadmap_interval_s: float = Field(default=60.0, gt=0, description="seconds between two judgements of the roadmap")
    count_share: float = Field(
        default=0.02, ge=0, le=1, description="share of the time that may go into counting entities; 0: never counted"
    )
    score_interval_s: float = Field(default=300.0, gt=0, description="seconds between two scorings of the metadata")
    evidence_ttl_s: float = Field(default=900.0, gt=0, description="seconds for which a measurement counts as evidence")
    read_timeout_s: float = Field(default=10.0, gt=0, description="limit of one read from the broker")
    sparql_timeout_s: float = Field(default=5.0, gt=0, description="limit of one SPARQL query")
    live_ttl_s: float = Field(default=4.0, ge=0, description="seconds for which viewers share one reading of the map")
    live_most: int = Field(default=2000, ge=1, description="entities of a type on the live map at most")
    admin_port: int = Field(default=0, description="health and metrics of `assess`; 0: none")
    egress_allow: str = Field(default="127.0.0.0/8,::1/128", description="private ranges that may be called (CIDRs)")

    @property
    def egress(self) -> Ranges:
        """The private ranges that outbound calls may reach."""
        return ranges(self.egress_allow)

    def client_secret(self) -> str:
        """The catalog's secret at the issuer: as set, else as the development issuer made it."""
        given = self.catalog_client_secret.get_secret_value()
        if given:
            return given
        try:
            known = orjson.loads((self.state / "clients.json").read_bytes())
        except (OSError, ValueError):
            return ""
        return str(known.get(self.catalog_client_id, "")) if isinstance(known, dict) else ""

    @property
    def broker_for_others(self) -> str:
        """The broker's base URL to publish, without a final slash."""
        return (self.broker_public_url or self.broker_url).rstrip("/")
