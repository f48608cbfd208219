"""Fixtures that every test may ask for; what each gives stands beside it in tests/fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fixtures.engines import data, engines, kafka, mqtt, opa
from tests.fixtures.postgres import pg, pg_module, pg_template
from tests.fixtures.topics import session_prefix, topic_prefix

if TYPE_CHECKING:
    import pytest

__all__ = [
    "data",
    "engines",
    "kafka",
    "mqtt",
    "opa",
    "pg",
    "pg_module",
    "pg_template",
    "session_prefix",
    "topic_prefix",
]


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str | None:
    """Names a case without its bytes: archives carry the time at which they were made, so two workers would differ."""
    return argname if isinstance(val, bytes) else None
