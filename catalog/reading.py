"""One round of reading everything that the gates look at, over HTTP and nothing else.

The assessor and an outsider who verifies it read by this same function: the one with the catalog's token, the other
without any.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp

from catalog import terms
from catalog.broker import Broker
from catalog.dataset import DomainFacts, Harvest
from catalog.evidence import Sources
from catalog.harvest import FEED, MEASUREMENT, reports

__all__ = ["read", "sources"]


def sources(catalog_url: str, broker_url: str) -> Sources:
    """The public URLs at which an outsider finds what the gates looked at."""
    catalog, entities = catalog_url.rstrip("/"), f"{broker_url.rstrip('/')}/ngsi-ld/v1/entities?type="
    return Sources(
        f"{catalog}/trust/domains",
        f"{catalog}/trust/terms/{{domain}}",
        f"{catalog}/trust/assessments?domain={{domain}}",
        f"{catalog}/feeds?domain={{domain}}",
        entities + FEED.replace("#", "%23"),
        entities + MEASUREMENT.replace("#", "%23"),
    )


async def read(
    http: aiohttp.ClientSession,
    catalog_url: str,
    broker: Broker,
    domains: Sequence[DomainFacts],
    machinery: frozenset[str],
) -> list[Harvest]:
    """Everything that is said of these domains but the counts of their entities. Half a reading is none: raises
    TermsUnavailable and what `Broker.entities` raises."""
    covered = await terms.agreements(http, catalog_url, domains, machinery)
    assessed = await terms.assessments(http, catalog_url)
    declared = await terms.origins(http, catalog_url)
    feeds, measured = await reports(broker)
    now = datetime.now(UTC)
    return [
        Harvest(
            d,
            now,
            (),
            feeds.get(d.name, ()),
            measured.get(d.name, ()),
            covered[d.name],
            assessed.get(d.name, ()),
            declared.get(d.name, ()),
        )
        for d in domains
    ]
