"""Narrowing and masks against an oracle written from the one paragraph that says what grants mean."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from broker.core.access import ALL, EVERYTHING, Access, AttrSet, Grant, Prohibition
from broker.core.entity import LOCATION, Doc, attributes
from broker.core.match import Meta, matches
from broker.core.narrow import attr_visible, entity_visible, mask, narrow, row_filters
from broker.core.query import FALSE, TRUE, And, AnyAttr, Compare, Exists, Node, Not, Number, Or, Path, Query, TypeIs
from broker.core.terms import CREATED_AT, MODIFIED_AT
from tests.strategies.queries import ATTRS, NS, QueryMaker, linked, makers

CAR, BUS = NS + "Car", NS + "Bus"
A, B, C = ATTRS[:3]


def _seen(doc: Doc, meta: Meta, access: Access) -> tuple[Doc, Meta] | None:
    """The oracle: the entity as the caller sees it."""

    def applies(rule: Grant | Prohibition) -> bool:
        typed = rule.types is None or any(one in rule.types for one in doc["type"])
        return typed and matches(rule.filter, doc, meta)

    grants = [grant for grant in access.grants if applies(grant)]
    prohibitions = [one for one in access.prohibitions if applies(one)]
    if not grants or any(one.attrs == ALL for one in prohibitions):
        return None
    shown: Doc = {key: doc[key] for key in ("id", "type", "scope") if key in doc}
    for name, value in attributes(doc):
        if any(name in grant.attrs for grant in grants) and not any(name in one.attrs for one in prohibitions):
            shown[name] = value
    telling = any(grant.attrs == ALL for grant in grants) and not any(one.attrs != AttrSet() for one in prohibitions)
    times = {name: value for name, value in meta.attrs.items() if name in shown}
    return shown, Meta(meta.created_at, meta.modified_at if telling else None, times)


def _check(maker: QueryMaker, entities: int, accesses: int) -> int:
    docs = [maker.doc(number) for number in range(entities)]
    metas = linked(docs, [maker.meta(doc) for doc in docs])
    partly = 0
    for _ in range(accesses):
        access, query = maker.access(), Query(maker.node())
        narrowed = narrow(query, access).where
        filters = row_filters(access)
        shown = [_seen(doc, meta, access) for doc, meta in zip(docs, metas, strict=True)]
        visible = [one for one in shown if one is not None]
        times = iter(linked([one[0] for one in visible], [one[1] for one in visible]))
        for doc, meta, seen in zip(docs, metas, shown, strict=True):
            met = seen is not None and matches(query.where, seen[0], next(times))
            assert matches(narrowed, doc, meta) is met, (query, access)
            found = mask(doc, access, meta)
            assert (found is None) is (seen is None)
            assert matches(entity_visible(access), doc, meta) is (seen is not None)
            if found is None or seen is None:
                continue
            assert filters.mask([matches(node, doc, meta) for node in filters.nodes]) == found
            if met:
                fewer = filters.among(narrowed)
                assert fewer.mask([matches(node, doc, meta) for node in fewer.nodes]) == found
            for name in (*ATTRS, LOCATION):
                assert found.shows(name) is (name in seen[0]) or name not in doc
                assert matches(attr_visible(name, access), doc, meta) is found.shows(name)
            assert found.shows(CREATED_AT)
            assert found.shows(MODIFIED_AT) is (seen[1].modified_at is not None)
            assert matches(attr_visible(MODIFIED_AT, access), doc, meta) is found.shows(MODIFIED_AT)
            partly += not found.all
    return partly


@pytest.mark.parametrize("seed", range(3))
def test_narrowed_query_finds_what_the_query_finds_among_what_is_seen(seed: int) -> None:
    assert _check(QueryMaker(Random(seed)), 40, 100) > 500  # noqa: S311 - not for secrets


@settings(max_examples=40, deadline=None)
@given(makers)
def test_narrowed_query_small(maker: QueryMaker) -> None:
    _check(maker, 3, 2)


def _doc(**attrs: Any) -> Doc:
    values = {NS + name: {"type": "Property", "value": value} for name, value in attrs.items()}
    return {"id": "urn:x:1", "type": [CAR, BUS], **values}


def _access(attrs: AttrSet = ALL, types: frozenset[str] | None = None, where: Node = TRUE) -> Access:
    return Access((Grant("urn:agreement:1", 1, types, attrs, where),))


def test_open_access_changes_nothing() -> None:
    query = Query(Or((Exists(Path(A)), Not(Compare(Path(B), "==", Number(1))), AnyAttr((A, B)))), limit=7, count=True)
    assert narrow(query, EVERYTHING) == query
    found = mask(_doc(a=1), EVERYTHING)
    assert found is not None
    assert found.all
    assert row_filters(EVERYTHING).nodes == ()


def test_one_grant_without_filter_needs_no_gates() -> None:
    term = Compare(Path(A), ">", Number(1))
    assert narrow(Query(term), _access(types=frozenset({CAR}))).where == And((term, TypeIs(CAR)))
    typed = And((TypeIs(CAR), term))
    assert narrow(Query(typed), _access(types=frozenset({CAR, BUS}))).where == typed
    filters = row_filters(_access(AttrSet(frozenset({A})), frozenset({CAR})))
    assert filters.nodes == (TypeIs(CAR),)
    assert filters.mask((False,)) is None
    found = filters.mask((True,))
    assert found is not None
    assert (found.shows(A), found.shows(B), found.all) == (True, False, False)


def test_no_grant_hides_all() -> None:
    assert narrow(Query(TRUE), Access()).where == FALSE
    assert mask(_doc(a=1), Access()) is None


def test_negation_on_a_hidden_attribute_tells_nothing() -> None:
    """`a` is hidden: whether it equals 1 must not show, also not by negation or absence."""
    access = _access(AttrSet(frozenset({B})))
    for query in (Compare(Path(A), "==", Number(1)), Compare(Path(A), "!=", Number(1)), Exists(Path(A)), AnyAttr((A,))):
        for doc in (_doc(a=1, b=1), _doc(a=2, b=1), _doc(b=1)):
            assert not matches(narrow(Query(query), access).where, doc)
            assert matches(narrow(Query(Not(query)), access).where, doc)


def test_filter_on_an_attribute_that_the_grant_does_not_show() -> None:
    access = _access(AttrSet(frozenset({B})), where=Compare(Path(A), "==", Number(1)))
    assert matches(narrow(Query(Exists(Path(B))), access).where, _doc(a=1, b=1))
    assert not matches(narrow(Query(Exists(Path(B))), access).where, _doc(a=2, b=1))
    assert not matches(narrow(Query(Exists(Path(A))), access).where, _doc(a=1, b=1))


def test_an_entity_of_two_types_is_granted_by_either() -> None:
    found = mask(_doc(a=1), _access(types=frozenset({BUS})))
    assert found is not None
    assert mask(_doc(a=1), _access(types=frozenset({NS + "Tram"}))) is None


def test_grants_for_other_entities_do_not_show_an_attribute() -> None:
    """Each attribute needs a grant that matches this entity: grants do not add up over entities."""
    access = Access(
        (
            Grant("urn:agreement:1", 1, None, AttrSet(frozenset({A})), Compare(Path(C), "==", Number(1))),
            Grant("urn:agreement:2", 1, None, AttrSet(frozenset({B})), Compare(Path(C), "==", Number(2))),
        )
    )
    both = And((Exists(Path(A)), Exists(Path(B))))
    assert not matches(narrow(Query(both), access).where, _doc(a=1, b=1, c=1))
    first = mask(_doc(a=1, b=1, c=1), access)
    assert first is not None
    assert (first.shows(A), first.shows(B), first.shows(C)) == (True, False, False)


def test_prohibition_of_attributes_leaves_the_entity() -> None:
    access = Access(EVERYTHING.grants, (Prohibition(None, AttrSet(frozenset({A}))),))
    found = mask(_doc(a=1), access)
    assert found is not None
    assert (found.shows(A), found.shows(B), found.shows(MODIFIED_AT), found.all) == (False, True, False, False)
    assert mask(_doc(a=1), Access(EVERYTHING.grants, (Prohibition(frozenset({CAR})),))) is None
