"""Fixtures that every test may ask for; what each gives stands beside it in tests/fixtures."""

from __future__ import annotations

import pytest

from tests.fixtures.engines import data, engines, kafka, mqtt, opa
from tests.fixtures.postgres import pg, pg_module, pg_template
from tests.fixtures.topics import session_prefix, topic_prefix

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


@pytest.hookimpl(tryfirst=True)  # before the plugin writes the groups down
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what stays together when tests run side by side: each file, and all that start the platform on its ports."""
    for item in items:
        place = str(item.path)
        item.add_marker(pytest.mark.xdist_group("stack" if "/acceptance/" in place else place))
