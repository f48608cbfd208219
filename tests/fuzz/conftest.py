"""The broker that is fuzzed."""

from __future__ import annotations

from tests.fixtures.broker import open_broker

__all__ = ["open_broker"]
