"""Fixtures that every test may ask for; what each gives stands beside it in tests/fixtures."""

from __future__ import annotations

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
