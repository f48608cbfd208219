"""A governed broker, its issuer and a catalog over a fresh database, for the tests of this folder.

The city is the sample city with one more agreement per domain: the steward may write, so that tests can put entities in
place and take them away without connectors.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.core.egress import ranges
from catalog.assess import Assessor
from catalog.city import read_city
from catalog.settings import Settings
from catalog.store.connect import open_pool
from catalog.verify import Report, verify
from docker.local.stack import ROOT
from policies.agreements.lifecycle import apply_domains
from policies.audit.checkpoint import LogKey
from policies.audit.seal import seal_once
from policies.city import open_city
from policies.egress import session
from policies.issuer.clients import client_secrets
from policies.store.connect import connect
from tests.fixtures.broker import broker_process, free_port
from tests.fixtures.browser import chromium
from tests.fixtures.governed import PATIENT
from tests.fixtures.postgres import Database

__all__ = ["City", "assessing", "chromium", "governed", "started"]

NS = "https://datapolis.example/ns#"
DQV = "http://www.w3.org/ns/dqv#"
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"


@dataclass(frozen=True, slots=True)
class City:
    """The running parts: base URLs, the environment of our processes, and a steward's token."""

    broker: str
    catalog: str
    environment: dict[str, str]
    token: str
    database: Database

    def run(self, *command: str, expect: int | None = 0) -> str:
        """Run a command of ours to its end."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def assess(self) -> dict[str, Any]:
        """One round of assessment as the assessor does it; the readiness of all domains after it."""
        with ThreadPoolExecutor(1) as own:  # a browser test already has a loop in this thread
            own.submit(asyncio.run, self._assess()).result(30)
        time.sleep(0.55)  # the catalog's readers share one reading for half a second
        return {d["domain"]: d for d in self.get("/readiness")["domains"]}

    async def _assess(self) -> None:
        given = {k.removeprefix("DATAPOLIS_").lower(): v for k, v in self.environment.items()}
        settings = Settings(**{k: v for k, v in given.items() if k in Settings.model_fields})  # type: ignore[arg-type]  # texts
        pool = await open_pool(settings.dsn_catalog.get_secret_value())
        try:
            async with session(settings.egress, 10.0) as http, pool.acquire() as conn:
                await Assessor(settings, lambda: read_city(settings.city), pool, http).once(conn)
        finally:
            await pool.close()

    def verify(self, wait_s: float = 3.0) -> tuple[list[str], list[str]]:
        """What an outsider finds: the verdicts that hold, and what is wrong with the others."""

        async def run() -> Report:
            async with session(ranges("127.0.0.0/8"), 10.0) as http:
                return await verify(http, self.catalog, wait_s)

        report = asyncio.run(run())
        wrong = {f.domain for f in report.findings}
        held = [f"{domain}: {status}" for domain, status in report.verdicts if domain not in wrong]
        return held, [f"{f.domain}: {f.gate}: {f.text}" for f in report.findings]

    def seal(self) -> None:
        """Put the audit records that wait into the log, as the sealer does."""

        async def run() -> None:
            conn = await connect(self.database.dsn("policies"))
            try:
                key = LogKey.load("test/log", Path(self.environment["DATAPOLIS_STATE"]) / "log.key")
                await seal_once(conn, key)
            finally:
                await conn.close()

        asyncio.run(run())

    def apply_domains(self) -> None:
        """Bring the domains of the folder into force."""

        async def run() -> None:
            conn = await connect(self.database.dsn("policies"))
            try:
                await apply_domains(conn, open_city(Path(self.environment["DATAPOLIS_CITY"])), "urn:party:steward")
            finally:
                await conn.close()

        asyncio.run(run())

    def get(self, path: str) -> Any:
        """A JSON answer of the catalog."""
        with urllib.request.urlopen(self.catalog + path, timeout=10) as answer:  # noqa: S310 - our own process
            return json.load(answer)

    def put(self, entities: list[dict[str, Any]], tenant: str = "default") -> None:
        """Write entities (expanded names) as the steward."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Data-Purpose": "dpv:RecordManagement",
        }
        if tenant != "default":
            headers["NGSILD-Tenant"] = tenant
        url = f"{self.broker}/ngsi-ld/v1/entityOperations/upsert"
        request = urllib.request.Request(url, json.dumps(entities).encode(), headers)  # noqa: S310 - our own process
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                assert answer.status in (201, 204), answer.read()
        except urllib.error.HTTPError as error:
            pytest.fail(f"the broker answered {error.code}: {error.read().decode()}", pytrace=False)

    def feed(self, name: str, domain: str, heard: datetime | None = None, **numbers: int) -> None:
        """Report a feed as its connector would."""
        at = (heard or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
        entity: dict[str, Any] = {"id": f"urn:ngsi-ld:Feed:{name}", "type": f"{NS}Feed"}
        values = {"domain": domain, "status": "running", "lastRecordAt": at, **numbers}
        entity |= {f"{NS}{key}": {"type": "Property", "value": value} for key, value in values.items()}
        self.put([entity], "platform")

    def quality(self, feed: str, domain: str, value: float, dimension: str = "completeness") -> None:
        """Report a quality measurement of a feed as its connector would."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        entity = {
            "id": f"urn:ngsi-ld:QualityMeasurement:{feed}:{dimension}",
            "type": f"{DQV}QualityMeasurement",
            f"{NS}domain": {"type": "Property", "value": domain},
            f"{NS}dimension": {"type": "Property", "value": dimension},
            f"{NS}feed": {"type": "Relationship", "object": f"urn:ngsi-ld:Feed:{feed}"},
            f"{DQV}value": {"type": "Property", "value": value, "observedAt": now},
        }
        self.put([entity], "platform")

    def in_good_order(self) -> None:
        """Everything that mobility needs: entities, a fresh feed, and quality above its target."""
        self.put([vehicle(n) for n in range(30)])
        self.feed("buses", "mobility", received=30, mapped=30, rejected=0)
        for dimension in ("completeness", "timeliness", "validity", "uniqueness"):
            self.quality("buses", "mobility", 0.995, dimension)


def vehicle(n: int) -> dict[str, Any]:
    """A bus near the harbour, with a plate that the public must not see."""
    return {
        "id": f"urn:ngsi-ld:Vehicle:{n}",
        "type": VEHICLE,
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [-122.33 + n % 6 / 100, 47.6 + n // 6 / 100]},
        },
        "https://smartdatamodels.org/dataModel.Transportation/vehicleType": {"type": "Property", "value": "bus"},
        "https://smartdatamodels.org/dataModel.Transportation/fleetVehicleId": {
            "type": "Property",
            "value": f"secret-{n}",
        },
    }


@pytest.fixture(scope="module")
def governed(pg_module: Database, opa: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The sample city's broker, issuer and catalog, with mobility in good order."""
    folder = tmp_path_factory.mktemp("catalog")
    with started(pg_module, opa, folder, _city(folder)) as found:
        found.in_good_order()
        yield found


@contextmanager
def started(database: Database, opa: str, folder: Path, city: Path) -> Iterator[City]:
    """A city's broker, issuer and catalog, its domains and agreements in force, until the block ends."""
    ports = {name: free_port() for name in ("issuer", "catalog")}
    issuer, catalog = (f"http://127.0.0.1:{ports[name]}" for name in ("issuer", "catalog"))
    secrets = client_secrets(folder, open_city(city).city.clients)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG", "HOME", "TZ") if name in os.environ},
        **database.environment(),
        "DATAPOLIS_ACCESS": "governed",
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_ISSUER": issuer,
        "DATAPOLIS_JWKS_URL": f"{issuer}/jwks.json",
        "DATAPOLIS_TOKEN_URL": f"{issuer}/token",
        "DATAPOLIS_AUDIENCE": "datapolis",
        "DATAPOLIS_CATALOG_URL": catalog,
        "DATAPOLIS_CATALOG_PORT": str(ports["catalog"]),
        "DATAPOLIS_CITY": str(city),
        "DATAPOLIS_STATE": str(folder),
        "DATAPOLIS_LIVE_TTL_S": "0",
        **PATIENT,
    }
    for command in ("domains", "agreements"):
        subprocess.run(
            [sys.executable, "-m", "policies", command, "apply"], env=environment, cwd=ROOT, check=True, timeout=600
        )
    with (
        _process(("policies", "issuer"), environment, f"{issuer}/health/ready"),
        broker_process(database, environment) as broker,
    ):
        environment["DATAPOLIS_BROKER_URL"] = broker.url
        with _process(("catalog", "serve"), environment, f"{catalog}/health/ready"):
            token = _token(issuer, "steward", secrets["steward"])
            yield City(broker.url, catalog, environment, token, database)


