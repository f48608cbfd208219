"""The mutation run: every listed fault applies to the code as it is, and with DATAPOLIS_PROVE=1 each is found."""

from __future__ import annotations

import os

import pytest

from docker.local.stack import ROOT
from tests.oracle.mutants import MUTANTS, Mutant
from tests.oracle.mutate import copied, survives
from tests.oracle.progress import Progress

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(MUTANTS) >= 50
    assert len(set(MUTANTS)) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.file}: {one.new.strip()[:40]}")
def test_it_is_one_edit_of_the_code(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert mutant.tests


@pytest.mark.skipif(not PROVE, reason="one test run per fault: make prove")
@pytest.mark.timeout(7200)
def test_every_fault_is_found() -> None:
    with copied() as tree, Progress.of("mutants", 0, len(MUTANTS)) as done:
        for number in done.left():
            done.add(number, survives(tree, MUTANTS[number]))
        assert done.total() == 0, f"{done.total()} faults survive; python -m tests.oracle.mutate names them"
