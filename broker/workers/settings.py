"""Settings of the background roles, beside those of the whole broker."""

from __future__ import annotations

from pydantic import Field

from broker.settings import BrokerSettings

__all__ = ["WorkerSettings"]


class WorkerSettings(BrokerSettings):
    """What `python -m broker work` needs to know besides BrokerSettings."""

    worker: str = Field(
        default="", description="name of this worker, kept over restarts; empty: a new name at each start"
    )
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
    expire_every_s: float = Field(default=1.0, gt=0, description="pause between sweeps for what has expired")
    months_every_s: float = Field(default=600.0, gt=0, description="pause between looks at history's partitions")
