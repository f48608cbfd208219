"""The README names every setting."""

from __future__ import annotations

from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT


def test_every_setting_is_listed() -> None:
    text = (ROOT / "connectors" / "README.md").read_text(encoding="utf-8")
    for name in ConnectorSettings.model_fields:
        assert f"`DATAPOLIS_{name.upper()}`" in text, name
