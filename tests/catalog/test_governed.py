"""The catalog over a real, governed broker: harvest, verdicts that revert and recover, and what the public sees."""

from __future__ import annotations

from tests.catalog.conftest import City


def test_smoke(governed: City) -> None:
    """Look."""
    print(governed.assess()["mobility"])
