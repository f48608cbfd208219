"""A source that adds, drops and retypes a field: seen in status, metrics, the list, and as entities of the platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from catalog.harvest import MEASUREMENT
from connectors.__main__ import app
from connectors.admin import admin_app
from connectors.feed import load
from connectors.settings import ConnectorSettings
from connectors.state import FeedState
from tests.connectors.whole import Portion, ingested
from tests.fixtures.broker import Api, broker_process, until
from tests.fixtures.postgres import Database

Make = Callable[..., ConnectorSettings]
NS, DQV = "https://datapolis.example/ns#", "http://www.w3.org/ns/dqv#"
FEED = f"{NS}Feed"
PROBES = """
feed: probes
title: Soil probes
domain: environment
source: {kind: file, path: "FOLDER/*.json", every: 200ms}
decoder: {kind: json}
key: id
minimise: {keep: [id, at, temp, hum]}
mapping:
  - type: WeatherObserved
    id: urn('WeatherObserved', 'probe', id)
    observedAt: time(at)
    attributes: {temperature: {value: number(temp), unitCode: CEL}}
"""


def record(n: int, **changes: Any) -> dict[str, Any]:
    given = {"id": f"p{n % 7}", "at": f"2026-01-01T{n // 60 % 24:02}:{n % 60:02}:00Z", "temp": n / 10, "hum": 80}
    return {name: value for name, value in (given | changes).items() if value is not None}


@pytest.mark.timeout(240)
async def test_drift_is_seen_wherever_a_steward_looks(
    city: Path, make_settings: Make, pg: Database, kafka: str, topic_prefix: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.json").write_text(json.dumps([record(n) for n in range(1_000)]))
    path = city / "feeds" / "probes.yaml"
    path.write_text(PROBES.replace("FOLDER", str(source)))
    settings = make_settings(kafka=kafka, topic_prefix=topic_prefix, session_ms=30_000, quality_interval=0.3)
    with broker_process(pg, {"DATAPOLIS_ACCESS": "open"}) as running:
        async with aiohttp.ClientSession() as http:
            platform = Api(http, running.url, "platform")
            assert (await platform.post("/entities", {"id": "urn:first", "type": "First"})).status == 201
            async with (
                ingested([Portion(settings, (load(path),))], pg, tmp_path, 60) as ingest,
                TestClient(TestServer(admin_app(ingest.supervisors[0]))) as admin,
            ):
                await ingest.counted({"probes": 1_000})
                assert await consistency(platform) is None  # what was learnt from is no drift
                changes: list[dict[str, Any]] = [{}, {"colour": "canary"}, {"hum": None}, {"temp": "12"}]
                later = [record(1_000 + n, **change) for n, change in enumerate(changes)]
                (source / "b.json").write_text(json.dumps(later))
                assert (await ingest.counted({"probes": 1_004}))["probes"] == (1_004, 1_004, 0)

                async def told() -> bool:
                    return await consistency(platform) == 0.25

                await until(told, 60)
                status = (await (await admin.get("/status")).json())["probes"]
                assert (status["status"], status["compared"], status["drifted"]) == ("running", 4, 3)
                metrics = await (await admin.get("/metrics")).text()
                assert 'datapolis_feed_records{feed="probes",outcome="drifted"} 3.0' in metrics
            entity = (await platform.get("/entities/urn:ngsi-ld:Feed:probes")).json
            assert (entity["type"], entity[f"{NS}drifted"]["value"]) == (FEED, 3)
            assert "canary" not in json.dumps(entity)
            assert "colour" not in json.dumps(entity)
    kept = FeedState(settings.feed_state, "probes").read("schema")
    assert kept["counts"] == {"new": {"colour": 1}, "vanished": {"hum": 1}, "retyped": {"temp": 1}}
    monkeypatch.setenv("DATAPOLIS_CITY", str(city))
    monkeypatch.setenv("DATAPOLIS_STATE", str(settings.state))
    listed = CliRunner().invoke(app, ["list", "--json"])
    assert listed.exit_code == 0, listed.output
    assert "colour" in listed.output


async def consistency(platform: Api) -> float | None:
    """Ask the broker for the quality entity as the catalog does, by its type."""
    answer = await platform.get(f"/entities?type={MEASUREMENT.replace('#', '%23')}&limit=100")
    values = {one[f"{NS}dimension"]["value"]: one[f"{DQV}value"]["value"] for one in answer.json}
    return values.get("consistency")