@contextmanager
def assessing(city: City, **settings: str) -> Iterator[str]:
    """The assessor at work, as `catalog assess` runs it, until the block ends; where its metrics are."""
    port = free_port()
    environment = city.environment | {"DATAPOLIS_ADMIN_PORT": str(port)} | settings
    with _process(("catalog", "assess"), environment, f"http://127.0.0.1:{port}/health/ready"):
        yield f"http://127.0.0.1:{port}"


def _city(folder: Path) -> Path:
    """The sample city with one more agreement per domain: the steward may write."""
    city = folder / "city"
    shutil.copytree(ROOT / "city", city)
    for domain in open_city(city).domains.values():
        base = json.loads((city / "agreements" / f"steward-{domain.name}.jsonld").read_text())
        base["uid"] = f"urn:datapolis:agreement:test-writes-{domain.name}"
        base["permission"] = [
            {"action": ["publish"], "target": {"feeds": ["test"]}},
            {"action": ["tenant", "delete"]},
        ]
        (city / "agreements" / f"test-writes-{domain.name}.jsonld").write_text(json.dumps(base))
    (city / "feeds" / "buses.yaml").write_text(
        "feed: buses\ntitle: Buses of the tests\ndomain: mobility\nsource: {kind: http}\nmapping: [{type: Vehicle}]\n"
    )
    return city


@contextmanager
def _process(command: tuple[str, ...], environment: dict[str, str], ready: str) -> Iterator[None]:
    """Run a process of ours until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", *command], env=environment, cwd=ROOT)
    try:
        end = time.monotonic() + 120
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{' '.join(command)} did not become ready ({process.poll()})", pytrace=False)
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{' '.join(command)} did not end within 15 s of SIGTERM", pytrace=False)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - our own process
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _token(issuer: str, client: str, secret: str) -> str:
    form = f"grant_type=client_credentials&client_id={client}&client_secret={secret}".encode()
    with urllib.request.urlopen(f"{issuer}/token", form, timeout=10) as answer:  # noqa: S310 - our own process
        return str(json.load(answer)["access_token"])
