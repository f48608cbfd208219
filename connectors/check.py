"""Checks of a mapped entity against its feed's quality section, before it is published.

One failing rule rejects the entity; the rejection names the rule, the attribute and what to do, and no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from broker.core.geometry import fault
from broker.core.ids import is_uri
from connectors.errors import FeedError, Rejected
from connectors.expression import Expression, guarded
from connectors.feed import Feed
from connectors.functions import utc
from connectors.geojson import is_geometry, positions
from connectors.names import Names
from connectors.units import is_unit, unit_code

__all__ = ["Checker", "compile_checks", "compile_rules"]

Entity = dict[str, Any]
Bounds = tuple[float, float, float, float]
Checker = Callable[[Entity, datetime], None]

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_AHEAD = timedelta(minutes=5)


def compile_checks(feed: Feed, names: Names) -> Checker:
    """Build the check of one mapped entity; FeedError for names, ranges or units that cannot be."""
    where = f"{feed.feed}: quality"
    quality = feed.quality
    own = {name for mapping in feed.mapping for name in mapping.attributes}
    for name in (*quality.required, *quality.any_of, *quality.expected, *quality.ranges):
        if name not in own:
            raise FeedError(f"{where}: {name!r} is no attribute of the mapping; it has {', '.join(sorted(own))}")
    for mapping in feed.mapping:
        for name, attribute in mapping.attributes.items():
            if attribute.unitCode is not None and not is_unit(attribute.unitCode):
                meant = unit_code(attribute.unitCode)
                raise FeedError(
                    f"{feed.feed}: mapping.{name}.unitCode: {attribute.unitCode!r} is no known UN/CEFACT code"
                    f" and no UCUM unit{f'; did you mean {meant}?' if meant else ''}"
                )
    required = [(name, names.iri(name, where)) for name in quality.required]
    any_of = [names.iri(name, where) for name in quality.any_of]
    ranges = [(name, names.iri(name, where), *span) for name, span in quality.ranges.items()]
    for name, _, low, high in ranges:
        if low > high:
            raise FeedError(f"{where}.ranges.{name}: the lower end {low} is above the upper end {high}")

    earliest = quality.earliest.isoformat()

    def check(entity: Entity, now: datetime) -> None:
        _identity(entity)
        for name, iri in required:
            if iri not in entity:
                raise Rejected("required", name, "the attribute is missing; fill it at the source", "check")
        if any_of and not any(iri in entity for iri in any_of):
            raise Rejected("any-of", ",".join(quality.any_of), "none of these is there", "check")
        for name, iri, low, high in ranges:
            instance = entity.get(iri)
            if instance is not None:
                _in_range(name, instance.get("value"), low, high)
        latest = _latest(now)
        seen = ""
        for iri, instance in entity.items():
            if isinstance(instance, dict):
                observed = instance.get("observedAt")
                if observed != seen or not observed:
                    seen = _observed(iri, observed, earliest, latest)
                kind = instance["type"]
                if kind == "GeoProperty":
                    _position(_short(iri), instance["value"], quality.bounds)
                elif kind == "Relationship" and not is_uri(instance.get("object")):
                    raise Rejected("object", _short(iri), "a relationship needs an id; build it with urn()", "check")

    return check


def compile_rules(feed: Feed) -> Callable[[Any], None]:
    """Build the check of a minimised record against the feed's own rules."""
    rules: list[tuple[str, str, str, Expression]] = [
        (
            rule.name,
            rule.field,
            rule.then,
            guarded(rule.expect, f"{feed.feed}: {rule.name}", feed.tables),
        )
        for rule in feed.quality.rules
    ]

    def check(record: Any) -> None:
        for name, field, then, expect in rules:
            if expect(record) is not True:
                raise Rejected(name, field, then, "check")

    return check


def _identity(entity: Entity) -> None:
    if not is_uri(entity.get("id")):
        raise Rejected("id", "id", "the record gives no entity id; it lacks a field that the id is built from", "check")


def _in_range(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("number", name, "the attribute has a range, so its value is a number; use number()", "check")
    if not low <= value <= high:
        raise Rejected("range", name, f"the value is outside {low:g}..{high:g}; check the sensor or the unit", "check")


@lru_cache(maxsize=4)
def _latest(now: datetime) -> str:
    return utc(now + _AHEAD)[:19]


def _short(iri: str) -> str:
    return iri.rsplit("/", 1)[-1].rsplit("#", 1)[-1]


def _observed(iri: str, observed: str | None, earliest: str, latest: str) -> str:
    if observed is None or _INSTANT.fullmatch(observed) is None:
        raise Rejected("observedAt", _short(iri), "the time of observation is missing or carries no zone", "check")
    if observed < earliest:
        hint = f"observed before {earliest}; a missing date? else set quality.earliest"
        raise Rejected("past", _short(iri), hint, "check")
    if observed[:19] > latest:
        raise Rejected("future", _short(iri), "observed later than now; check the source's clock or zone", "check")
    return observed


def _position(name: str, value: Any, bounds: Bounds | None) -> None:
    if not is_geometry(value):
        raise Rejected("geometry", name, "the value is no GeoJSON geometry; build it with point(lon, lat)", "check")
    for lon, lat, *_ in positions(value):
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise Rejected("coordinates", name, "no longitude and latitude in degrees; swapped?", "check")
        if bounds is not None and not (bounds[0] <= lon <= bounds[2] and bounds[1] <= lat <= bounds[3]):
            raise Rejected("bounds", name, "the place is outside the feed's area", "check")
    found = fault(value)
    if found is not None:
        raise Rejected("geometry", name, found, "check")
