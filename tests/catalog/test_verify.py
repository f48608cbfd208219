"""Each kind of evidence broken in turn: the verdict reverts within one round, an outsider agrees, and it recovers.

And what does not hold is found: figures changed in the database, a verdict signed by another key, and a lie that was
signed with the catalog's own key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.evidence import Verdict, evidence_of
from catalog.sign import VerdictKey
from tests.catalog.breaking import declared_without, feed_stopped, quality, tamper, unknown_origin, without_agreement
from tests.catalog.conftest import City, assessing


def _all_hold(city: City, mobility: str) -> None:
    assert city.verify() == (["environment: not yet", f"mobility: {mobility}", "requests: not yet"], [])


BREAKS: dict[str, tuple[Callable[[City], AbstractContextManager[None]], str, str]] = {
    "feed stopped": (feed_stopped, "freshness", "Nothing has arrived for 5 minutes; the objective is 30 seconds."),
    "incomplete": (lambda c: quality(c, "completeness"), "completeness", "buses is 50% complete; the target is 95%."),
    "late": (lambda c: quality(c, "timeliness"), "timeliness", "buses is 50% timely; the target is 90%."),
    "invalid": (lambda c: quality(c, "validity"), "validity", "buses is 50% valid; the target is 98%."),
    "repeated": (lambda c: quality(c, "uniqueness"), "uniqueness", "buses is 50% unique; the target is 99%."),
    "no steward": (
        lambda c: declared_without(c, "steward"),
        "steward",
        "No steward is named who looks after this data.",
    ),
    "no owner": (lambda c: declared_without(c, "owner"), "owner", "Nobody is named as the owner of this data."),
    "no licence": (
        lambda c: declared_without(c, "licence"),
        "licence",
        "No licence is set, so nobody can tell what they may do with it.",
    ),
    "no purposes": (
        lambda c: declared_without(c, "purposes"),
        "purposes",
        "No purpose is set for which this data may be used.",
    ),
    "no retention": (
        lambda c: declared_without(c, "retention"),
        "retention",
        "No rule says how long this data is kept.",
    ),
    "no policy": (without_agreement, "policy", "No agreement in force covers Vehicle."),
    "unknown origin": (unknown_origin, "provenance", "buses delivers data, but is not declared."),
}


@pytest.mark.parametrize("case", sorted(BREAKS))
def test_each_evidence_broken_reverts_the_verdict_and_an_outsider_agrees(governed: City, case: str) -> None:
    """Governed before, not yet with that reason alone within one round, governed again; `verify` agrees each time."""
    broken, gate, reason = BREAKS[case]
    governed.in_good_order()
    assert governed.assess()["mobility"]["status"] == "governed"
    with broken(governed):
        found = governed.assess()["mobility"]
        assert (found["status"], found["failing"]) == ("not yet", [gate])
        assert found["reason"] == reason
        _all_hold(governed, "not yet")
    governed.in_good_order()
    assert governed.assess()["mobility"]["status"] == "governed"
    _all_hold(governed, "governed")


def _tamper(city: City, statement: str, *values: Any) -> None:
    tamper(city, statement, *values)
    time.sleep(0.6)  # the catalog's readers share one reading for half a second


def test_a_figure_changed_in_the_database_is_found(governed: City) -> None:
    """The verdict is shown as governed, but that is not what was signed, nor what the feed reports."""
    governed.in_good_order()
    with quality(governed, "validity"):
        governed.assess()
        _tamper(
            governed,
            "UPDATE catalog.evidence SET passed = true, value = '0.995', reason = 'Every feed is valid.' "
            "WHERE current AND domain = 'mobility' AND gate = 'validity'",
        )
        held, wrong = governed.verify(1)
    assert held == ["environment: not yet", "requests: not yet"]
    assert wrong == [
        "mobility: signature: the gates that are shown are not those that were signed",
        "mobility: signature: it is shown as governed, but what was signed says not yet",
        "mobility: validity: it is shown as passed, but: buses is 50% valid; the target is 98%.",
        "mobility: verdict: it is shown as governed, but the evidence says not yet: buses is 50% valid; the target is "
        "98%.",
    ]
    governed.in_good_order()
    governed.assess()
    _all_hold(governed, "governed")


def test_a_lie_signed_with_the_catalogs_own_key_is_found(governed: City) -> None:
    """The signature is good, the figure is not: the sources say otherwise."""
    governed.in_good_order()
    with quality(governed, "validity"):
        shown = governed.assess()["mobility"]
        gates = tuple(evidence_of(e) for e in shown["gates"])
        lie = tuple(replace(e, passed=True, value=0.995, reason="Fine.") if e.gate == "validity" else e for e in gates)
        verdict = Verdict("mobility", datetime.fromisoformat(shown["at"]), lie)
        key = VerdictKey.load(Path(governed.environment["DATAPOLIS_STATE"]) / "readiness.key")
        _tamper(
            governed,
            "UPDATE catalog.verdicts SET jws = $1, status = 'governed', failing = '{}' "
            "WHERE domain = 'mobility' AND version = $2",
            key.sign(verdict, shown["version"]),
            shown["version"],
        )
        _tamper(
            governed,
            "UPDATE catalog.evidence SET passed = true, value = '0.995', reason = 'Fine.' "
            "WHERE current AND domain = 'mobility' AND gate = 'validity'",
        )
        held, wrong = governed.verify(1)
    assert held == ["environment: not yet", "requests: not yet"]
    assert wrong == [
        "mobility: validity: it is shown as passed, but: buses is 50% valid; the target is 98%.",
        "mobility: verdict: it is shown as governed, but the evidence says not yet: buses is 50% valid; the target is "
        "98%.",
    ]


def test_a_verdict_of_another_key_is_found(governed: City, tmp_path: Path) -> None:
    """Whoever pins the catalog's key sees that another signed."""
    governed.in_good_order()
    governed.assess()
    stranger = VerdictKey.load(tmp_path / "stranger.key")
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [stranger.jwk]}))
    known = tmp_path / "known.json"
    known.write_text(json.dumps(governed.get("/readiness/keys")))
    command = ("catalog", "verify", governed.catalog, "--wait", "0", "--key")
    said = governed.run(*command, str(tmp_path / "keys.json"), expect=1)
    assert said.count("DOES NOT HOLD") == 3
    assert said.count("is not among those that are published") == 3
    assert governed.run(*command, str(known)).count("Holds.") == 3


