"""Schemathesis over the OpenAPI document: every answer is one that the document describes, and none is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.broker import BrokerProcess
from tests.fuzz.watched import GROWTH_MB, LONG, SLOWEST_S, resident_mb, seconds, seed

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)

# 504 says one thing, and says it rightly: a @context that was named cannot be fetched (6.3.2, LdContextNotAvailable).
# Where the generator puts a URL that it saw in an answer there, this is the answer to expect.
_CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""


@pytest.mark.timeout(1200)
def test_answers_are_as_described(open_broker: BrokerProcess, tmp_path: Path) -> None:
    """Generated requests, valid and not, for each operation of the document."""
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    before = resident_mb(open_broker.process.pid)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{open_broker.url}/openapi.json"),
        *("--checks", ",".join(_CHECKS), "--max-response-time", str(SLOWEST_S), "--request-timeout", "20"),
        *("--seed", str(seed()), "--max-time", str(seconds(30)), "--workers", "1", "--warnings", "off"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--no-color"),
        *("--phases", "examples,fuzzing,stateful"),
        *(() if LONG else ("--max-examples", "8")),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2000:]
    assert resident_mb(open_broker.process.pid) - before < GROWTH_MB
