"""A city folder of a test's own, and a connectors process's settings on the shared Kafka."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT
from tests.fixtures.mariadb import mariadb
from tests.fixtures.tokens import issuer

__all__ = ["city", "issuer", "make_settings", "mariadb"]

CITY = ROOT / "city"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """An empty city folder with the sample city's context."""
    folder = tmp_path / "city"
    (folder / "feeds").mkdir(parents=True)
    shutil.copy(CITY / "context.jsonld", folder)
    return folder


@pytest.fixture
def make_settings(tmp_path: Path, city: Path) -> Callable[..., ConnectorSettings]:
    """Settings of a process on this city; members may be overridden."""

    def make(**members: object) -> ConnectorSettings:
        given = {"city": city, "state": tmp_path / "state", "egress_allow": "127.0.0.0/8", "quality_interval": 0.2}
        return ConnectorSettings.model_validate({**given, **members})

    return make
