"""The running platform for the acceptance tests."""

from __future__ import annotations

from tests.fixtures.stack import stack

__all__ = ["stack"]
