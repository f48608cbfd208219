"""The mutation run: every listed fault applies to the code as it is, and with DATAPOLIS_PROVE=1 each is found."""

from __future__ import annotations

import os

import pytest

from docker.local.stack import ROOT
from tests.oracle.mutants import MUTANTS, Mutant
from tests.oracle.mutate import survivors

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(MUTANTS) >= 90
    assert len(set(MUTANTS)) == len(MUTANTS)


def applies(mutant: Mutant) -> bool:
    """Say whether the fault is one edit of the code as it is."""
    return (ROOT / mutant.file).read_text().count(mutant.old) == 1 and mutant.new != mutant.old and bool(mutant.tests)


def test_each_is_an_edit_of_the_code_as_it_is() -> None:
    """A fault whose text has been rewritten would change nothing, and be found by nothing."""
    assert [one for one in MUTANTS if not applies(one)] == []


@pytest.mark.skipif(not PROVE, reason="one test run per fault: make prove")
@pytest.mark.timeout(7200)
def test_every_fault_is_found() -> None:
    left = survivors(range(len(MUTANTS)))
    assert left == [], f"not found: {[MUTANTS[one] for one in left]}"
