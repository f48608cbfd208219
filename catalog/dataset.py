"""What the catalog knows of the city's data: domains, the datasets in them, and what feeds them.

Pure values. `catalog.harvest` reads them from the broker, `catalog.store` keeps them, `catalog.dcat` writes them as
DCAT-AP and `catalog.readiness` judges them. Types and attributes are expanded IRIs; times are aware and in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

__all__ = [
    "Agent",
    "Agreement",
    "Assessment",
    "Catalogue",
    "Classification",
    "Dataset",
    "DomainFacts",
    "Extent",
    "FeedStatus",
    "Harvest",
    "Measurement",
    "Origin",
    "TypeCount",
    "around",
    "datasets",
    "local_name",
    "words",
]

Classification: TypeAlias = Literal["open", "internal", "personal", "sensitive"]


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What a city declared of one data domain; `None` and empty mean that it is not declared."""

    name: str
    title: str
    description: str | None
    tenant: str
    types: tuple[str, ...]
    classification: Classification
    terms: tuple[tuple[str, str], ...] = ()
    owner: str | None = None
    owner_name: str | None = None
    steward: str | None = None
    steward_name: str | None = None
    contact: str | None = None
    licence: str | None = None
    theme: str | None = None
    purposes: tuple[str, ...] = ()
    targets: tuple[tuple[str, float], ...] = ()
    freshness_s: float | None = None
    target_reasons: tuple[tuple[str, str], ...] = ()
    retention: tuple[tuple[str, str], ...] = ()

    def target(self, dimension: str) -> float | None:
        """The target (0..1) the city set for a quality dimension, if any."""
        return next((value for name, value in self.targets if name == dimension), None)

    def term(self, iri: str) -> str:
        """The city's own short name of a type, else the last part of its IRI."""
        return next((term for known, term in self.terms if known == iri), None) or local_name(iri)


@dataclass(frozen=True, slots=True)
class Extent:
    """A bounding box in degrees (WGS 84): west, south, east, north."""

    west: float
    south: float
    east: float
    north: float

    @staticmethod
    def of(points: Iterable[tuple[float, float]], step: float = 0.1) -> Extent | None:
        """The box around (lon, lat) points, widened to a grid of `step` degrees so that no single point shows."""
        seen = list(points)
        if not seen:
            return None
        west, east = min(p[0] for p in seen), max(p[0] for p in seen)
        south, north = min(p[1] for p in seen), max(p[1] for p in seen)
        return Extent(
            max(-180.0, round(math.floor(west / step) * step, 6)),
            max(-90.0, round(math.floor(south / step) * step, 6)),
            min(180.0, round(math.floor(east / step + 1) * step, 6)),
            min(90.0, round(math.floor(north / step + 1) * step, 6)),
        )


