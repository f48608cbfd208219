"""Each kind of evidence broken in turn: the verdict reverts within one round, an outsider agrees, and it recovers.

And what does not hold is found: figures changed in the database, a verdict signed by another key, and a lie that was
signed with the catalog's own key.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from catalog.evidence import Verdict, evidence_of
from catalog.sign import VerdictKey
from policies.agreements.lifecycle import change_status
from policies.store.connect import connect
from tests.catalog.conftest import City


def _all_hold(city: City, mobility: str) -> None:
    assert city.verify() == (["environment: not yet", f"mobility: {mobility}", "requests: not yet"], [])


@contextmanager
def _feed_stopped(city: City) -> Iterator[None]:
    city.feed("buses", "mobility", datetime.now(UTC) - timedelta(minutes=5), received=30, mapped=30, rejected=0)
    yield


@contextmanager
def _quality(city: City, dimension: str) -> Iterator[None]:
    city.quality("buses", "mobility", 0.5, dimension)
    yield


@contextmanager
def _undeclared(city: City, member: str) -> Iterator[None]:
    path = Path(city.environment["DATAPOLIS_CITY"]) / "domains" / "mobility.yaml"
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(True) if not line.startswith(f"{member}:")))
    city.apply_domains()
    try:
        yield
    finally:
        path.write_text(text)
        city.apply_domains()


@contextmanager
def _unknown_origin(city: City) -> Iterator[None]:
    path = Path(city.environment["DATAPOLIS_CITY"]) / "feeds" / "buses.yaml"
    text = path.read_text()
    path.unlink()
    try:
        yield
    finally:
        path.write_text(text)


@contextmanager
def _without_agreement(city: City) -> Iterator[None]:
    uids = [a["uid"] for a in city.get("/trust/terms/mobility")["agreements"]]
    asyncio.run(_set_all(city, uids, active=False))
    try:
        yield
    finally:
        asyncio.run(_set_all(city, uids, active=True))


async def _set_all(city: City, uids: list[str], *, active: bool) -> None:
    conn = await connect(city.database.dsn("policies"))
    try:
        for uid in uids:
            await change_status(conn, uid, "active" if active else "suspended", "urn:party:steward", "a test")
    finally:
        await conn.close()


BREAKS: dict[str, tuple[Callable[[City], AbstractContextManager[None]], str, str]] = {
    "feed stopped": (_feed_stopped, "freshness", "Nothing has arrived for 5 minutes; the objective is 30 seconds."),
    "incomplete": (lambda c: _quality(c, "completeness"), "completeness", "buses is 50% complete; the target is 95%."),
    "late": (lambda c: _quality(c, "timeliness"), "timeliness", "buses is 50% timely; the target is 90%."),
    "invalid": (lambda c: _quality(c, "validity"), "validity", "buses is 50% valid; the target is 98%."),
    "repeated": (lambda c: _quality(c, "uniqueness"), "uniqueness", "buses is 50% unique; the target is 99%."),
    "no steward": (lambda c: _undeclared(c, "steward"), "steward", "No steward is named who looks after this data."),
    "no owner": (lambda c: _undeclared(c, "owner"), "owner", "Nobody is named as the owner of this data."),
    "no licence": (
        lambda c: _undeclared(c, "licence"),
        "licence",
        "No licence is set, so nobody can tell what they may do with it.",
    ),
    "no purposes": (
        lambda c: _undeclared(c, "purposes"),
        "purposes",
        "No purpose is set for which this data may be used.",
    ),
    "no retention": (lambda c: _undeclared(c, "retention"), "retention", "No rule says how long this data is kept."),
    "no policy": (_without_agreement, "policy", "No agreement in force covers Vehicle."),
    "unknown origin": (_unknown_origin, "provenance", "buses delivers data, but is not declared."),
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
    async def run() -> None:
        conn = await asyncpg.connect(city.database.dsn("catalog"))
        try:
            await conn.execute(statement, *values)
        finally:
            await conn.close(timeout=5)

    asyncio.run(run())
    time.sleep(0.6)  # the catalog's readers share one reading for half a second


def test_a_figure_changed_in_the_database_is_found(governed: City) -> None:
    """The verdict is shown as governed, but that is not what was signed, nor what the feed reports."""
    governed.in_good_order()
    with _quality(governed, "validity"):
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
    with _quality(governed, "validity"):
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
