"""What the ingest worker admits: which feed may publish which types of which domain, by the agreements in force."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from policies.store.connect import Conn
from policies.store.publish import publishing

__all__ = ["PublishRules", "publish_rules"]

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PublishRules:
    """Feed to the places (tenant, domain) it may publish to; place to the types that may be published there."""

    feeds: dict[str, frozenset[Place]]
    types: dict[Place, frozenset[str]]
    by_feed: dict[tuple[str, str, str], frozenset[str]]
    """(feed, tenant, domain) to the types that this feed may publish there."""

    def admits(self, feed: str, tenant: str, domain: str, types: list[str]) -> bool:
        """Tell whether the feed may publish an entity of these types there."""
        granted = self.by_feed.get((feed, tenant, domain), frozenset())
        return bool(types) and granted.issuperset(types)


async def publish_rules(conn: Conn) -> PublishRules:
    """Read the rules in force now; read them again at each revision and when agreements end."""
    feeds: defaultdict[str, set[Place]] = defaultdict(set)
    types: defaultdict[Place, set[str]] = defaultdict(set)
    by_feed: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in await publishing(conn):
        place = (row["tenant"], row["domain"])
        granted = _texts(row["types"])
        types[place].update(granted)
        for feed in _texts(row["feeds"]):
            feeds[feed].add(place)
            by_feed[feed, *place].update(granted)
    return PublishRules(
        {feed: frozenset(places) for feed, places in feeds.items()},
        {place: frozenset(names) for place, names in types.items()},
        {key: frozenset(names) for key, names in by_feed.items()},
    )


def _texts(value: Any) -> list[str]:
    """Read a jsonb array of texts, whether or not the connection decodes jsonb."""
    found: list[str] = json.loads(value) if isinstance(value, str) else value
    return found
