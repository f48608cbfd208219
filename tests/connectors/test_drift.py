"""Schema drift: what is learnt, what counts as drift, what does not, and that memory stays bounded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from connectors.drift import Drift
from connectors.feed import Feed
from connectors.names import Names
from connectors.settings import ConnectorSettings
from connectors.state import FeedState
from connectors.trial import try_file

FIRST = {"id": "a", "temp": 12, "note": None, "at": {"lon": 9.9, "lat": 48.4}, "tags": [{"k": "x"}]}


def learnt(keep: tuple[str, ...] = (), *records: dict[str, object]) -> Drift:
    drift = Drift(keep, learn=len(records) or 1)
    for record in records or (FIRST,):
        assert not drift.note(record)
    assert not drift.learning
    return drift


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"temp": 12.5}, {}),
        ({"note": "late"}, {}),
        ({"temp": None}, {}),
        ({"temp": "12"}, {"retyped": {"temp": 1}}),
        ({"temp": True}, {"retyped": {"temp": 1}}),
        ({"humidity": 80}, {"new": {"humidity": 1}}),
        ({"at": {"lon": 9.9}}, {"vanished": {"at/lat": 1}}),
        ({"at": "9.9 48.4"}, {"retyped": {"at": 1}, "vanished": {"at/lat": 1, "at/lon": 1}}),
        ({"at": {"lon": 9.9, "lat": 48.4, "alt": 1}}, {"new": {"at/alt": 1}}),
        ({"tags": [{"k": 1}]}, {"retyped": {"tags[]/k": 1}}),
        ({"tags": []}, {}),
    ],
)
def test_what_counts(change: dict[str, object], expected: dict[str, dict[str, int]]) -> None:
    drift = learnt()
    assert drift.note({**FIRST, **change}) is bool(expected)
    assert {what: paths for what, paths in drift.counts.items() if paths} == expected
    assert (drift.compared, drift.drifted) == (1, int(bool(expected)))


def test_a_member_that_only_some_had_may_be_missing_and_one_that_all_had_may_not() -> None:
    drift = learnt((), {"a": 1, "b": 1}, {"a": 2})
    assert not drift.note({"a": 3})
    assert drift.note({"b": 3})
    assert drift.counts["vanished"] == {"a": 1}


def test_what_the_mapping_knows_is_not_new() -> None:
    drift = learnt(("humidity", "where/*", "deep/down"), {"a": 1})
    assert not drift.note({"a": 1, "humidity": 80, "where": {"x": 1}, "deep": {"down": 1}})
    assert drift.note({"a": 1, "deep": {"up": 1}})
    assert drift.counts["new"] == {"deep/up": 1}


def test_records_of_several_kinds_have_a_baseline_each() -> None:
    drift = Drift((), "table", learn=2)
    drift.note({"table": "stops", "stop_id": "1"})
    drift.note({"table": "trips", "trip_id": "1"})
    assert not drift.note({"table": "stops", "stop_id": "2"})
    assert drift.note({"table": "trips", "stop_id": "2"})
    assert drift.counts == {"new": {"stop_id": 1}, "vanished": {"trip_id": 1}, "retyped": {}}
    assert drift.note({"table": "fares"})
    assert drift.counts["new"] == {"stop_id": 1, "table=fares": 1}


def test_the_baseline_outlives_a_restart() -> None:
    before = learnt()
    before.note({**FIRST, "more": 1})
    kept = json.loads(json.dumps(before.state()))
    after = Drift(learn=1)
    after.restore(kept)
    assert after.state() == kept
    assert after.note({**FIRST, "more": 2})
    assert (after.compared, after.drifted, after.counts["new"]) == (2, 2, {"more": 2})


def test_memory_is_bounded_whatever_comes() -> None:
    drift = Drift(learn=100)
    for at in range(5_000):
        drift.note({f"m{at}-{n}": {f"x{n}-{at}": at} for n in range(5)} | {"x" * 100_000: 1})
    kept = json.dumps(drift.state())
    assert len(kept) < 400_000
    assert sum(len(paths) for paths in drift.counts.values()) <= 3 * 101
    assert len(drift._good) <= 512
    assert sys.getsizeof(kept) < 500_000


def test_check_says_what_drifted_from_the_running_feed(tmp_path: Path) -> None:
    feed = Feed.model_validate({
        "feed": "probes", "title": "t", "domain": "environment", "source": {"kind": "file", "path": "x"},
        "decoder": {"kind": "csv"}, "key": "id", "minimise": {"keep": ["id", "temp"]},
        "mapping": [{"type": "T", "id": "urn('T', id)", "observedAt": "'2026-01-01T00:00:00Z'",
                     "attributes": {"temp": "number(temp)"}}],
    })  # fmt: skip
    names = Names({"T": "https://a.example/T", "temp": "https://a.example/temp"})
    settings = ConnectorSettings(state=tmp_path / "state")
    sample = tmp_path / "probes.csv"
    sample.write_text("id,colour\n1,red\n2,blue\n")
    assert try_file(feed, names, settings, sample, 10).drift == {}
    drift = Drift()
    for n in range(1_000):
        drift.note({"id": str(n), "temp": "1"})
    FeedState(settings.feed_state, "probes").write("schema", drift.state())
    assert try_file(feed, names, settings, sample, 10).drift == {"new": {"colour": 2}, "vanished": {"temp": 2}}


def test_relearn_is_asked_once(tmp_path: Path) -> None:
    state = FeedState(tmp_path, "f")
    assert not state.relearn()
    state.ask_relearn()
    assert state.relearn()
    assert not state.relearn()
