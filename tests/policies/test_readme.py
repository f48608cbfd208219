"""The README lists every variable that the settings read, with its default."""

from __future__ import annotations

import re

from policies.settings import PolicySettings
from tests.policies.conftest import ROOT


def test_every_variable_is_listed() -> None:
    text = (ROOT / "policies" / "README.md").read_text()
    listed = dict(re.findall(r"^\| DATAPOLIS_(\w+) \| ([^|]*) \|", text, re.MULTILINE))
    expected = {
        name.upper(): "(local)" if name == "dsn_policies" else str("-" if field.default is None else field.default)
        for name, field in PolicySettings.model_fields.items()
    }
    assert listed == expected
