"""Counters of a feed and what follows from them: status and quality measurements as platform entities (DQV).

Completeness is the share of expected attributes that came (a record rejected for what it lacks brought none); validity
the share of records that passed; timeliness the share observed recently enough (only where the feed declares
`max_age`); uniqueness the share that did not say again what was said within the window (`Recent`); consistency the
share of records that were made as the feed's learnt baseline says, so that 1 - consistency is schema drift (`drift`).
All are shares since the feed's first record; counters outlive a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from connectors.functions import utc

__all__ = ["Counters", "Recent", "platform_entities"]

NS = "https://datapolis.example/ns#"
DQV = "http://www.w3.org/ns/dqv#"
_FIXED = "2026-01-01T00:00:00Z"  # what never changes has one time, so that it makes one row of history


@dataclass(slots=True)
class Counters:
    """Counts since the feed's first record. received = records that the source gave, good or bad."""

    received: int = 0
    mapped: int = 0
    rejected: int = 0
    expected: int = 0
    present: int = 0
    timed: int = 0
    timely: int = 0
    repeated: int = 0
    compared: int = 0
    drifted: int = 0
    last_record_at: str = ""
    last_observed_at: str = ""

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Counters:
        """Restore counters; members that are not known are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def state(self) -> dict[str, Any]:
        """Give what `of` restores."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Counters) -> Counters:
        """Add counts; the later of times."""
        mine, theirs = self.state(), other.state()
        return Counters.of(
            {name: max(one, theirs[name]) if isinstance(one, str) else one + theirs[name] for name, one in mine.items()}
        )

    def shares(self) -> Iterator[tuple[str, float]]:
        """Give each dimension that can be said so far, 0 to 1."""
        if self.expected:
            yield "completeness", self.present / self.expected
        if self.mapped + self.rejected:
            yield "validity", self.mapped / (self.mapped + self.rejected)
        if self.timed:
            yield "timeliness", self.timely / self.timed
        if self.mapped:
            yield "uniqueness", 1 - self.repeated / self.mapped
        if self.compared:
            yield "consistency", 1 - self.drifted / self.compared


class Recent:
    """The window in which repeats are found: the last observations of all entities, by hash, bounded.

    An observation is entity, time and which attributes; it comes again if another record says it. The same record
    mapped a second time (its offset could not be committed, its partition came back) is the same observation: it has
    the idempotency key that it had, and the broker takes it once.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._seen: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._most = most

    def repeated(self, entity: str, observed: str, attributes: Hashable, place: tuple[int, int]) -> bool:
        """Note an observation and the record (partition, offset) it stems from; True if another record said it."""
        key = hash((entity, observed, attributes))
        before = self._seen.setdefault(key, place)
        self._seen.move_to_end(key)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return before != place


def platform_entities(feed: str, domain: str, status: str, counters: Counters, at: datetime) -> list[dict[str, Any]]:
    """Describe a feed as entities of tenant `platform`, in expanded names."""
    observed = utc(at)

    def prop(value: object) -> dict[str, object]:
        return {"type": "Property", "value": value, "observedAt": observed}

    def fixed(value: object) -> dict[str, object]:
        return {"type": "Property", "value": value, "observedAt": _FIXED}

    feed_id = f"urn:ngsi-ld:Feed:{feed}"
    entity: dict[str, Any] = {"id": feed_id, "type": [f"{NS}Feed"]}
    entity[NS + "domain"] = fixed(domain)
    for name, value in (
        ("status", status),
        ("received", counters.received),
        ("mapped", counters.mapped),
        ("rejected", counters.rejected),
        ("drifted", counters.drifted),
        ("lastRecordAt", counters.last_record_at),
        ("lastObservedAt", counters.last_observed_at),
    ):
        if value != "":
            entity[NS + name] = prop(value)
    return [entity] + [
        {
            "id": f"urn:ngsi-ld:QualityMeasurement:{feed}:{dimension}",
            "type": [f"{DQV}QualityMeasurement"],
            f"{NS}domain": fixed(domain),
            f"{NS}dimension": fixed(dimension),
            f"{DQV}value": prop(share if round(share, 6) == 1 else round(share, 6)),  # a part is never the whole
            f"{NS}feed": {"type": "Relationship", "object": feed_id, "observedAt": _FIXED},
        }
        for dimension, share in counters.shares()
    ]
