"""The ingest worker under kills, repeats, late records and rebalances (CONTRACTS: Kafka topics, apply rule)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.runs import disturbed_run, undisturbed
from tests.faults.streams import stream
from tests.fixtures.postgres import Database

PROVE = os.environ.get("DATAPOLIS_PROVE") == "1"


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(10_000, marks=pytest.mark.timeout(240)),
        pytest.param(
            100_000,
            marks=[
                pytest.mark.prove,
                pytest.mark.timeout(3600),
                pytest.mark.skipif(not PROVE, reason="a long proof: make prove"),
            ],
        ),
    ],
)
async def test_ten_kills_and_a_rebalance_change_nothing(
    pg: Database, pg_module: Database, kafka: str, topic_prefix: str, tmp_path: Path, records: int
) -> None:
    envelopes = stream(records)
    calm = await undisturbed(pg_module, kafka, f"{topic_prefix}calm-", envelopes, tmp_path)
    wild = await disturbed_run(pg, kafka, f"{topic_prefix}wild-", envelopes, tmp_path)
    assert len(calm.entities) == 200
    assert len(calm.history) > records
    assert wild.entities == calm.entities
    assert wild.history == calm.history
