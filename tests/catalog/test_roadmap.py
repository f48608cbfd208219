"""Gates of the roadmap, each passing, holding and blocked; medians; quarters."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from catalog.register import read_systems
from catalog.roadmap import Kpi, Situation, Window, judge, kpi, quarter_ends, read_pilots, read_roadmap
from docker.local.stack import ROOT
from policies.domains import CityFileError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEFORE = Kpi(16200.0, 2010, 0, NOW)
SYSTEM = read_systems(
    ROOT / "city",
    frozenset({"mobility"}),
    frozenset({"urn:party:mobility-dept", "urn:party:rideflow"}),
)[0].model_dump(mode="json")


def _gates() -> dict[str, Any]:
    plan = read_roadmap(ROOT / "city")
    assert plan is not None
    return {g.id: g for q in plan.quarters for g in q.gates}


def _situation(**changes: Any) -> Situation:
    given: dict[str, Any] = {
        "now": NOW,
        "base_url": "http://city.example",
        "verdicts": {"mobility": "governed", "environment": "governed"},
        "pilots": {"request-routing": (BEFORE, Kpi(14000.0, 900, 30, NOW))},
        "systems": [SYSTEM],
        "answers": {"/use": 200, "/trust/log/checkpoint": 200},
        "titles": {"environment": "Environment", "mobility": "Mobility", "request-routing": "Routing of requests"},
    }
    return Situation(**given | changes)


def _with(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(SYSTEM) | changes


CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "both governed": ("two-domains", {}, "pass", "Mobility and Environment are at governed readiness."),
    "one short": (
        "two-domains",
        {"verdicts": {"mobility": "governed", "environment": "not yet"}},
        "hold",
        "Environment is not yet at governed readiness.",
    ),
    "one unknown": (
        "two-domains",
        {"verdicts": {"mobility": "governed"}},
        "blocked",
        "Environment has not been assessed.",
    ),
    "saved": (
        "faster-closing",
        {},
        "pass",
        "The median time to close went from 4 h 30 min (2010 cases) to 3 h 53 min (900 cases): "
        "13.5% saved; 10% was promised.",
    ),
    "saved too little": (
        "faster-closing",
        {"pilots": {"request-routing": (BEFORE, Kpi(16000.0, 900, 30, NOW))}},
        "hold",
        "The median time to close went from 4 h 30 min (2010 cases) to 4 h 27 min (900 cases): "
        "1.2% saved; 10% was promised.",
    ),
    "slower": (
        "faster-closing",
        {"pilots": {"request-routing": (BEFORE, Kpi(32400.0, 900, 30, NOW))}},
        "hold",
        "The median time to close went from 4 h 30 min (2010 cases) to 9 h (900 cases): "
        "nothing saved; 10% was promised.",
    ),
    "no baseline": (
        "faster-closing",
        {"pilots": {}},
        "blocked",
        "No baseline of the pilot Routing of requests has been measured.",
    ),
    "not begun": (
        "faster-closing",
        {"pilots": {"request-routing": (BEFORE, None)}},
        "blocked",
        "Nothing has been measured since the pilot Routing of requests began.",
    ),
    "overseen": ("oversight", {}, "pass", "1 system in operation: appeal path, bias test and monitoring are live."),
    "untested": (
        "oversight",
        {"systems": [_with(bias_tests=[])]},
        "hold",
        "Bus arrival prediction has no recent bias test that it passed.",
    ),
    "tested long ago": (
        "oversight",
        {"now": NOW + timedelta(days=400)},
        "hold",
        "Bus arrival prediction has no recent bias test that it passed and Bus arrival prediction has no recent result "
        "of its monitoring that is good.",
    ),
    "failed since": (
        "oversight",
        {"systems": [_with(monitoring=[*SYSTEM["monitoring"], {"date": "2026-11-20", "passed": False}])]},
        "hold",
        "Bus arrival prediction has no recent result of its monitoring that is good.",
    ),
    "nothing runs": (
        "oversight",
        {"systems": []},
        "blocked",
        "The register holds no system in operation, so there is nothing to judge.",
    ),
    "open": ("open-doors", {}, "pass", "Dashboard and audit trail answer anybody."),
    "closed": (
        "open-doors",
        {"answers": {"/use": 200, "/trust/log/checkpoint": 404}},
        "blocked",
        "/trust/log/checkpoint does not answer.",
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_gate_passes_holds_or_is_blocked(case: str) -> None:
    """With the reason in plain words and where the evidence is."""
    gate, changes, status, reason = CASES[case]
    found = judge("2026-Q4", _gates()[gate], _situation(**changes))
    assert (found.status, found.reason) == (status, reason)
    assert found.evidence.startswith("http://city.example/")


def test_a_median_counts_closed_cases_of_its_window() -> None:
    """Cases outside, still open, or closed before they were opened do not move it."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    window = Window.model_validate({"from": start, "to": start + timedelta(days=31)})
    hours = [1, 2, 9]
    cases: list[tuple[datetime, datetime | None]] = [(start, start + timedelta(hours=h)) for h in hours]
    cases += [
        (start, None),
        (start, start - timedelta(hours=1)),
        (start + timedelta(days=31), start + timedelta(days=99)),
    ]
    assert kpi(cases, window, NOW) == Kpi(7200.0, 3, 1, NOW)
    assert kpi([], window, NOW) == Kpi(None, 0, 0, NOW)


@pytest.mark.parametrize(
    ("quarter", "ends"), [("2026-Q1", (2026, 4, 1)), ("2026-Q3", (2026, 10, 1)), ("2026-Q4", (2027, 1, 1))]
)
def test_quarters_end_where_the_next_begins(quarter: str, ends: tuple[int, int, int]) -> None:
    """Also over the turn of the year."""
    assert quarter_ends(quarter) == datetime(*ends, tzinfo=UTC)


def test_faults_of_the_files_are_named(tmp_path: Any) -> None:
    """File and member: an unknown domain, a party that nobody knows, a pilot that ends before it began."""
    (tmp_path / "pilots").mkdir()
    pilot = yaml.safe_load((ROOT / "city/pilots/request-routing.yaml").read_text())
    pilot["pilot"] = {"from": pilot["pilot"]["to"], "to": pilot["pilot"]["from"]}
    (tmp_path / "pilots" / "request-routing.yaml").write_text(yaml.safe_dump(pilot))
    with pytest.raises(CityFileError, match=r"request-routing.yaml: pilot: .*to must be after from"):
        read_pilots(tmp_path)
    with pytest.raises(CityFileError, match=r"bus-arrivals.yaml: reads: mobility is no domain of the city"):
        read_systems(ROOT / "city", frozenset(), frozenset())
    with pytest.raises(
        CityFileError, match=r"bus-arrivals.yaml: urn:party:mobility-dept, urn:party:rideflow is not among"
    ):
        read_systems(ROOT / "city", frozenset({"mobility"}), frozenset())
