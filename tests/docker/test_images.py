"""What the composed stack runs before and beside our processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from docker.images.health import ready
from docker.images.secrets import generate
from docker.local.kafka_access import PRINCIPALS


def test_secrets_are_kept_and_given_to_those_who_need_them(tmp_path: Path) -> None:
    """A second run changes nothing; the broker's file holds its own DSN alone."""
    generate(tmp_path)
    first = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    generate(tmp_path)
    assert {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()} == first
    names = {path.parent.name: _names(path) for path in tmp_path.glob("*/secrets.env")}
    assert names == {
        "migrate": [f"DATAPOLIS_DSN_{role}" for role in ("ADMIN", "OWNER", "BROKER", "POLICIES", "CATALOG")],
        "broker": ["DATAPOLIS_DSN_BROKER"],
        "worker": ["DATAPOLIS_DSN_BROKER", "DATAPOLIS_KAFKA_MECHANISM", "DATAPOLIS_KAFKA_LOGINS"],
        "connectors": ["DATAPOLIS_KAFKA_MECHANISM", "DATAPOLIS_KAFKA_USER", "DATAPOLIS_KAFKA_PASSWORD"],
        "topics": ["DATAPOLIS_KAFKA_MECHANISM", "DATAPOLIS_KAFKA_USER", "DATAPOLIS_KAFKA_PASSWORD"],
        "indexer": ["DATAPOLIS_DSN_OWNER"],
        "policies": ["DATAPOLIS_DSN_POLICIES"],
        "catalog": ["DATAPOLIS_DSN_CATALOG", "DATAPOLIS_DSN_POLICIES", "DATAPOLIS_CATALOG_CLIENT_SECRET"],
    }
    password = (tmp_path / "postgres" / "password").read_text()
    assert f"postgresql://postgres:{password}@postgres:5432/datapolis" in (tmp_path / "migrate/secrets.env").read_text()
    assert password not in (tmp_path / "broker" / "secrets.env").read_text()


def test_kafka_and_its_clients_agree(tmp_path: Path) -> None:
    """The file that a shell reads gives each process its own password, and Kafka's own file knows it."""
    generate(tmp_path)
    jaas = (tmp_path / "kafka" / "jaas.conf").read_text()
    told = subprocess.run(
        ["/bin/sh", "-c", '. "$0"; printf %s "$DATAPOLIS_KAFKA_LOGINS"', str(tmp_path / "worker" / "secrets.env")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    logins = json.loads(told.stdout)
    assert set(logins) == {"ingest", "relay", "notifier"}
    for user, password in logins.items():
        assert f'user_{user}="{password}"' in jaas
    inside, _, controller = jaas.partition("controller.KafkaServer")
    assert [one for one in PRINCIPALS if f"user_{one}=" in inside] == list(PRINCIPALS)
    assert [one for one in PRINCIPALS if f"user_{one}=" in controller] == ["admin"]


def test_health_of_nothing_is_bad(unused_tcp_port: int) -> None:
    """Where nobody listens, nothing is ready."""
    assert ready(unused_tcp_port) is False


@pytest.mark.parametrize("name", ["migrate", "broker"])
def test_secrets_are_not_for_everybody(tmp_path: Path, name: str) -> None:
    """Only their owner may read them."""
    generate(tmp_path)
    assert (tmp_path / name / "secrets.env").stat().st_mode & 0o077 == 0


def _names(file: Path) -> list[str]:
    return [line.partition("=")[0] for line in file.read_text().splitlines()]
