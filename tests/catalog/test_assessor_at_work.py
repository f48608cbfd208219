"""Each kind of evidence broken in turn while the assessor works: reverted within one cycle, and back by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.catalog.breaking import assessment, declared_without, feed_stopped, quality, without_agreement
from tests.catalog.conftest import City, assessing
from tests.catalog.harvesting import ask

INTERVAL_S = 0.5


@pytest.fixture(scope="module")
def metrics(governed: City) -> Iterator[str]:
    """The address of the working assessor's metrics."""
    with assessing(governed, DATAPOLIS_ASSESS_INTERVAL_S=str(INTERVAL_S)) as admin:
        yield f"{admin}/metrics"


def _rounds(metrics: str) -> int:
    lines = ask(metrics, "text/plain").body.decode().splitlines()
    done = [line.split()[1] for line in lines if line.startswith('catalog_rounds_total{outcome="done"}')]
    return round(float(done[0])) if done else 0


def _mobility(city: City) -> dict[str, Any]:
    (found,) = (d for d in city.get("/readiness")["domains"] if d["domain"] == "mobility")
    return dict(found)


def _becomes(city: City, metrics: str, failing: list[str], since: int) -> dict[str, Any]:
    """The verdict once these gates alone fail: by the end of the round that was under way and of the one after it."""
    wanted = ("not yet" if failing else "governed", failing)  # nothing fails of what nobody has assessed yet either
    found = _wait_for(city, lambda d: (d["status"], d["failing"]) == wanted and _rounds(metrics) > since)
    # A reading is shared for half a second, in which more rounds may have ended.
    assert _rounds(metrics) - since <= 3 + 0.5 / INTERVAL_S
    return found


def _wait_for(city: City, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + 60
    while not condition(found := _mobility(city)):
        assert time.monotonic() < end, found["reason"]
        time.sleep(0.1)
    return found


def _all_hold(city: City, mobility: str) -> None:
    assert city.verify() == (["environment: not yet", f"mobility: {mobility}", "requests: not yet"], [])


@contextmanager
def _expired(city: City) -> Iterator[None]:
    """An impact assessment runs out, and is done anew."""
    assessment(city, timedelta(seconds=2))
    time.sleep(2.1)
    try:
        yield
    finally:
        assessment(city, timedelta(days=365))


BREAKS: dict[str, tuple[Callable[[City], AbstractContextManager[None]], str, str]] = {
    "assessment expired": (_expired, "assessment", "The impact assessment ended at "),
    "feed stopped": (feed_stopped, "freshness", "Nothing has arrived for 5 minutes; the objective is 30 seconds."),
    "licence removed": (lambda c: declared_without(c, "licence"), "licence", "No licence is set, so nobody can tell "),
    "quality under target": (lambda c: quality(c, "validity"), "validity", "buses is 50% valid; the target is 98%."),
    "steward removed": (lambda c: declared_without(c, "steward"), "steward", "No steward is named who looks after "),
    "type without policy": (without_agreement, "policy", "No agreement in force covers Vehicle."),
}


@pytest.mark.parametrize("case", sorted(BREAKS))
def test_it_reverts_within_one_cycle_and_recovers(governed: City, metrics: str, case: str) -> None:
    """For that reason alone; an outsider agrees before, during and after."""
    broken, gate, reason = BREAKS[case]
    governed.in_good_order()
    _becomes(governed, metrics, [], _rounds(metrics))
    _all_hold(governed, "governed")
    with broken(governed):
        found = _becomes(governed, metrics, [gate], _rounds(metrics))
        assert found["status"] == "not yet"
        assert found["reason"].startswith(reason)
        _all_hold(governed, "not yet")
    governed.in_good_order()
    assert _becomes(governed, metrics, [], _rounds(metrics))["status"] == "governed"
    _all_hold(governed, "governed")
    versions = governed.get("/readiness/mobility/history?days=1")["versions"]
    assert [v["failing"] for v in versions[-3:]] == [[], [gate], []]


def test_a_feed_that_falls_silent_lapses_by_itself(governed: City, metrics: str) -> None:
    """Nothing is changed: the objective of 30 seconds passes, and the verdict is no longer shown as governed."""
    with feed_stopped(governed, timedelta(seconds=24)):
        assert _mobility(governed)["status"] == "governed"
        _wait_for(governed, lambda d: d["failing"] == ["freshness"])
    _all_hold(governed, "not yet")
    governed.in_good_order()
    _becomes(governed, metrics, [], _rounds(metrics))
