"""The ingest worker under kills, repeats, late records and rebalances (CONTRACTS: Kafka topics, apply rule)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.runs import disturbed_run, undisturbed
from tests.faults.streams import stream
from tests.fixtures.postgres import Database

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"
RECORDS = 100_000 if PROVE else 10_000


@pytest.mark.timeout(3600 if PROVE else 240)
async def test_ten_kills_and_a_rebalance_change_nothing(
    pg: Database, pg_module: Database, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    envelopes = stream(RECORDS)
    calm = await undisturbed(pg_module, kafka, f"{topic_prefix}calm-", envelopes, tmp_path)
    wild = await disturbed_run(pg, kafka, f"{topic_prefix}wild-", envelopes, tmp_path)
    assert len(calm.entities) == 200
    assert len(calm.history) > RECORDS
    assert wild.entities == calm.entities
    assert wild.history == calm.history
