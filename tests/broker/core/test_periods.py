"""Periods of aggregation: parsing, adding, grids (CIM 009 V1.9.1, 4.5.19.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import BadRequestData
from broker.core.periods import WHOLE, Period, parse_period

instants = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
lengths = st.one_of(
    st.integers(1, 400_000).map(lambda seconds: Period(0, seconds)),
    st.integers(1, 30).map(lambda months: Period(months)),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PT1H", Period(0, 3600)),
        ("P3Y6M4DT12H30M5S", Period(42, 4 * 86400 + 12 * 3600 + 1805)),
        ("P2W", Period(0, 14 * 86400)),
        ("P0D", WHOLE),
        ("PT0S", WHOLE),
    ],
)
def test_durations(text: str, found: Period) -> None:
    assert parse_period(text) == found


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "P1H", "PT1D", "P1W2D", "P-1D", "P1.5D", "P0001-01-01T00:00:00"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadRequestData, match=r"^aggrPeriodDuration: "):
        parse_period(text)


@given(lengths, instants)
def test_an_instant_lies_in_its_cell(period: Period, at: datetime) -> None:
    start = period.floor(at)
    assert start <= at < period.after(start)
    assert period.floor(start) == period.ceil(start) == start
    assert period.ceil(at) - at < timedelta(days=31 * 31)
    assert period.end_of(start, start) == period.after(start)


@given(lengths, lengths, instants)
def test_what_holds_a_finer_one_has_edges_on_its_grid(period: Period, finer: Period, at: datetime) -> None:
    chosen = period.coarsened(finer)
    assert chosen.holds(finer)
    assert finer.floor(chosen.floor(at)) == chosen.floor(at)


def test_the_ends_of_calendar_periods() -> None:
    origin = datetime(2020, 1, 31, tzinfo=UTC)
    days = [Period(1).after(origin, number) for number in range(4)]
    assert [(one.month, one.day) for one in days] == [(1, 31), (2, 29), (3, 31), (4, 30)]
    assert [Period(1).end_of(origin, one) for one in days[:-1]] == days[1:]
    mixed = Period(1, 86400)
    edges = [mixed.after(origin, number) for number in range(40)]
    assert [mixed.end_of(origin, one) for one in edges[:-1]] == edges[1:]
