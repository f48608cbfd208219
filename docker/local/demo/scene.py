"""What the scenes of the demo share: the city's doors, the tokens of its people, the figures that they gather."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from broker.core import topics
from broker.core.principals import login
from docker.local.console import Trouble
from docker.local.demo.client import Answer, City
from docker.local.demo.show import Show

__all__ = ["Scene", "must"]


_LAGS = ("datapolis_ingest_lag", "datapolis_relay_waiting", "datapolis_notify_lag")


def must(condition: bool, what: str, seen: object) -> None:
    """Fail the demo, naming what was expected and what was seen instead."""
    if not condition:
        raise Trouble(f"Expected: {what}. Seen: {str(seen)[:600]}", "See the logs in .local/main/logs.")


@dataclass(slots=True)
class Scene:
    """The stage. `tokens` are by client name of city.yaml; `live` are the feeds that never end.

    `environment` is that of the connectors' process, for commands that stop and start a feed. `metrics` is the URL of
    the background worker's metrics.
    """

    city: City
    show: Show
    environment: dict[str, str]
    metrics: str
    tokens: dict[str, str]
    live: frozenset[str]
    figures: dict[str, Any] = field(default_factory=dict)

    async def entities(self, who: str | None, query: str, purpose: str | None = None) -> Answer:
        """Query entities as somebody of the sample city, or as the public, with the city's @context."""
        token = self.tokens[who] if who else None
        url = f"{self.city.broker}/ngsi-ld/v1/entities?{query}"
        return await self.city.ask(url, token, purpose, headers=self.link)

    @property
    def link(self) -> dict[str, str]:
        """The header that names the city's @context (CIM 009 V1.9.1, 6.3.5)."""
        rel = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        return {"Link": f"<{self.city.catalog}/context.jsonld>; {rel}"}

    async def readiness(self) -> dict[str, dict[str, Any]]:
        """Read every domain's verdict from the catalog."""
        answer = await self.city.ask(f"{self.city.catalog}/readiness")
        must(answer.status == 200, "the catalog answers 200 at /readiness", f"{answer.status} {answer.body}")
        return {each["domain"]: each for each in answer.body["domains"]}

    @property
    def recorded(self) -> bool:
        """Whether recorded data are at hand; without them no feed of the domain requests can run."""
        return bool(self.environment.get("DATAPOLIS_DATA"))

    async def terms(self) -> dict[str, str]:
        """Read the city's @context the other way round: the term of each IRI."""
        answer = await self.city.ask(f"{self.city.catalog}/context.jsonld")
        must(answer.status == 200, "the catalog answers 200 at /context.jsonld", f"{answer.status} {answer.body}")
        return {iri: term for term, iri in answer.body["@context"].items() if isinstance(iri, str)}

    async def waiting(self) -> int:
        """Count what the background worker has still to do: records to store, changes to relay and to notify."""
        answer = await self.city.ask(self.metrics)
        lines = [line.rpartition(" ") for line in str(answer.body).splitlines() if line.startswith(_LAGS)]
        return sum(int(float(value)) for _, _, value in lines)

    async def rejections(self, feeds: list[str]) -> dict[str, Counter[str]]:
        """Count dead letters by feed and rule, read from the dead-letter topics from their beginnings."""
        prefix = self.environment.get("DATAPOLIS_TOPIC_PREFIX", "")
        names = {prefix + topics.dead(feed): feed for feed in feeds}
        found: dict[str, Counter[str]] = {feed: Counter() for feed in feeds}
        consumer = AIOKafkaConsumer(
            *names,
            bootstrap_servers=self.environment["DATAPOLIS_KAFKA"],
            **login(
                self.environment.get("DATAPOLIS_KAFKA_USER", ""),
                self.environment.get("DATAPOLIS_KAFKA_PASSWORD", ""),
                "PLAIN",
                tls=False,
            ),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            waiting = {part for part, end in ends.items() if end > 0}
            while waiting:
                for part, messages in (await consumer.getmany(timeout_ms=500)).items():
                    for message in messages:
                        letter = orjson.loads(message.value)
                        where = f" ({letter['field']})" if letter.get("field") else ""
                        found[names[part.topic]][f"{letter['rule']}{where}"] += 1
                waiting = {part for part in waiting if await consumer.position(part) < ends[part]}
        finally:
            await consumer.stop()
        return found