def test_where_no_catalog_answers_it_says_so(governed: City) -> None:
    """Exit 2 and the address."""
    assert governed.run("catalog", "verify", governed.broker, expect=2) == ""


def test_a_tampered_verdict_is_found_by_the_command(governed: City) -> None:
    """Stored between two rounds of an assessor that works seldom; its next start puts it right."""
    governed.in_good_order()
    ahead = datetime.now(UTC) + timedelta(minutes=10)  # so that freshness outlasts the commands on a slow machine
    governed.feed("buses", "mobility", ahead, received=30, mapped=30, rejected=0)
    command = ("catalog", "verify", governed.catalog, "--wait", "1")
    with quality(governed, "validity"), assessing(governed, DATAPOLIS_ASSESS_INTERVAL_S="600"):
        _wait_for(governed, ["validity"])
        assert "mobility: not yet. Holds." in governed.run(*command)
        tamper(
            governed,
            "UPDATE catalog.evidence SET passed = true, value = '0.995', reason = 'Every feed is valid.' "
            "WHERE current AND domain = 'mobility' AND gate = 'validity'",
        )
        _wait_for(governed, [])
        said = governed.run(*command, expect=1)
        assert "mobility: governed. DOES NOT HOLD" in said
        assert "signature: it is shown as governed, but what was signed says not yet" in said
        assert "validity: it is shown as passed, but: buses is 50% valid; the target is 98%." in said
    governed.in_good_order()
    governed.assess()
    assert "mobility: governed. Holds." in governed.run(*command)


def _wait_for(city: City, failing: list[str]) -> None:
    end = time.monotonic() + 60
    while (found := city.get("/readiness/mobility"))["failing"] != failing:
        assert time.monotonic() < end, found["reason"]
        time.sleep(0.1)
