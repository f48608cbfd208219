"""The test of kills can fail: without the key of history, repeats show."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from tests.faults.runs import disturbed_run, undisturbed
from tests.faults.streams import stream
from tests.fixtures.postgres import Database


@pytest.mark.timeout(240)
async def test_without_the_key_of_history_the_comparison_fails(
    pg: Database, pg_module: Database, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    envelopes = stream(1000, entities=50)
    calm = await undisturbed(pg_module, kafka, f"{topic_prefix}calm-", envelopes, tmp_path)
    conn = await asyncpg.connect(pg.dsn("admin"))
    try:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
        await conn.execute(f"ALTER TABLE {schema}.history DROP CONSTRAINT history_pkey")
    finally:
        await conn.close()
    wild = await disturbed_run(pg, kafka, f"{topic_prefix}wild-", envelopes, tmp_path, "--without-key")
    assert wild.history != calm.history
    assert len(wild.history) > len(calm.history)
