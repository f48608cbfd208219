"""README's section 'Configuration' lists every DATAPOLIS_ variable that something reads, and no other."""

from __future__ import annotations

import re

import pytest

from docker.local.stack import ROOT
from docker.local.variables import variables

_ROW = re.compile(r"^\|\s*`(DATAPOLIS_[A-Z0-9_<>]+)`\s*\|", re.M)


def test_readme_lists_every_variable_and_no_other() -> None:
    """`python -m docker.local.variables` prints the table to put there."""
    text = (ROOT / "README.md").read_text()
    match = re.search(r"^#+ Configuration$(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    if match is None:
        pytest.fail("README.md has no section 'Configuration'; python -m docker.local.variables prints its table")
    documented = set(_ROW.findall(match[1]))
    assert documented == {each.name for each in variables()}


def test_every_variable_says_what_it_is() -> None:
    """A setting without a description helps nobody."""
    assert [each.name for each in variables() if not each.meaning] == []
