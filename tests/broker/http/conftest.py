"""Fixtures of the HTTP tests."""

from __future__ import annotations

from tests.fixtures.broker import api, open_broker
from tests.fixtures.governed import governed, governed_broker
from tests.fixtures.tokens import issuer

__all__ = ["api", "governed", "governed_broker", "issuer", "open_broker"]
