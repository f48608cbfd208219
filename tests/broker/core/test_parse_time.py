"""The temporal query language (4.11)."""

from __future__ import annotations

import pytest

from broker.core.errors import BadRequestData
from broker.core.parse_time import TemporalQuery, parse_time

AT, LATER = "2017-12-13T14:20:00.000000Z", "2017-12-13T14:40:00.000000Z"


def test_examples() -> None:
    assert parse_time("before", "2017-12-13T14:20:00Z") == TemporalQuery("before", AT)
    found = parse_time("between", "2017-12-13T14:20:00Z", "2017-12-13T14:40:00,0Z", "modifiedAt")
    assert found == TemporalQuery("between", AT, LATER, "modifiedAt")
    assert parse_time(None, None) is None


@pytest.mark.parametrize(
    ("query", "held"),
    [
        (TemporalQuery("before", AT), [True, False, False, False]),
        (TemporalQuery("after", AT), [False, True, True, True]),
        (TemporalQuery("between", AT, LATER), [False, True, True, False]),
    ],
)
def test_bounds_are_inclusive_below_and_exclusive_above(query: TemporalQuery, held: list[bool]) -> None:
    instants = ["2017-12-13T14:19:59.999999Z", AT, "2017-12-13T14:39:59.999999Z", LATER]
    assert [query.holds(instant) for instant in instants] == held


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (("during", "2017-12-13T14:20:00Z"), "timerel"),
        (("before", None), "timeAt"),
        (("before", "2017-12-13"), "timeAt"),
        (("between", "2017-12-13T14:20:00Z"), "endTimeAt"),
        (("before", "2017-12-13T14:20:00Z", "2017-12-13T14:40:00Z"), "endTimeAt"),
        (("between", "2017-12-13T14:20:00Z", "2017-12-13T14:20:00Z"), "endTimeAt"),
        (("between", "2017-12-13T14:20:00Z", "2017-02-30T14:20:00Z"), "endTimeAt"),
        (("before", "2017-12-13T14:20:00Z", None, "birthAt"), "timeproperty"),
        ((None, "2017-12-13T14:20:00Z"), "timeAt"),
        ((None, None, None, "observedAt"), "timeproperty"),
    ],
)
def test_refused_naming_the_parameter(parameters: tuple[str | None, ...], named: str) -> None:
    with pytest.raises(BadRequestData, match=f"^{named}: "):
        parse_time(*parameters)
