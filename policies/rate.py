"""Agreed rates: how many requests an agreement admits in a stretch of time, held over all workers together.

Theory of operation. A rate of N per period is a bucket that holds N requests and runs out evenly within a period; a
request that does not fit waits. Each worker lets in by its own reading of the bucket, and a few times a second adds
what it let in to the shared level and reads it back. Between two readings workers may together let in more than N;
that surplus stays in the bucket and is made good by the pause that follows, so over time the rate holds exactly.
A refused request costs nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from policies.decision import Duty
from policies.durations import parse
from policies.store.connect import Conn
from policies.store.rates import Poured, pour

__all__ = ["Rates"]


@dataclass(slots=True)
class _Bucket:
    """One rate as this process sees it: `level` at monotonic time `at`; `poured` is not yet shared."""

    size: int
    per_s: float
    level: float = 0.0
    at: float = field(default_factory=time.monotonic)
    poured: int = 0

    def settle(self, now: float) -> float:
        """Let run out what has run out since, and give the level."""
        self.level = max(0.0, self.level - self.per_s * (now - self.at))
        self.at = now
        return self.level


def _bucket(value: str) -> _Bucket:
    allowed, _, length = value.partition("/")
    return _Bucket(int(allowed), int(allowed) / parse(length).total_seconds())


class Rates:
    """The buckets of the rates that this process has met."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def wait_s(self, duty: Duty, requests: int = 1) -> float:
        """Tell how long until so many requests fit; 0: now. More than the bucket holds fit an empty one."""
        bucket = self._buckets.get((duty.agreement, duty.value))
        if bucket is None:
            return 0.0
        surplus = bucket.settle(time.monotonic()) + min(requests, bucket.size) - bucket.size
        return surplus / bucket.per_s if surplus > 1e-9 else 0.0

    def count(self, duty: Duty, requests: int = 1) -> None:
        """Pour requests that were let in."""
        key = (duty.agreement, duty.value)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _bucket(duty.value)
        bucket.settle(time.monotonic())
        bucket.level += requests
        bucket.poured += requests

    async def share(self, conn: Conn) -> None:
        """Add what was let in here to the shared levels and read them; empty buckets are let go."""
        now = time.monotonic()
        for key in [key for key, bucket in self._buckets.items() if bucket.settle(now) == 0 and not bucket.poured]:
            del self._buckets[key]
        if not self._buckets:
            return
        sent = {key: bucket.poured for key, bucket in self._buckets.items()}
        added = [Poured(*key, sent[key], self._buckets[key].per_s) for key in sorted(sent)]
        levels = await pour(conn, added)
        now = time.monotonic()
        for key, level in levels.items():
            bucket = self._buckets[key]
            bucket.poured -= sent[key]
            bucket.level, bucket.at = level + bucket.poured, now
