"""A test that fails beside others and passes alone is named; one that fails for good fails the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite import ALONE, run

UNSTEADY = """
from pathlib import Path
import pytest
@pytest.mark.parametrize("number", range(%d))
def test_first_time_fails(number):
    mark = Path(__file__).with_name(f"mark{number}")
    again = mark.exists()
    mark.touch()
    assert again
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_well.py").write_text("def test_well(): pass\n")
    return tmp_path


def test_a_test_that_passes_alone_is_named(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "test_unsteady.py").write_text(UNSTEADY % 1)
    assert run(project, []) == (0, ["test_unsteady.py::test_first_time_fails[0]"])
    told = "1 failed at first and passed alone; find out why:\n  test_unsteady.py::test_first_time_fails[0]\n"
    assert told in capfd.readouterr().out


def test_one_that_fails_again_fails_the_run(project: Path) -> None:
    (project / "test_wrong.py").write_text("def test_wrong(): assert False\n")
    assert run(project, []) == (1, [])


def test_many_failures_are_not_run_again(project: Path) -> None:
    (project / "test_unsteady.py").write_text(UNSTEADY % (ALONE + 1))
    assert run(project, []) == (1, [])


def test_what_cannot_be_collected_fails_the_run(project: Path) -> None:
    (project / "test_broken.py").write_text("import nowhere\n")
    assert run(project, [])[0] == 2


def test_all_well(project: Path) -> None:
    assert run(project, []) == (0, [])
