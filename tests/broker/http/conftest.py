"""Fixtures of the HTTP tests."""

from __future__ import annotations

from tests.fixtures.broker import api, open_broker

__all__ = ["api", "open_broker"]
