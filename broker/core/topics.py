"""Kafka topics: their names, settings, and the keys of their records. Auto-creation is off; these are all of them.

Names are built here and nowhere else. A prefix (setting `DATAPOLIS_TOPIC_PREFIX`) is put before every topic and every
consumer group by `prefixed`, so that several stacks can share one Kafka.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "CHANGES",
    "OPTOUTS",
    "UNKNOWN_FEED",
    "Topic",
    "dead",
    "entities",
    "key",
    "prefixed",
    "records",
    "specs",
    "split_key",
]

CHANGES = "changes"
OPTOUTS = "control.optouts"
UNKNOWN_FEED = "unknown"
"""Stands for the feed in `dead.<feed>` where a record does not say whose it is."""

_DAY_MS = 86_400_000
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to declare. `retention_ms` None means compaction."""

    name: str
    partitions: int
    retention_ms: int | None

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings by Kafka's own names."""
        if self.retention_ms is None:
            return {"cleanup.policy": "compact"}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


def records(feed: str) -> str:
    """Name the topic of a feed's decoded, minimised records."""
    return f"feeds.{_checked(feed)}.records"


def entities(domain: str) -> str:
    """Name the topic of a domain's entity envelopes."""
    return f"entities.{_checked(domain)}"


def dead(feed: str) -> str:
    """Name the topic of a feed's dead letters (reason and position, never a payload)."""
    return f"dead.{_checked(feed)}"


def prefixed(name: str, prefix: str = "") -> str:
    """Put the stack's prefix before a topic or consumer group."""
    return prefix + name


def key(scope: str, subject: str) -> bytes:
    """Build a record key: tenant (or domain), NUL, entity id (or pseudonym)."""
    return f"{scope}\0{subject}".encode()


def split_key(data: bytes) -> tuple[str, str]:
    """Take a record key apart again; ValueError if it is none."""
    scope, found, subject = data.decode().partition("\0")
    if not found:
        raise ValueError("record key without NUL")
    return scope, subject


def specs(
    feeds: Iterable[str], domains: Iterable[str], *, partitions: int = 6, raw_days: int = 7, prefix: str = ""
) -> list[Topic]:
    """List every topic of a city with these feeds and domains, sorted by name."""
    found = [
        Topic(CHANGES, partitions, 3 * _DAY_MS),
        Topic(OPTOUTS, 1, None),
        Topic(dead(UNKNOWN_FEED), 1, 30 * _DAY_MS),
    ]
    for feed in feeds:
        found += [Topic(records(feed), partitions, raw_days * _DAY_MS), Topic(dead(feed), 1, 30 * _DAY_MS)]
    found += [Topic(entities(domain), partitions, 7 * _DAY_MS) for domain in domains]
    named = [Topic(prefixed(topic.name, prefix), topic.partitions, topic.retention_ms) for topic in found]
    return sorted(named, key=lambda topic: topic.name)


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot name a topic: lower-case letters, digits and single hyphens only")
    return name