def around(boxes: Iterable[Extent | None]) -> Extent | None:
    """The box around boxes; none around none."""
    found = [b for b in boxes if b]
    if not found:
        return None
    west, south = min(b.west for b in found), min(b.south for b in found)
    return Extent(west, south, max(b.east for b in found), max(b.north for b in found))


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many entities of a type the broker holds, and what a sample of them showed. `size` is about how many bytes
    all of them are."""

    type: str
    count: int
    attributes: tuple[str, ...] = ()
    extent: Extent | None = None
    first_observed: datetime | None = None
    last_observed: datetime | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed as its connector last reported it (entity `Feed` of tenant `platform`)."""

    feed: str
    status: str
    received: int
    mapped: int
    rejected: int
    last_record_at: datetime | None
    last_observed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quality measurement of a feed (`dqv:QualityMeasurement`): a dimension and its value, 0 to 1."""

    feed: str
    dimension: str
    value: float
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement in force, as far as coverage needs it: to whom it gives which types."""

    uid: str
    version: int
    assignee: str
    types: tuple[str, ...]
    purposes: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """An impact assessment as it is published: until when it is current."""

    uid: str
    until: datetime
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """A feed as the city declares it: what it brings, from what kind of source, under whose licence.

    `digest` is of the declaration's text, so that a change of its mapping shows.
    """

    feed: str
    title: str
    domain: str
    kind: str
    types: tuple[str, ...]
    licence: str | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Harvest:
    """All that one round of reading found out about one domain."""

    domain: DomainFacts
    at: datetime
    counts: tuple[TypeCount, ...] = ()
    feeds: tuple[FeedStatus, ...] = ()
    quality: tuple[Measurement, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    origins: tuple[Origin, ...] = ()

    def covering(self, type_: str) -> tuple[Agreement, ...]:
        """The agreements in force that name this type."""
        return tuple(a for a in self.agreements if type_ in a.types)

    def newest_record(self) -> datetime | None:
        """When any feed of the domain last delivered a record."""
        return max((f.last_record_at for f in self.feeds if f.last_record_at), default=None)


@dataclass(frozen=True, slots=True)
class Agent:
    """An organisation that publishes or answers for data."""

    uri: str
    name: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of the catalog: the entities of one type in one domain. `metadata`: its points by the EU method."""

    domain: str
    slug: str
    type: str
    title: str
    description: str
    publisher: Agent
    contact: str | None
    licence: str | None
    theme: str | None
    classification: Classification
    purposes: tuple[str, ...]
    count: int
    feeds: tuple[str, ...]
    keywords: tuple[str, ...]
    freshness_s: float | None
    extent: Extent | None
    first_observed: datetime | None
    issued: datetime
    modified: datetime
    public: bool
    tenant: str = "default"
    size: int | None = None
    quality: tuple[Measurement, ...] = ()
    origins: tuple[Origin, ...] = ()
    metadata: int | None = None

    @property
    def id(self) -> str:
        """The dataset's name in the whole catalog."""
        return f"{self.domain}/{self.slug}"

    @property
    def short(self) -> str:
        """The type as people say it: `Air quality observed`."""
        return words(self.slug)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole catalog of a city, ready to be written in any form. URLs end without a slash."""

    city: str
    language: str
    base_url: str
    broker_url: str
    datasets: tuple[Dataset, ...]
    issued: datetime
    modified: datetime
    publisher: Agent
    extent: Extent | None = None


def local_name(iri: str) -> str:
    """The last part of an IRI, for people and paths: `https://example.org/ns#Vehicle` is `Vehicle`."""
    return iri.rstrip("/#").replace("#", "/").rpartition("/")[2].rpartition(":")[2] or iri


def words(name: str) -> str:
    """A camel-case name as words: `AirQualityObserved` is `Air quality observed`."""
    parts: list[str] = []
    for char in name:
        if char.isupper() and parts and not parts[-1][-1:].isupper():
            parts.append(char)
        elif parts:
            parts[-1] += char
        else:
            parts.append(char)
    return (
        " ".join([parts[0], *(p.lower() if p[1:].islower() or len(p) == 1 else p for p in parts[1:])]) if parts else ""
    )


def _slugs(domain: DomainFacts) -> dict[str, str]:
    """A path segment per type, its short name, numbered where two types share one."""
    taken: dict[str, str] = {}
    for iri in domain.types:
        base, slug, n = domain.term(iri), domain.term(iri), 2
        while slug in taken.values():
            slug, n = f"{base}-{n}", n + 1
        taken[iri] = slug
    return taken


def datasets(harvest: Harvest, publisher: Agent, issued: datetime) -> tuple[Dataset, ...]:
    """One dataset per declared type of the domain, in declared order, also where no entity has arrived yet."""
    domain = harvest.domain
    counts = {c.type: c for c in harvest.counts}
    return tuple(
        _dataset(harvest, type_, slug, counts.get(type_, TypeCount(type_, 0)), publisher, issued)
        for type_, slug in _slugs(domain).items()
    )


def _dataset(harvest: Harvest, type_: str, slug: str, found: TypeCount, publisher: Agent, issued: datetime) -> Dataset:
    domain = harvest.domain
    name = words(domain.term(type_))
    behind = {o.feed for o in harvest.origins if type_ in o.types}
    about = f"Entities of type {domain.term(type_)} in the domain {domain.title}, as NGSI-LD linked data."
    return Dataset(
        domain=domain.name,
        slug=slug,
        type=type_,
        title=f"{domain.title}: {name}",
        description=f"{about} {domain.description}" if domain.description else about,
        publisher=publisher,
        contact=domain.contact,
        licence=domain.licence,
        theme=domain.theme,
        classification=domain.classification,
        purposes=domain.purposes,
        count=found.count,
        feeds=tuple(f.feed for f in harvest.feeds if f.feed in behind or not behind),
        keywords=tuple(dict.fromkeys([domain.name, name.lower(), *(local_name(a) for a in found.attributes[:8])])),
        freshness_s=domain.freshness_s,
        extent=found.extent,
        first_observed=found.first_observed,
        issued=issued,
        modified=max(filter(None, (issued, found.last_observed, harvest.newest_record())), default=issued),
        public=any(a.assignee == "tier:public" for a in harvest.covering(type_)),
        tenant=domain.tenant,
        size=found.size if found.count else 0,
        quality=tuple(m for m in harvest.quality if m.feed in behind or not behind),
        origins=tuple(o for o in harvest.origins if type_ in o.types),
    )
