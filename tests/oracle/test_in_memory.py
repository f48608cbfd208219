"""The law against the broker's evaluators in memory: masks, sights and narrowed queries, without a store or HTTP.

Fast, so that the mutation run asks it first.
"""

from __future__ import annotations

from typing import Any

import pytest

from broker.core import segments
from broker.core.access import Access
from broker.core.match import matches
from broker.core.narrow import AttrMask, attr_visible, entity_visible, mask, narrow
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.print_q import print_q
from broker.core.query import And, AnyAttr, IdIn, IdPattern, Node, Query
from broker.ops.sight import Sight
from broker.ops.view import SEPARATOR
from policies.answer import Allowed
from policies.grants import access as read_access
from tests.oracle import worlds
from tests.oracle.answers import selected
from tests.oracle.draw import requests
from tests.oracle.governed import stored
from tests.oracle.law import Rule, attributes, rules, see
from tests.oracle.request import Request
from tests.oracle.speech import full, polygon, query_text

SEED = 5


def target(rule: Rule) -> dict[str, Any]:
    """Write a rule's target as OPA's answer has it."""
    found: dict[str, Any] = {"types": [full(one) for one in rule.types]}
    if rule.attrs is not None:
        found["attrs"] = {rule.attrs[0]: [full(one) for one in rule.attrs[1]]}
    if rule.q is not None:
        found["q"] = print_q(parse_q(query_text(rule.q), full))
    if rule.scope is not None:
        found["scopeQ"] = rule.scope
    if rule.box is not None:
        found["area"] = {"type": "Polygon", "coordinates": polygon(rule.box)}
    if rule.aggregate_only:
        found["aggregate_only"] = True
    return found


def where(request: Request) -> Node:
    """Write what a query asks for as the broker's own condition."""
    items: list[Node] = []
    if request.types is not None:
        items.append(parse_type(request.types, full))
    if request.ids:
        items.append(IdIn(request.ids))
    if request.id_pattern is not None:
        items.append(IdPattern(request.id_pattern))
    if request.attrs:
        items.append(AnyAttr(tuple(full(one) for one in request.attrs)))
    if request.q is not None:
        items.append(parse_q(query_text(request.q), full))
    if request.scope is not None:
        items.append(parse_scope(request.scope))
    if request.geo is not None:
        relation = parse_geo("within", "Polygon", polygon(request.geo[1]), request.geo[0], full)
        assert relation is not None
        items.append(relation)
    return And(tuple(items))


def shown(found: AttrMask | None, entity: dict[str, Any]) -> frozenset[str] | None:
    return None if found is None else frozenset(name for name in attributes(entity) if found.shows(full(name)))


def joined(sight: Sight, doc: dict[str, Any]) -> AttrMask | None:
    """Ask a sight as a page of joined rows does."""
    made = segments.segments(doc)
    texts = [SEPARATOR.join(made.names), SEPARATOR.join(made.segs)]
    return sight.mask_joined(doc["id"], SEPARATOR.join(doc["type"]), doc.get("scope"), *texts)


def by_row(sight: Sight, doc: dict[str, Any]) -> AttrMask | None:
    made = segments.segments(doc)
    return sight.mask(doc["id"], doc["type"], doc.get("scope"), made.names, made.segs)


@pytest.mark.parametrize("number", range(6))
def test_masks_and_narrowed_queries_are_the_laws(number: int) -> None:
    world = worlds.world(SEED, number)
    docs = {one["id"]: stored(one) for one in world.entities.values()}
    asked = [one for one in requests(SEED, world, 150) if one.door == "query"]
    assert len(asked) > 20
    for caller in world.callers:
        grants, prohibitions = rules(world, caller, "read")
        if not grants:
            continue
        given: list[dict[str, Any]] = [{**target(one), "agreement": "urn:x:y", "version": 1} for one in grants]
        answer = {"allow": True, "grants": given, "prohibitions": [target(one) for one in prohibitions], "duties": []}
        access: Access = read_access(Allowed.model_validate(answer), "read")
        sight = Sight(access)
        for name, doc in docs.items():
            entity = world.entities[name]
            seen = see(entity, grants, prohibitions)
            expected = None if seen is None else seen.shown
            assert shown(mask(doc, access), entity) == expected
            assert shown(joined(sight, doc), entity) == shown(joined(sight, doc), entity) == expected
            assert shown(by_row(sight, doc), entity) == expected
            assert matches(entity_visible(access), doc) is (seen is not None)
            for attribute in attributes(entity) if seen is not None else ():
                assert matches(attr_visible(full(attribute), access), doc) is (attribute in (expected or ()))
        for request in asked:
            narrowed = narrow(Query(where(request)), access).where
            for name, doc in docs.items():
                seen = see(world.entities[name], grants, prohibitions)
                assert matches(narrowed, doc) is (seen is not None and selected(request, seen)), (request, doc)


def test_a_coarse_grant_shows_entities_to_no_reader() -> None:
    given = {"types": ["urn:t"], "agreement": "urn:x:y", "version": 1}
    for more in ({"aggregate_only": True}, {"resolution": {"metres": 500}}, {"resolution": {"time": "PT1H"}}):
        answer = Allowed.model_validate(
            {"allow": True, "grants": [{**given, **more}], "prohibitions": [], "duties": []}
        )
        assert read_access(answer, "read").grants == ()
        assert len(read_access(answer, "temporal").grants) == 1
