"""Counters, what they amount to, and the entities that say it."""

from __future__ import annotations

from datetime import UTC, datetime

from broker.core.envelope import check_entity
from connectors.quality import Counters, Recent, platform_entities

NS = "https://datapolis.example/ns#"


def test_shares() -> None:
    counters = Counters(
        received=10, mapped=8, rejected=2, expected=40, present=30, timed=8, timely=6, repeated=2,
        compared=4, drifted=1, last_record_at="2026-01-01T00:00:00Z", last_observed_at="2025-12-31T00:00:00Z",
    )  # fmt: skip
    assert dict(counters.shares()) == {
        "completeness": 0.75, "validity": 0.8, "timeliness": 0.75, "uniqueness": 0.75, "consistency": 0.75,
    }  # fmt: skip
    assert dict(Counters().shares()) == {}
    assert Counters.of(counters.state()) == counters
    assert Counters.of({"received": 3, "unknown": 1}) == Counters(received=3)
    double = counters + counters
    assert (double.received, double.last_record_at) == (20, "2026-01-01T00:00:00Z")
    assert sum([counters, counters], Counters()) == double


def test_what_another_record_said_within_the_window_is_a_repeat() -> None:
    recent = Recent()
    assert not recent.repeated("a", "1", ("no2",), (0, 0))
    assert not recent.repeated("a", "2", ("no2",), (0, 1))
    assert recent.repeated("a", "1", ("no2",), (0, 2)), "not only the last observation counts"
    assert not recent.repeated("a", "1", ("o3",), (0, 3)), "another attribute at the same time says something else"
    assert not recent.repeated("b", "1", ("no2",), (0, 4))
    assert not recent.repeated("b", "1", ("no2",), (0, 4)), "the same record mapped again has its idempotency key"


def test_repeats_are_bounded() -> None:
    recent = Recent(most=2)
    found = [recent.repeated(entity, "1", (), (0, at)) for at, entity in enumerate("aabbcca")]
    assert found == [False, True, False, True, False, True, False]


def test_platform_entities() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    counters = Counters(received=4, mapped=3, rejected=1, last_record_at="2025-12-31T00:00:00Z")
    feed, *measurements = platform_entities("kcm", "mobility", "running", counters, at)
    assert {name.removeprefix(NS): value["value"] for name, value in feed.items() if name.startswith(NS)} == {
        "domain": "mobility", "status": "running", "received": 4, "mapped": 3, "rejected": 1,
        "drifted": 0, "lastRecordAt": "2025-12-31T00:00:00Z",
    }  # fmt: skip
    assert feed["id"] == "urn:ngsi-ld:Feed:kcm"
    assert feed["type"] == [f"{NS}Feed"]
    assert feed[f"{NS}status"]["observedAt"] == "2026-01-01T00:00:00Z"
    assert [one["id"] for one in measurements] == [
        "urn:ngsi-ld:QualityMeasurement:kcm:validity", "urn:ngsi-ld:QualityMeasurement:kcm:uniqueness",
    ]  # fmt: skip
    assert measurements[0]["http://www.w3.org/ns/dqv#value"]["value"] == 0.75
    assert measurements[0][f"{NS}feed"]["object"] == "urn:ngsi-ld:Feed:kcm"
    for entity in (feed, *measurements):
        check_entity(entity, "merge")
