"""Grants of a decision as the broker holds them: filters parsed once, names expanded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from broker.core.access import ALL, Access, AttrSet, Grant, Prohibition
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.query import And, Node

__all__ = ["LOCATION", "access", "target_filter"]

LOCATION = "https://uri.etsi.org/ngsi-ld/location"


def target_filter(target: Mapping[str, Any]) -> Node:
    """Parse a target's `q` (names as `<IRI>`), `scopeQ` and `area` (the default geometry must lie within)."""
    items: list[Node] = []
    if "q" in target:
        items.append(parse_q(target["q"], str))
    if "scopeQ" in target:
        items.append(parse_scope(target["scopeQ"]))
    if "area" in target:
        area = target["area"]
        relation = parse_geo("within", area["type"], area["coordinates"], None, lambda _: LOCATION)
        if relation is not None:
            items.append(relation)
    return items[0] if len(items) == 1 else And(tuple(items))


def access(grants: Sequence[Mapping[str, Any]], prohibitions: Sequence[Mapping[str, Any]]) -> Access:
    """Read the grants and prohibitions of OPA's answer."""
    return Access(tuple(_grant(item) for item in grants), tuple(_prohibition(item) for item in prohibitions))


def _grant(item: Mapping[str, Any]) -> Grant:
    window, resolution = item.get("window", {}), item.get("resolution", {})
    return Grant(
        agreement=item["agreement"],
        version=item["version"],
        types=_types(item),
        attrs=_attrs(item.get("attrs")),
        filter=target_filter(item),
        window_from=window.get("from"),
        window_to=window.get("to"),
        window_max_age=window.get("max_age"),
        resolution_time=resolution.get("time"),
        resolution_m=resolution.get("metres"),
        aggregate_only=item.get("aggregate_only", False),
        sources=tuple(item.get("sources", ())),
    )


def _prohibition(item: Mapping[str, Any]) -> Prohibition:
    return Prohibition(_types(item), _attrs(item.get("attrs")), target_filter(item))


def _types(item: Mapping[str, Any]) -> frozenset[str] | None:
    return frozenset(item["types"]) if "types" in item else None


def _attrs(attrs: Mapping[str, Sequence[str]] | None) -> AttrSet:
    if attrs is None:
        return ALL
    if "only" in attrs:
        return AttrSet(frozenset(attrs["only"]))
    return AttrSet(frozenset(attrs["except"]), complement=True)
