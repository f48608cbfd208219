"""Small things that pages say."""

from __future__ import annotations

import pytest

from catalog.portal.render import span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (16_560, "4 h 36 min"),
        (14_400, "4 h"),
        (14_405, "4 h"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_a_span_is_told_by_its_two_greatest_units(seconds: float, said: str) -> None:
    assert span(seconds) == said
