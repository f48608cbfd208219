"""Charts as geometry: where lines, stretches and bars lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog.portal import charts
from catalog.portal.dashboard import summary

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _point(value: float, start: int, end: int) -> dict[str, object]:
    return {"value": value, "from": NOW + timedelta(hours=start), "to": NOW + timedelta(hours=end)}


def test_a_line_steps_from_value_to_value_and_shows_its_target() -> None:
    found = charts.line([_point(1.0, 0, 4), _point(0.9, 5, 10)], 0.95)
    assert (round(found.low, 2), found.high) == (0.85, 1.0)
    assert found.path == "M0.0 0.0H300.0L300.0 80.0H600.0"
    assert found.target_y == 40.0
    assert (found.last_x, found.last_y) == (600.0, 80.0)
    assert (found.first_at, found.last_at) == (NOW, NOW + timedelta(hours=10))


def test_one_value_without_a_span_is_a_level_line() -> None:
    found = charts.line([_point(0.5, 0, 0)])
    assert found.path.startswith("M0 ")
    assert found.path.endswith("H600")
    assert found.target_y is None


def test_strips_share_one_window() -> None:
    hour = timedelta(hours=1)
    runs = {
        "Owner": [{"from": NOW - 4 * hour, "to": NOW, "passed": True, "reason": "a"}],
        "Freshness": [
            {"from": NOW - 2 * hour, "to": NOW - 2 * hour, "passed": True, "reason": "b"},
            {"from": NOW - hour, "to": NOW, "passed": False, "reason": "c"},
        ],
    }
    owner, fresh = charts.strips(runs, NOW)
    assert owner.stretches == ((0.0, 1.0, True, "a"),)
    assert fresh.stretches == ((0.5, 0.25, True, "b"), (0.75, 0.25, False, "c"))


def test_bars_are_shares_of_the_tallest() -> None:
    assert [(b.label, b.value, b.share) for b in charts.bars({"a": 5, "b": 20})] == [("a", 5, 0.25), ("b", 20, 1.0)]
    assert charts.bars({}) == ()


def test_use_is_summed_by_day_domain_and_purpose() -> None:
    def row(day: str, domain: str, outcome: str, n: int) -> dict[str, object]:
        purpose = "https://w3id.org/dpv#PublicBenefit"
        return {"day": day, "domain": domain, "purpose": purpose, "outcome": outcome, "requests": n, "entities": n * 2}

    found = summary(
        [
            row("2026-11-01", "mobility", "allowed", 3),
            row("2026-11-02", "mobility", "denied", 2),
            row("2026-11-02", "", "allowed", 1),
        ]
    )
    assert found.days == {"2026-11-01": 3, "2026-11-02": 3}
    assert found.refused == {"2026-11-01": 0, "2026-11-02": 2}
    assert found.domains == (("mobility", 3, 2, 10), ("", 1, 0, 2))
    assert found.purposes == (("Public benefit", 4, 2),)
    assert (found.requests, found.entities, found.denied) == (6, 12, 2)
