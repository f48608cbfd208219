"""The tutorial's own code blocks, run one after the other: from a sample to the broker's answer, a refusal mended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docker.local.stack import ROOT
from tests.connectors.kafka_reader import read_topic
from tests.connectors.test_cli import free_port
from tests.faults.processes import Worker, workers
from tests.fixtures.broker import broker_process
from tests.fixtures.governed import PATIENT, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer

TEMPERATURE = "https://smartdatamodels.org/dataModel.Weather/temperature"


@pytest.mark.timeout(300)
async def test_the_tutorial_does_what_it_says(
    tmp_path: Path, pg: Database, opa: str, issuer: TestIssuer, kafka: str, topic_prefix: str
) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "connectors" / "TUTORIAL.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 9
    shutil.copytree(ROOT / "city", tmp_path / "city")
    admit_city(pg)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    city = {"DATAPOLIS_CITY": str(tmp_path / "city"), "DATAPOLIS_KAFKA": kafka, "DATAPOLIS_TOPIC_PREFIX": topic_prefix}
    governed = {**issuer.environment(), **PATIENT, **city, "DATAPOLIS_OPA_URL": opa}
    env = {**kept, **city, **pg.environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
           "PYTHONPATH": str(ROOT), "DATAPOLIS_STATE": "state", "DATAPOLIS_QUALITY_INTERVAL": "0.5",
           "DATAPOLIS_ADMIN_PORT": str(free_port())}  # fmt: skip
    worker = Worker("tutorial", ["ingest"], {**pg.environment(), **governed}, tmp_path / "ingest.log")
    with broker_process(pg, governed) as running:
        env["BROKER"] = running.url
        said = [await _done(block, tmp_path, env) for block in blocks[:6]]
        async with workers(worker):
            worker.start()
            live = await _until(blocks[6], tmp_path, env, "live.json", lambda found: len(found) == 2)
            await _done(blocks[7], tmp_path, env)
            mended = await _until(
                blocks[8], tmp_path, env, "mended.json", lambda found: len(_listed(found[0][TEMPERATURE])) == 2
            )
            assert worker.stop() == 0

    checked = json.loads((tmp_path / "checked.json").read_text())
    assert (checked["records"], len(checked["entities"])) == (4, 3)
    assert [(one["rule"], one["field"]) for one in checked["violations"]] == [("number", "temperature")]
    assert checked["removed"] == {"Owner": 4}
    assert "probes: running, 4 received, 3 mapped, 1 rejected" in said[5]
    again = json.loads((tmp_path / "again.json").read_text())
    assert (again["received"], again["mapped"], again["rejected"], again["at_source"]) == (1, 1, 0, 0)
    envelopes = [json.loads(one.value) for one in await read_topic(kafka, f"{topic_prefix}entities.environment", 2)]
    assert len({json.dumps(one["entity"], sort_keys=True) for one in envelopes}) == 4
    assert {one["id"].rsplit(":", 1)[-1]: one[TEMPERATURE]["value"] for one in live} == {"p1": 12.7, "p2": 13.1}
    for entity in live:
        assert entity["type"] == "https://smartdatamodels.org/dataModel.Weather/WeatherObserved"
        where = {"p1": [9.99, 48.4], "p2": [10.01, 48.41]}[entity["id"].rsplit(":", 1)[-1]]
        assert entity["location"]["value"] == {"type": "Point", "coordinates": where}
        assert entity[TEMPERATURE] == {
            "type": "Property", "value": entity[TEMPERATURE]["value"], "unitCode": "CEL",
            "observedAt": entity[TEMPERATURE]["observedAt"],
        }  # fmt: skip
    assert sorted(one["value"] for one in mended[0][TEMPERATURE]) == [13.1, 15]
    everything = json.dumps([live, mended, envelopes])
    assert not any(name in everything for name in ("Zoe", "Max", "Owner"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


async def _until(block: str, folder: Path, env: dict[str, str], name: str, whole: Callable[[Any], bool]) -> Any:
    """Run a block that asks the broker until what it writes is whole: storing takes a moment."""
    async with asyncio.timeout(60):
        while True:
            await _done(block, folder, env)
            found = json.loads((folder / name).read_text())
            if found and whole(found):
                return found
            await asyncio.sleep(0.2)


async def _done(block: str, folder: Path, env: dict[str, str]) -> str:
    return await asyncio.to_thread(_run, block, folder, env)


def _run(block: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "-e", "-c", block], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout + done.stderr
