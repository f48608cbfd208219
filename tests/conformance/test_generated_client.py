"""A client generated from the OpenAPI document works against the broker (6)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from broker.http.openapi import document
from docker.local.stack import ROOT
from tests.fixtures.broker import BrokerProcess
from tests.fixtures.engines import missing

_UV = str(ROOT / ".uv" / "bin" / "uv")
# Tools of this test alone, kept apart from our dependencies; uv keeps them after the first run.
_GENERATOR = ("tool", "run", "--quiet", "--from", "openapi-python-client==0.29.1", "openapi-python-client")
_LIBRARIES = ("--with", "httpx==0.28.1", "--with", "attrs==26.1.0", "--with", "python-dateutil==2.9.0.post0")
_CLIENT = ("run", "--quiet", "--no-project", *_LIBRARIES, "python")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_UV, *command], capture_output=True, text=True, check=False, timeout=200)


def _one_type_for_lists(described: dict[str, Any]) -> dict[str, Any]:
    """Leave one media type to bodies that are arrays: for several the generator writes `isinstance(body, list[X])`."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(described))
    for operations in found["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("type") == "array":
                operation["requestBody"]["content"] = {"application/json": content["application/json"]}
    return found


@pytest.mark.timeout(400)
def test_generated_client_goes_through_a_day(open_broker: BrokerProcess, tmp_path: Path) -> None:
    """Nothing of the document is left out by the generator, and each step comes to what it should."""
    if _run(*_GENERATOR, "--version").returncode:
        missing(RuntimeError("openapi-python-client cannot be had from the package index"))
    (tmp_path / "openapi.json").write_bytes(orjson.dumps(_one_type_for_lists(document(open_broker.url))))
    client = tmp_path / "out" / "datapolis_context_broker_client"
    client.parent.mkdir()
    made = _run(
        *_GENERATOR,
        "generate",
        "--meta",
        "none",
        "--path",
        str(tmp_path / "openapi.json"),
        "--output-path",
        str(client),
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Unable" not in made.stdout + made.stderr
    scenario = Path(__file__).with_name("client_scenario.py")
    done = _run(*_CLIENT, str(scenario), str(client.parent), open_broker.url)
    assert done.returncode == 0, done.stderr[-4000:]
    assert orjson.loads(done.stdout) == {
        "create": 201,
        "create again": "The element already exists",
        "upsert": ["urn:ngsi-ld:Bus:2", "urn:ngsi-ld:Bus:3"],
        "retrieve": True,
        "merge": 204,
        "append": 204,
        "query": ["urn:ngsi-ld:Bus:1"],
        "near": 2,
        "types": ["Bus"],
        "evolution": [21, 34],
        "register": 201,
        "registered": [True],
        "describe": 204,
        "described": "Buses",
        "deregister": 204,
        "delete": 204,
        "gone": [404, "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"],
    }
