"""The tutorial's own code blocks, run one after the other: from a sample to entities, and a dead letter mended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docker.local.stack import ROOT
from tests.connectors.kafka_reader import read_topic
from tests.connectors.test_cli import free_port


@pytest.mark.timeout(300)
async def test_the_tutorial_does_what_it_says(tmp_path: Path, kafka: str, topic_prefix: str) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "connectors" / "TUTORIAL.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 6
    (tmp_path / "city" / "feeds").mkdir(parents=True)
    (tmp_path / "city" / "context.jsonld").write_bytes((ROOT / "city" / "context.jsonld").read_bytes())
    (tmp_path / "city" / "city.yaml").write_text("time_zone: Europe/Berlin\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    env = {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
           "DATAPOLIS_CITY": "city", "DATAPOLIS_STATE": "state", "DATAPOLIS_KAFKA": kafka,
           "DATAPOLIS_TOPIC_PREFIX": topic_prefix, "DATAPOLIS_QUALITY_INTERVAL": "0.5",
           "DATAPOLIS_ADMIN_PORT": str(free_port())}  # fmt: skip
    said = [_run(block, tmp_path, env) for block in blocks]

    checked = json.loads((tmp_path / "checked.json").read_text())
    assert (checked["records"], len(checked["entities"])) == (4, 3)
    assert [(one["rule"], one["field"]) for one in checked["violations"]] == [("number", "temperature")]
    assert checked["removed"] == {"Owner": 4}
    assert "probes: running, 4 received, 3 mapped, 1 rejected" in said[4]
    again = json.loads((tmp_path / "again.json").read_text())
    assert (again["received"], again["mapped"], again["rejected"], again["at_source"]) == (1, 1, 0, 0)
    envelopes = [json.loads(one.value) for one in await read_topic(kafka, f"{topic_prefix}entities.environment", 2)]
    found = {json.dumps(one["entity"], sort_keys=True) for one in envelopes}
    assert len(found) == 4
    assert {one["entity"]["id"].rsplit(":", 1)[-1] for one in envelopes} == {"p1", "p2"}
    assert not any("Zoe" in one or "Max" in one for one in found)


def _run(block: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "-e", "-c", block], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout + done.stderr
