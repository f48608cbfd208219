"""Every gate passes on a domain in good order, and fails alone, with its reason, when its one thing is broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.dataset import DomainFacts, FeedStatus, Harvest, Measurement
from catalog.readiness import GATES, METHOD, assess, duration, exact_percent, percent, status_at
from tests.catalog.samples import NOW, SOURCES, VEHICLE, WEATHER, domain, harvest

TTL_S = 900.0


def _broken(**changes: object) -> Harvest:
    return harvest(domain=domain(**changes))


def test_a_domain_in_good_order_is_governed() -> None:
    """All seven gates pass, each with value, target, unit, source and method."""
    verdict = assess(harvest(), NOW, SOURCES, TTL_S)
    assert verdict.status == "governed"
    assert verdict.failing == ()
    assert verdict.reason == "All 7 gates pass."
    assert [(e.gate, e.value, e.target, e.unit) for e in verdict.gates] == [
        ("owner", "urn:party:mobility-dept", "set", "declaration"),
        ("steward", "urn:party:steward", "set", "declaration"),
        ("licence", "https://creativecommons.org/licenses/by/4.0/", "set", "declaration"),
        (
            "purposes",
            "https://w3id.org/dpv#ServiceProvision, https://w3id.org/dpv#PublicBenefit",
            "set",
            "declaration",
        ),
        ("policy", 2, 2, "types covered"),
        ("completeness", 0.982, 0.95, "share"),
        ("freshness", 5.0, 60.0, "seconds"),
    ]
    assert [e.reason for e in verdict.gates] == [
        "Department of Mobility owns this data.",
        "Data Trust Stewards looks after it as steward.",
        "The licence is CC BY 4.0.",
        "It may be used for service provision and public benefit.",
        "2 agreements in force cover every type.",
        "Every feed is at least 98.2% complete; the target is 95%.",
        "The newest record came 5 seconds ago; the objective is 60 seconds.",
    ]
    assert {e.method for e in verdict.gates} == {METHOD}
    assert verdict.gates[4].source == "http://city.example/trust/terms/mobility"
    assert verdict.expires == NOW + timedelta(seconds=55)


BREAKS: dict[str, tuple[str, Harvest, str]] = {
    "no owner": ("owner", _broken(owner=None, owner_name=None), "Nobody is named as the owner of this data."),
    "no steward": ("steward", _broken(steward=None), "No steward is named who looks after this data."),
    "no licence": (
        "licence",
        _broken(licence=None),
        "No licence is set, so nobody can tell what they may do with it.",
    ),
    "no purposes": ("purposes", _broken(purposes=()), "No purpose is set for which this data may be used."),
    "a type without agreement": (
        "policy",
        harvest(agreements=harvest().agreements[:1]),
        "No agreement in force covers WeatherObserved.",
    ),
    "no agreement": (
        "policy",
        harvest(agreements=()),
        "No agreement in force covers Vehicle and WeatherObserved.",
    ),
    "no types": ("policy", _broken(types=()), "The domain declares no types, so no agreement can cover them."),
    "below target": (
        "completeness",
        harvest(quality=(replace(harvest().quality[0], value=0.9), harvest().quality[1])),
        "buses is 90% complete; the target is 95%.",
    ),
    "not measured": ("completeness", harvest(quality=()), "Completeness has not been measured yet."),
    "a feed not measured": (
        "completeness",
        harvest(quality=harvest().quality[:1]),
        "Completeness of weather has not been measured yet.",
    ),
    "measured too long ago": (
        "completeness",
        harvest(quality=(Measurement("buses", "completeness", 1.0, NOW - timedelta(hours=1)), harvest().quality[1])),
        "Completeness was last measured 60 minutes ago, which is too long.",
    ),
    "no target": (
        "completeness",
        _broken(targets=(("validity", 0.9),)),
        "No target is set for completeness.",
    ),
    "feed stopped": (
        "freshness",
        harvest(feeds=(FeedStatus("buses", "stopped", 627, 627, 0, NOW - timedelta(seconds=61), None),)),
        "Nothing has arrived for 61 seconds; the objective is 60 seconds. Feed buses is stopped.",
    ),
    "exactly at the objective": (
        "freshness",
        harvest(feeds=(FeedStatus("buses", "running", 627, 627, 0, NOW - timedelta(seconds=60), None),)),
        "Nothing has arrived for 60 seconds; the objective is 60 seconds.",
    ),
    "no record": (
        "freshness",
        harvest(feeds=(), quality=harvest().quality),
        "No record has arrived yet.",
    ),
    "no objective": ("freshness", _broken(freshness_s=None), "No freshness objective is set."),
}


@pytest.mark.parametrize("case", sorted(BREAKS))
def test_each_thing_broken_fails_its_gate_alone(case: str) -> None:
    """The verdict reverts, names that gate and no other, and says why in plain words."""
    gate, found, reason = BREAKS[case]
    verdict = assess(found, NOW, SOURCES, TTL_S)
    assert verdict.status == "not yet"
    assert verdict.failing == (gate,)
    assert verdict.reason == reason


def test_every_gate_is_broken_by_some_case() -> None:
    """No gate can be added without a case that breaks it."""
    assert {gate for gate, _, _ in BREAKS.values()} == {name for name, _ in GATES}


def test_a_stored_verdict_lapses_when_its_evidence_does() -> None:
    """Judged later, freshness lapses first, at the very moment of its objective; then the rest."""
    verdict = assess(harvest(), NOW, SOURCES, TTL_S)
    assert status_at(verdict, NOW + timedelta(seconds=54)).status == "governed"
    later = status_at(verdict, NOW + timedelta(seconds=55))
    assert later.failing == ("freshness",)
    much_later = status_at(verdict, NOW + timedelta(hours=1))
    assert set(much_later.failing) == {name for name, _ in GATES}
    assert [e.reason for e in much_later.gates] == [
        *(
            f"The evidence for {gate} was last renewed 60 minutes ago, which is too long."
            for gate in ("owner", "steward", "licence", "purposes", "policy")
        ),
        "Completeness was last measured 60 minutes ago, which is too long.",
        "Nobody has looked for new records for 60 minutes; the objective is 60 seconds.",
    ]


def test_records_that_stop_between_two_rounds_are_missed_by_name() -> None:
    """A verdict lapses by itself with the very figures that the next round would find."""
    stopped = FeedStatus("buses", "running", 627, 627, 0, NOW - timedelta(seconds=58), None)
    verdict = assess(harvest(feeds=(stopped,)), NOW, SOURCES, TTL_S)
    assert verdict.status == "governed"
    later = status_at(verdict, NOW + timedelta(seconds=3))
    assert later.failing == ("freshness",)
    assert later.reason == "No new record for 61 seconds; the objective is 60 seconds."
    assert later.gates[-1].value == 61.0


def test_an_agreement_that_ends_between_two_rounds_is_named() -> None:
    """The policy gate lapses with the agreement, not with its evidence, and says so."""
    ending = replace(harvest().agreements[1], until=NOW + timedelta(seconds=30))
    verdict = assess(harvest(agreements=(harvest().agreements[0], ending)), NOW, SOURCES, TTL_S)
    later = status_at(verdict, NOW + timedelta(seconds=31))
    assert later.failing == ("policy",)
    end = f"{NOW + timedelta(seconds=30):%Y-%m-%d %H:%M:%S}"
    assert later.reason == f"An agreement that covered its types ended at {end} UTC; none follows it."


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100%"),
        (0.99996, "99.9%"),
        (0.9999999999999999, "99.9%"),
        (0.9962, "99.6%"),
        (0.995, "99.5%"),
        (0.98, "98%"),
        (0.57, "57%"),
        (0.0, "0%"),
    ],
)
def test_a_partial_share_is_never_rounded_up(share: float, text: str) -> None:
    """One decimal, cut; 100 % is the whole alone."""
    assert percent(share) == text


def test_a_near_miss_reads_as_a_miss() -> None:
    """Value and target differ in print where they differ in fact, in the reason, in the figures and in the value."""
    nearly = replace(harvest().quality[0], value=0.94999)
    verdict = assess(harvest(quality=(nearly, harvest().quality[1])), NOW, SOURCES, TTL_S)
    assert verdict.failing == ("completeness",)
    assert verdict.reason == "buses is 94.9% complete; the target is 95%."
    assert verdict.gates[-2].value == 0.9499
    quality = tuple(replace(m, value=0.99999) for m in harvest().quality)
    asked = domain(targets=(("completeness", 0.995),))
    strict = assess(harvest(domain=asked, quality=quality), NOW, SOURCES, TTL_S)
    assert strict.gates[-2].reason == "Every feed is at least 99.9% complete; the target is 99.5%."
    whole = tuple(replace(m, value=1.0) for m in quality)
    found = assess(harvest(domain=asked, quality=whole), NOW, SOURCES, TTL_S)
    assert found.gates[-2].reason == "Every feed is complete; the target is 99.5%."
    assert (exact_percent(0.995), exact_percent(0.95), exact_percent(1.0)) == ("99.5%", "95%", "100%")


def test_an_agreement_that_ends_takes_its_coverage_along() -> None:
    """Policy evidence expires no later than the last agreement that covers a type."""
    soon = NOW + timedelta(seconds=30)
    ending = replace(harvest().agreements[1], until=soon)
    verdict = assess(harvest(agreements=(harvest().agreements[0], ending)), NOW, SOURCES, TTL_S)
    assert verdict.gates[4].expires == soon


def test_validity_does_not_stand_in_for_completeness() -> None:
    """Other dimensions are not read as completeness."""
    only_validity = tuple(m for m in harvest().quality if m.dimension == "validity")
    assert assess(harvest(quality=only_validity), NOW, SOURCES, TTL_S).failing == ("completeness",)


def test_nothing_assessed_is_not_governed() -> None:
    """A verdict without gates claims nothing."""
    verdict = replace(assess(harvest(), NOW, SOURCES, TTL_S), gates=())
    assert (verdict.status, verdict.reason) == ("not yet", "Not assessed yet.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (86400, "1 day")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """Whole units, singular and plural."""
    assert duration(seconds) == text


def test_the_sample_covers_both_types() -> None:
    """The sample itself: two types, the second covered by one agreement alone."""
    assert isinstance(domain(), DomainFacts)
    assert [len(harvest().covering(t)) for t in (VEHICLE, WEATHER)] == [2, 1]
