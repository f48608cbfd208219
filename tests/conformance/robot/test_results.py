"""The table of the suite's results counts as it says, and complains of what nobody has explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker.local.console import Trouble
from tests.conformance.robot import results, suite
from tests.conformance.robot.cases import Case, Outcome
from tests.conformance.robot.results import Run, report, unexplained

GOOD = Case("jsonldContext/Provision/AddContext/050_01.robot", "050_01_01 Add")
BAD = Case("ContextInformation/Provision/Entities/CreateEntity/001_01.robot", "001_01_01 Create")


def run(access: str, *passed: bool) -> Run:
    """Make a run of the two cases."""
    outcomes = {case: Outcome(case, ok, "") for case, ok in zip((GOOD, BAD), passed, strict=True)}
    return Run(access, outcomes, {BAD.folder: 7} if access == "governed" else {}, {BAD.folder: 3})


def test_table_counts_by_group_and_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row per group, passes over cases, decisions and filtered statements of governed runs only."""
    monkeypatch.setattr(results, "explanations", lambda: {results.key(BAD): "5.6.1.4: says so"})
    text = report([run("open", True, False), run("governed", True, True)], "abc1234")
    assert "| group | open | governed | decisions | filtered |" in text
    assert "| ContextInformation/Provision/Entities | 0/1 | 1/1 | 7 | 3 |" in text
    assert "| jsonldContext/Provision/AddContext | 1/1 | 1/1 | 0 | 0 |" in text
    assert "| **all** | 1/2 | 2/2 | 7 | 3 |" in text
    assert "- open: ContextInformation/Provision 0.0% (below 98%); jsonldContext 100.0%" in text
    assert text.endswith(f"- `{BAD.file}` {BAD.name} (open): 5.6.1.4: says so\n")


def test_failures_need_a_reason_and_reasons_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways: an unexplained failure, and a reason for what passes."""
    monkeypatch.setattr(results, "explanations", dict)
    assert unexplained([run("open", True, False)]) == [f"fails unexplained: {results.key(BAD)}"]
    monkeypatch.setattr(results, "explanations", lambda: {results.key(GOOD): "?"})
    assert unexplained([run("open", True, True)]) == [f"explained, but passes: {results.key(GOOD)}"]


def test_a_case_that_only_one_way_passes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explained or not: with policies and without, the same cases pass."""
    monkeypatch.setattr(results, "explanations", lambda: {results.key(BAD): "?"})
    both = [run("open", True, True), run("governed", True, False)]
    assert unexplained(both) == [f"passes open alone: {results.key(BAD)}"]
    assert unexplained([run("open", True, False), run("governed", True, False)]) == []


def test_a_reason_for_one_way_alone_counts_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the other way passes; a failure of the other way needs its own, and one that passes is told."""
    name = results.key(BAD, "governed")
    monkeypatch.setattr(results, "explanations", lambda: {name: "policy"})
    both = [run("open", True, True), run("governed", True, False)]
    assert unexplained(both) == []
    assert report(both, "abc1234").endswith(f"- `{BAD.file}` {BAD.name} (governed): policy\n")
    failing = [run("open", True, False), run("governed", True, False)]
    assert unexplained(failing) == [f"fails unexplained: {results.key(BAD)}"]
    passing = [run("open", True, True), run("governed", True, True)]
    assert unexplained(passing) == [f"explained, but passes: {name}"]


def test_something_else_is_no_suite(tmp_path: Path) -> None:
    """A folder without the suite's cases is refused with what to do."""
    with pytest.raises(Trouble, match="has no folder TP/NGSI-LD"):
        suite.copied(tmp_path, tmp_path / "copy", "http://127.0.0.1:1")
