"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core import times
from broker.core.errors import BadRequestData

INSTANTS = st.datetimes(timezones=st.just(UTC))


@given(INSTANTS, INSTANTS)
def test_canonical_texts_order_as_instants_do(a: datetime, b: datetime) -> None:
    assert (times.of(a) < times.of(b)) == (a < b)
    assert times.to_datetime(times.of(a)) == a


@given(INSTANTS)
def test_what_is_shown_is_read_back(instant: datetime) -> None:
    assert times.canonical(times.shown(times.of(instant))) == times.of(instant)


@pytest.mark.parametrize(
    ("text", "canonical", "shown"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.100Z", "2026-01-02T03:04:05.100000Z", "2026-01-02T03:04:05.1Z"),
        ("2026-01-02T03:04:05,123456Z", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:10Z", "2026-01-02T03:04:10.000000Z", "2026-01-02T03:04:10Z"),
    ],
)
def test_forms(text: str, canonical: str, shown: str) -> None:
    assert times.canonical(text) == canonical
    assert times.shown(canonical) == shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05.1234567Z",
        "2026-01-02T03:04:05.Z",
        "٢٠٢٦-01-02T03:04:05Z",
        "",
        5,
        None,
    ],
)
def test_what_is_no_time(text: object) -> None:
    assert times.canonical(text) is None
    with pytest.raises(BadRequestData, match=r"^observedAt: "):
        times.parse(text, "observedAt")


def test_other_zones_become_utc() -> None:
    assert times.of(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:00:00.000000Z"
