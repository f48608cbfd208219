"""What of histories is shown, against the masks of current state: without windows the two say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import times
from broker.core.access import Access, AttrSet, Grant, Prohibition
from broker.core.entity import LOCATION
from broker.core.match import matches
from broker.core.narrow import mask
from broker.core.periods import Period, parse_period
from broker.core.query import TRUE, Compare, Number, Path
from broker.core.temporal_access import Rules, Slice, admit, of_departed
from tests.strategies.queries import ATTRS, QueryMaker, makers

NOW = datetime(2026, 11, 22, 7, 30, 15, tzinfo=UTC)
A, B = ATTRS[:2]


def _check(maker: QueryMaker, entities: int, accesses: int) -> int:
    docs = [maker.doc(number) for number in range(entities)]
    metas = [maker.meta(doc) for doc in docs]
    partly = 0
    for _ in range(accesses):
        access = maker.access()
        rules = Rules(access, NOW)
        for doc, meta in zip(docs, metas, strict=True):
            found = mask(doc, access, meta)
            slices = rules.slices([matches(node, doc, meta) for node in rules.nodes])
            shown = {name for name in (*ATTRS, LOCATION) if any(name in one.attrs for one in slices)}
            assert shown == {name for name in (*ATTRS, LOCATION) if found is not None and found.shows(name)}
            partly += bool(shown) and len(shown) <= len(ATTRS)
    return partly


@pytest.mark.parametrize("seed", range(3))
def test_rules_show_what_masks_show(seed: int) -> None:
    assert _check(QueryMaker(Random(seed)), 30, 60) > 100  # noqa: S311 - not for secrets


@settings(max_examples=40, deadline=None)
@given(makers)
def test_rules_show_what_masks_show_small(maker: QueryMaker) -> None:
    _check(maker, 3, 2)


def _canonical(text: str) -> str:
    found = times.canonical(text)
    assert found is not None
    return found


def test_windows_ages_and_resolutions_bound_the_slices() -> None:
    only = AttrSet(frozenset({A}))
    windowed = Grant("urn:a", 1, None, only, window_from="2026-01-01T00:00:00Z", window_to="2026-02-01T00:00:00Z")
    aged = replace(windowed, window_to=None, window_max_age="P10D")
    older = replace(aged, window_from="2026-11-20T00:00:00Z")
    hourly = Grant("urn:b", 1, None, only, resolution_time="PT1H", window_max_age="PT2H")
    coarse = Grant("urn:c", 1, None, only, resolution_m=100.0)
    for grant, slice_ in (
        (windowed, Slice(only, _canonical("2026-01-01T00:00:00Z"), _canonical("2026-02-01T00:00:00Z"))),
        (aged, Slice(only, _canonical("2026-11-12T07:30:15Z"))),
        (older, Slice(only, _canonical("2026-11-20T00:00:00Z"))),
        (hourly, Slice(only, _canonical("2026-11-22T06:00:00Z"), _canonical("2026-11-22T07:00:00Z"))),
        (coarse, Slice(only, geo=False)),
    ):
        assert Rules(Access((grant,)), NOW).slices(()) == (slice_,)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([None, "PT1M", "PT15M", "PT1H", "P1D", "P1M", "P1Y"]), min_size=1, max_size=4),
    st.sampled_from([None, Period(), *map(parse_period, ("PT1S", "PT5M", "PT90M", "P1D", "P1M", "P1Y"))]),
)
def test_no_grant_is_read_finer_than_it_allows(resolutions: list[str | None], period: Period | None) -> None:
    grants = tuple(Grant(f"urn:{n}", 1, None, resolution_time=one) for n, one in enumerate(resolutions))
    found = admit(Access(grants), period)
    assert found.access.grants
    assert {one.resolution_time for one in found.plain.grants} <= {None}
    for grant in found.access.grants:
        if grant.resolution_time is None:
            continue
        finest = parse_period(grant.resolution_time)
        assert found.period is not None
        assert found.period.holds(finest)
        assert found.grid is not None
        assert found.grid.holds(finest)


def test_what_is_gone_is_shown_by_grants_to_manage_less_what_is_prohibited() -> None:
    """Filters have no state to look at: a grant with one shows nothing, and a prohibition with one always holds."""
    filtered = Compare(Path(A), ">", Number(1))
    all_of = Grant("urn:a", 1, frozenset({"urn:t"}))
    narrow = Grant("urn:b", 1, frozenset({"urn:u"}), filter=filtered)
    of_managing = Prohibition(frozenset({"urn:t"}), AttrSet(frozenset({A})), filtered)
    of_histories = Prohibition(frozenset({"urn:t"}), AttrSet(frozenset({B})), filtered)
    found = of_departed(Access((all_of, narrow), (of_managing,)), (of_histories,))
    assert found.grants == (all_of,)
    assert found.prohibitions == (replace(of_managing, filter=TRUE), replace(of_histories, filter=TRUE))
    doc = {"id": "urn:x:1", "type": ["urn:t"]}
    rules = Rules(found, NOW)
    (shown,) = rules.slices([matches(node, doc) for node in rules.nodes])
    assert [name in shown.attrs for name in (A, B, LOCATION)] == [False, False, True]
