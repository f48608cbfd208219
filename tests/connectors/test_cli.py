"""The command line: trying a declaration, refusing wrong ones, running and ending as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from typer.testing import CliRunner

from connectors.__main__ import app
from docker.local.stack import ROOT
from tests.connectors.test_pipeline import CANARY, KEY, ROWS, STATIONS


def _env(city: Path, tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_")}
    return {
        **kept, "DATAPOLIS_CITY": str(city), "DATAPOLIS_STATE": str(tmp_path / "state"),
        "DATAPOLIS_DOMAIN_KEYS": json.dumps({"environment": KEY}), **more,
    }  # fmt: skip


def _run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "connectors", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)


def _sample(city: Path, tmp_path: Path) -> Path:
    source = tmp_path / "stations.csv"
    source.write_text("\n".join(ROWS) + "\n")
    os.utime(source, (time.time() - 5, time.time() - 5))
    (city / "feeds" / "stations.yaml").write_text(STATIONS % source)
    return source


def test_check_shows_entities_violations_and_what_was_taken_away(city: Path, tmp_path: Path) -> None:
    source = _sample(city, tmp_path)
    env = _env(city, tmp_path)
    for arguments in (("check", "stations"), ("check", str(city / "feeds" / "stations.yaml"), "--sample", str(source))):
        done = _run(env, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["records"] == 8
        assert [one["id"][-1] for one in found["entities"]] == ["a", "b", "a"]
        assert [one["rule"] for one in found["violations"]] == ["range", "number", "required", "columns", "key"]
        assert found["removed"] == {"secret": 6}
        assert found["changed"] == {"owner": 6, "street": 6}
        assert CANARY not in done.stdout
    shown = _run(env, "check", "stations")
    assert "8 records: 3 entities, 5 violations" in shown.stdout
    assert "Taken away by minimisation: secret (6)" in shown.stdout


def test_wrong_declarations_end_with_one_sentence(city: Path, tmp_path: Path) -> None:
    env = _env(city, tmp_path)
    _sample(city, tmp_path)
    for arguments, said in (
        (("check", "nowhere"), "nowhere: no such feed in"),
        (("pause", "nowhere"), "there are stations"),
        (("check", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("run", "nowhere"), "no such feed"),
        (("check", "stations", "--sample", "/nowhere.csv"), "/nowhere.csv: cannot be read"),
    ):
        done = _run(env, *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_without_kafka_or_topic_it_says_so(city: Path, tmp_path: Path, kafka: str, topic_prefix: str) -> None:
    _sample(city, tmp_path)
    away = _env(city, tmp_path, DATAPOLIS_KAFKA="127.0.0.1:1")
    bare = _env(city, tmp_path, DATAPOLIS_KAFKA=kafka, DATAPOLIS_TOPIC_PREFIX=topic_prefix)
    for env, status, said in (
        (away, 3, "Kafka at 127.0.0.1:1: "),
        (bare, 2, "run `python -m connectors topics apply`"),
    ):
        done = _run(env, "dead", "stations")
        assert (done.returncode, said in done.stderr) == (status, True), done.stderr
        assert "Traceback" not in done.stderr


def test_help_has_examples(tmp_path: Path) -> None:
    for command in ("run", "check", "dead", "replay", "pause", "resume", "list", "schema"):
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert f"python -m connectors {command}" in shown.stdout
    assert "8 declarations are right" in _run(_env(ROOT / "city", tmp_path), "check", "--all").stdout


def test_pause_and_resume_write_state(city: Path, tmp_path: Path) -> None:
    _sample(city, tmp_path)
    env = _env(city, tmp_path)
    paused = tmp_path / "state" / "connectors" / "stations" / "paused"
    assert _run(env, "pause", "stations").returncode == 0
    assert paused.exists()
    assert _run(env, "resume", "stations").returncode == 0
    assert not paused.exists()


def test_process_serves_health_and_drains_on_sigterm(city: Path, tmp_path: Path, kafka: str, topic_prefix: str) -> None:
    _sample(city, tmp_path)
    port = free_port()
    env = _env(
        city, tmp_path, DATAPOLIS_KAFKA=kafka, DATAPOLIS_TOPIC_PREFIX=topic_prefix, DATAPOLIS_ADMIN_PORT=str(port)
    )
    applied = _run(env, "topics", "apply", "--partitions", "2", "--json")
    assert applied.returncode == 0, applied.stderr
    names = {name.removeprefix(topic_prefix): done for name, done in json.loads(applied.stdout).items()}
    assert names == dict.fromkeys(
        ("changes", "control.optouts", "dead.platform", "dead.stations", "dead.unknown", "entities.environment",
         "entities.platform", "feeds.stations.records"), "created",
    )  # fmt: skip
    assert set(json.loads(_run(env, "topics", "apply", "--json").stdout).values()) == {"set"}
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors", "run"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        status = _wait_status(port, "stations", received=8)
        assert (status["status"], status["mapped"], status["rejected"]) == ("running", 3, 5)
        assert _get(port, "/health/ready")[0] == 200
        assert 'datapolis_feed_records{feed="stations",outcome="rejected"} 5.0' in _get(port, "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert json.loads(out.strip().splitlines()[-1])["event"] == "connectors stopped"
        assert CANARY not in out
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _get(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, answer.read().decode()


def _wait_status(port: int, feed: str, received: int) -> dict[str, object]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            found = json.loads(_get(port, "/status")[1])[feed]
        except OSError:
            found = {"received": 0}
        if found["received"] >= received:
            return dict(found)
        time.sleep(0.2)
    raise AssertionError("the process did not take the sample")
