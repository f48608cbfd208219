"""Find out what the broker holds: counts and a sample of each type, feed status and quality.

Counts are read with the catalog's own service token under an agreement of its own, so that they are of everything held;
what the connectors report is public, and an outsider reads the same. No entity is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from catalog.broker import Broker, BrokerRefused, Entity
from catalog.dataset import DomainFacts, Extent, FeedStatus, Measurement, TypeCount

__all__ = [
    "FEED",
    "MEASUREMENT",
    "PLATFORM",
    "counted",
    "moment",
    "points",
    "read_feed",
    "read_measurement",
    "read_sample",
    "reports",
]

PLATFORM = "platform"
NS = "https://datapolis.example/ns#"
DQV = "http://www.w3.org/ns/dqv#"
FEED = f"{NS}Feed"
MEASUREMENT = f"{DQV}QualityMeasurement"

_SAMPLE = 100
_PAGE = 1000
_PARALLEL = 4
_NOT_ATTRIBUTES = frozenset(("id", "type", "scope", "@context", "createdAt", "modifiedAt", "expiresAt"))


async def counted(broker: Broker, domains: Sequence[DomainFacts]) -> dict[str, tuple[TypeCount, ...]]:
    """Counts and a sample of every type of these domains. Raises what `Broker.entities` raises."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(domain: DomainFacts) -> tuple[TypeCount, ...]:
        return tuple(await asyncio.gather(*(_count(broker, gate, domain, type_) for type_ in domain.types)))

    return dict(zip([d.name for d in domains], await asyncio.gather(*map(one, domains)), strict=True))


async def reports(broker: Broker) -> tuple[dict[str, tuple[FeedStatus, ...]], dict[str, tuple[Measurement, ...]]]:
    """What the connectors report, by domain: each feed's status, and the quality of what it delivered."""
    feeds: dict[str, list[FeedStatus]] = {}
    for entity in await _everything(broker, FEED):
        feeds.setdefault(_text(entity, "domain") or "", []).append(read_feed(entity))
    measured: dict[str, list[Measurement]] = {}
    for entity in await _everything(broker, MEASUREMENT):
        measured.setdefault(_text(entity, "domain") or "", []).append(read_measurement(entity))
    return (
        {name: tuple(sorted(each, key=lambda f: f.feed)) for name, each in feeds.items()},
        {name: tuple(sorted(each, key=lambda m: (m.feed, m.dimension))) for name, each in measured.items()},
    )


async def _everything(broker: Broker, type_: str) -> list[Entity]:
    """All platform entities of a type, page by page; none yet when the tenant has not been made."""
    found: list[Entity] = []
    while True:
        try:
            page = await broker.entities(type_, PLATFORM, _PAGE, offset=len(found))
        except BrokerRefused as error:
            if error.status == 404:
                return []
            raise
        found += page.entities
        if len(page.entities) < _PAGE:
            return found


async def _count(broker: Broker, gate: asyncio.Semaphore, domain: DomainFacts, type_: str) -> TypeCount:
    async with gate:
        try:
            page = await broker.entities(type_, domain.tenant, _SAMPLE, count=True)
        except BrokerRefused as error:
            if error.status == 404:
                return TypeCount(type_, 0)
            raise
    return read_sample(type_, page.entities, page.count if page.count is not None else len(page.entities))


def read_sample(type_: str, entities: Sequence[Entity], count: int) -> TypeCount:
    """What a sample of a type's entities shows: attributes, where, and from when."""
    names = sorted({name for e in entities for name in e if name not in _NOT_ATTRIBUTES})
    seen = [at for e in entities for at in _observations(e)]
    where = [p for e in entities for p in points(e.get("location"))]
    size = round(len(orjson.dumps(entities)) / len(entities) * count) if entities else None
    return TypeCount(
        type_, count, tuple(names), Extent.of(where), min(seen, default=None), max(seen, default=None), size
    )


def read_feed(entity: Entity) -> FeedStatus:
    """A `Feed` entity as a feed's status."""
    return FeedStatus(
        _last(entity["id"], 1),
        _text(entity, "status") or "unknown",
        int(_value(entity, "received") or 0),
        int(_value(entity, "mapped") or 0),
        int(_value(entity, "rejected") or 0),
        moment(_value(entity, "lastRecordAt")),
        moment(_value(entity, "lastObservedAt")),
    )


def read_measurement(entity: Entity) -> Measurement:
    """A `dqv:QualityMeasurement` entity as a measurement."""
    dimension = _text(entity, "dimension") or _last(entity["id"], 1)
    feed = _relation(entity.get(f"{NS}feed"))
    return Measurement(
        _last(feed, 1) if feed else _last(entity["id"], 2),
        dimension.rpartition("#")[2],
        float(_value(entity, "value", DQV) or 0.0),
        max(_observations(entity), default=None),
    )


def moment(value: object) -> datetime | None:
    """An ISO 8601 time, also as a JSON-LD typed value, in UTC."""
    if isinstance(value, Mapping):
        value = value.get("@value")
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def points(location: object) -> Iterator[tuple[float, float]]:
    """Every (lon, lat) in a GeoProperty or a GeoJSON geometry."""
    if isinstance(location, Mapping):
        geometry = location.get("value", location)
        if isinstance(geometry, Mapping):
            yield from _positions(geometry.get("coordinates"))
            for part in geometry.get("geometries") or ():
                yield from points(part)


def _positions(coordinates: object) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates, list) and len(coordinates) >= 2 and isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
    elif isinstance(coordinates, list):
        for part in coordinates:
            yield from _positions(part)


def _instances(entity: Entity) -> Iterator[Mapping[str, Any]]:
    for name, given in entity.items():
        if name not in _NOT_ATTRIBUTES:
            yield from (i for i in (given if isinstance(given, list) else (given,)) if isinstance(i, Mapping))


def _observations(entity: Entity) -> Iterable[datetime]:
    return [at for i in _instances(entity) if (at := moment(i.get("observedAt"))) is not None]


def _value(entity: Entity, name: str, space: str = NS) -> Any:
    given = entity.get(space + name)
    if isinstance(given, list):
        given = given[0] if given else None
    return given.get("value") if isinstance(given, Mapping) else None


def _text(entity: Entity, name: str) -> str | None:
    value = _value(entity, name)
    return value if isinstance(value, str) else None


def _relation(given: object) -> str | None:
    target = given.get("object") if isinstance(given, Mapping) else None
    return target if isinstance(target, str) else None


def _last(urn: str, part: int) -> str:
    """A part of a URN, counted from its end."""
    return urn.split(":")[-part]
