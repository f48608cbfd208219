"""Grants of a decision as the broker holds them: filters parsed once, names expanded."""

from __future__ import annotations

from broker.core.access import ALL, Access, AttrSet, Grant, Prohibition
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.query import And, Node
from policies.answer import Allowed, AttrsAnswer, GrantAnswer, ResolutionAnswer, TargetAnswer, WindowAnswer

__all__ = ["LOCATION", "access", "servable", "target_filter"]

LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_NO_WINDOW = WindowAnswer()
_NO_RESOLUTION = ResolutionAnswer()


def target_filter(target: TargetAnswer) -> Node:
    """Parse a target's `q` (names as `<IRI>`), `scopeQ` and `area` (the default geometry must lie within)."""
    items: list[Node] = []
    if target.q is not None:
        items.append(parse_q(target.q, str))
    if target.scopeQ is not None:
        items.append(parse_scope(target.scopeQ))
    if target.area is not None:
        relation = parse_geo("within", target.area["type"], target.area["coordinates"], None, lambda _: LOCATION)
        if relation is not None:
            items.append(relation)
    return items[0] if len(items) == 1 else And(tuple(items))


def servable(item: GrantAnswer, action: str) -> bool:
    """Whether a grant shows entities as they are: one for aggregates only, or at a coarser resolution, does not.

    Only the actions temporal and aggregate coarsen what they show; every other takes such a grant as not given.
    """
    return action in {"temporal", "aggregate"} or not (item.aggregate_only or item.resolution)


def access(answer: Allowed, action: str) -> Access:
    """Read the grants and prohibitions of OPA's answer that count for the action."""
    return Access(
        tuple(_grant(item) for item in answer.grants if servable(item, action)),
        tuple(_prohibition(item) for item in answer.prohibitions),
    )


def _grant(item: GrantAnswer) -> Grant:
    window, resolution = item.window or _NO_WINDOW, item.resolution or _NO_RESOLUTION
    return Grant(
        agreement=item.agreement,
        version=item.version,
        types=_types(item),
        attrs=_attrs(item.attrs),
        filter=target_filter(item),
        window_from=window.from_,
        window_to=window.to,
        window_max_age=window.max_age,
        resolution_time=resolution.time,
        resolution_m=resolution.metres,
        aggregate_only=item.aggregate_only,
        sources=tuple(item.sources),
    )


def _prohibition(item: TargetAnswer) -> Prohibition:
    return Prohibition(_types(item), _attrs(item.attrs), target_filter(item))


def _types(item: TargetAnswer) -> frozenset[str] | None:
    return None if item.types is None else frozenset(item.types)


def _attrs(attrs: AttrsAnswer | None) -> AttrSet:
    if attrs is None:
        return ALL
    if attrs.only is not None:
        return AttrSet(frozenset(attrs.only))
    return AttrSet(frozenset(attrs.but or ()), complement=True)
