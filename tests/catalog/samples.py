"""A domain in good order, as values, for the tests to break one thing at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog.dataset import (
    Agent,
    Agreement,
    Catalogue,
    DomainFacts,
    Extent,
    FeedStatus,
    Harvest,
    Measurement,
    Origin,
    TypeCount,
    datasets,
)
from catalog.readiness import Sources

__all__ = ["AGENT", "NOW", "SOURCES", "VEHICLE", "WEATHER", "catalogue", "domain", "harvest"]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
WEATHER = "https://smartdatamodels.org/dataModel.Weather/WeatherObserved"
AGENT = Agent("urn:party:mobility-dept", "Department of Mobility")
SOURCES = Sources(
    "http://city.example/trust/domains",
    "http://city.example/trust/terms/{domain}",
    "http://city.example/trust/assessments?domain={domain}",
    "http://city.example/feeds?domain={domain}",
    "http://broker.example/ngsi-ld/v1/entities?type=Feed",
    "http://broker.example/ngsi-ld/v1/entities?type=QualityMeasurement",
)


def domain(**changes: object) -> DomainFacts:
    """Mobility, with everything declared."""
    given: dict[str, object] = {
        "name": "mobility",
        "title": "Mobility",
        "description": "Where buses are.",
        "tenant": "default",
        "types": (VEHICLE, WEATHER),
        "classification": "open",
        "owner": AGENT.uri,
        "owner_name": AGENT.name,
        "steward": "urn:party:steward",
        "steward_name": "Data Trust Stewards",
        "contact": "mobility@city.example",
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "theme": "TRAN",
        "purposes": ("https://w3id.org/dpv#ServiceProvision", "https://w3id.org/dpv#PublicBenefit"),
        "targets": (("completeness", 0.95), ("validity", 0.9)),
        "freshness_s": 60.0,
        "target_reasons": (("completeness", "A vehicle without its place is of no use."),),
        "retention": (("current state", "P30D"), ("history", "P1Y"), ("raw records", "P7D")),
    }
    return DomainFacts(**{**given, **changes})  # type: ignore[arg-type]  # members by name


def harvest(**changes: object) -> Harvest:
    """A round of reading that finds mobility in good order."""
    heard = NOW - timedelta(seconds=5)
    given: dict[str, object] = {
        "domain": domain(),
        "at": NOW,
        "counts": (
            TypeCount(VEHICLE, 627, ("location", "https://x.example/speed"), Extent.of([(-122.33, 47.61)]), heard, NOW),
            TypeCount(WEATHER, 24),
        ),
        "feeds": (
            FeedStatus("buses", "running", 627, 627, 0, heard, heard),
            FeedStatus("weather", "running", 100, 98, 2, NOW - timedelta(hours=1), None),
        ),
        "quality": (
            Measurement("buses", "completeness", 0.982, NOW - timedelta(seconds=3)),
            Measurement("weather", "completeness", 1.0, NOW - timedelta(seconds=3)),
            Measurement("buses", "validity", 0.995, NOW - timedelta(seconds=3)),
            Measurement("weather", "validity", 0.91, NOW - timedelta(seconds=3)),
        ),
        "agreements": (
            Agreement("urn:agreement:public", 1, "tier:public", (VEHICLE,)),
            Agreement("urn:agreement:dept", 3, AGENT.uri, (VEHICLE, WEATHER), until=NOW + timedelta(days=9)),
        ),
        "origins": (
            Origin("buses", "Buses", "mobility", "http", (VEHICLE,), "https://creativecommons.org/licenses/by/4.0/"),
            Origin("weather", "Weather stations", "mobility", "mqtt", (WEATHER,)),
        ),
    }
    return Harvest(**{**given, **changes})  # type: ignore[arg-type]  # members by name


def catalogue(*harvests: Harvest) -> Catalogue:
    """The catalogue of these rounds."""
    found = tuple(d for h in harvests or (harvest(),) for d in datasets(h, AGENT, NOW))
    city = Agent("urn:party:city", "Harbour City")
    return Catalogue("Harbour City", "en", "http://city.example", "http://broker.example", found, NOW, NOW, city)
