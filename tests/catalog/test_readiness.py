"""Every gate passes on a domain in good order, and fails alone, with its reason, when its one thing is broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.dataset import Assessment, DomainFacts, FeedStatus, Harvest, Measurement
from catalog.readiness import GATES, METHOD, Evidence, Verdict, assess, duration, exact_percent, percent, status_at
from tests.catalog.samples import NOW, SOURCES, VEHICLE, WEATHER, domain, harvest

TTL_S = 900.0


def _gate(verdict: Verdict, name: str) -> Evidence:
    (found,) = (e for e in verdict.gates if e.gate == name)
    return found


def _broken(**changes: object) -> Harvest:
    return harvest(domain=domain(**changes))


def test_a_domain_in_good_order_is_governed() -> None:
    """All gates pass, each with value, target, unit, source and method."""
    verdict = assess(harvest(), NOW, SOURCES, TTL_S)
    assert verdict.status == "governed"
    assert verdict.failing == ()
    assert verdict.reason == "All 11 gates pass."
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
        ("assessment", "not required", "current", "assessment"),
        ("completeness", 0.982, 0.95, "share"),
        ("validity", 0.91, 0.9, "share"),
        ("freshness", 5.0, 60.0, "seconds"),
        ("retention", "current state P30D, history P1Y, raw records P7D", "set", "declaration"),
        ("provenance", 2, 2, "types with a declared origin"),
    ]
    assert [e.reason for e in verdict.gates] == [
        "Department of Mobility owns this data.",
        "Data Trust Stewards looks after it as steward.",
        "The licence is CC BY 4.0.",
        "It may be used for service provision and public benefit.",
        "2 agreements in force cover every type.",
        "No impact assessment is required: the data is open and about no person.",
        "Every feed is at least 98.2% complete; the target is 95%.",
        "Every feed is at least 91% valid; the target is 90%.",
        "The newest record came 5 seconds ago; the objective is 60 seconds.",
        "It is kept by rule: current state for 30 days, history for 365 days and raw records for 7 days.",
        "Every type comes from one of 2 declared feeds.",
    ]
    assert [e.why for e in verdict.gates if e.why] == ["A vehicle without its place is of no use."]
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
    "below target": (
        "completeness",
        harvest(quality=(replace(harvest().quality[0], value=0.9), *harvest().quality[1:])),
        "buses is 90% complete; the target is 95%.",
    ),
    "not measured": ("completeness", harvest(quality=harvest().quality[2:]), "Completeness has not been measured yet."),
    "a feed not measured": (
        "completeness",
        harvest(quality=(harvest().quality[0], *harvest().quality[2:])),
        "Completeness of weather has not been measured yet.",
    ),
    "measured too long ago": (
        "completeness",
        harvest(quality=(Measurement("buses", "completeness", 1.0, NOW - timedelta(hours=1)), *harvest().quality[1:])),
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
    "assessment ended": (
        "assessment",
        harvest(assessments=(Assessment("urn:dpia:1", NOW - timedelta(days=1)),)),
        "The impact assessment ended at 2026-11-21 12:00:00 UTC; it has to be done anew.",
    ),
    "personal without assessment": (
        "assessment",
        _broken(classification="personal"),
        "No impact assessment is published, and personal data needs one.",
    ),
    "late": (
        "timeliness",
        harvest(
            domain=domain(targets=(("completeness", 0.95), ("timeliness", 0.9))),
            quality=(*harvest().quality, Measurement("buses", "timeliness", 0.5, NOW)),
        ),
        "buses is 50% timely; the target is 90%.",
    ),
    "invalid": (
        "validity",
        harvest(quality=(*harvest().quality[:3], replace(harvest().quality[3], value=0.2))),
        "weather is 20% valid; the target is 90%.",
    ),
    "repeated": (
        "uniqueness",
        _broken(targets=(("completeness", 0.95), ("uniqueness", 0.99))),
        "Uniqueness has not been measured yet.",
    ),
    "no retention": ("retention", _broken(retention=()), "No rule says how long this data is kept."),
    "a type of unknown origin": (
        "provenance",
        harvest(origins=harvest().origins[:1], feeds=harvest().feeds[:1]),
        "No feed is declared from which WeatherObserved comes.",
    ),
    "a feed of unknown origin": (
        "provenance",
        harvest(origins=(replace(harvest().origins[0], types=(VEHICLE, WEATHER)),)),
        "weather delivers data, but is not declared.",
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
    assert len(much_later.failing) == len(much_later.gates) == 11
    assert [e.reason for e in much_later.gates] == [
        *(
            f"The evidence for {gate} was last renewed 60 minutes ago, which is too long."
            for gate in ("owner", "steward", "licence", "purposes", "policy", "assessment")
        ),
        "Completeness was last measured 60 minutes ago, which is too long.",
        "Validity was last measured 60 minutes ago, which is too long.",
        "Nobody has looked for new records for 60 minutes; the objective is 60 seconds.",
        "The evidence for retention was last renewed 60 minutes ago, which is too long.",
        "The evidence for provenance was last renewed 60 minutes ago, which is too long.",
    ]


def test_records_that_stop_between_two_rounds_are_missed_by_name() -> None:
    """A verdict lapses by itself with the very figures that the next round would find."""
    stopped = FeedStatus("buses", "running", 627, 627, 0, NOW - timedelta(seconds=58), None)
    verdict = assess(harvest(feeds=(stopped,)), NOW, SOURCES, TTL_S)
    assert verdict.status == "governed"
    later = status_at(verdict, NOW + timedelta(seconds=3))
    assert later.failing == ("freshness",)
    assert later.reason == "No new record for 61 seconds; the objective is 60 seconds."
    assert _gate(later, "freshness").value == 61.0


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
    verdict = assess(harvest(quality=(nearly, *harvest().quality[1:])), NOW, SOURCES, TTL_S)
    assert verdict.failing == ("completeness",)
    assert verdict.reason == "buses is 94.9% complete; the target is 95%."
    assert _gate(verdict, "completeness").value == 0.9499
    quality = tuple(replace(m, value=0.99999) for m in harvest().quality)
    asked = domain(targets=(("completeness", 0.995),))
    strict = assess(harvest(domain=asked, quality=quality), NOW, SOURCES, TTL_S)
    assert _gate(strict, "completeness").reason == "Every feed is at least 99.9% complete; the target is 99.5%."
    whole = tuple(replace(m, value=1.0) for m in quality)
    found = assess(harvest(domain=asked, quality=whole), NOW, SOURCES, TTL_S)
    assert _gate(found, "completeness").reason == "Every feed is complete; the target is 99.5%."
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


def test_a_domain_without_types_passes_neither_policy_nor_provenance() -> None:
    """Nothing to cover is not full coverage."""
    verdict = assess(_broken(types=()), NOW, SOURCES, TTL_S)
    assert verdict.failing == ("policy", "provenance")
    assert verdict.reason.startswith("The domain declares no types, so no agreement can cover them. ")


def test_an_assessment_counts_until_its_end_and_the_newest_counts() -> None:
    """Also for data about no person: what was made must be current, and evidence ends with it."""
    made = tuple(Assessment(f"urn:dpia:{n}", NOW + timedelta(seconds=n)) for n in (-60, 20))
    personal = domain(classification="personal")
    verdict = assess(harvest(domain=personal, assessments=made), NOW, SOURCES, TTL_S)
    assert verdict.status == "governed"
    assert _gate(verdict, "assessment").value == "urn:dpia:20"
    later = status_at(verdict, NOW + timedelta(seconds=21))
    assert later.failing == ("assessment",)
    assert later.reason == "The impact assessment ended at 2026-11-22 12:00:20 UTC; it has to be done anew."


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
