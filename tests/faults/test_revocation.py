"""Revocation under load: a second after the revoking call returns nothing carries what was revoked, on any worker.

`make prove` tries it 200 times, half of them with LISTEN/NOTIFY cut, so that the poll alone must tell.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from broker.core.patch import Change
from broker.store import write
from broker.store.pool import Pool
from docker.local import locate
from docker.local.engines import REGO
from docker.local.stack import ROOT
from policies.agreements.lifecycle import change_status
from policies.store.connect import connect
from tests.faults.processes import Worker, workers
from tests.faults.streams import declare
from tests.fixtures.broker import BrokerProcess, broker_process, free_port
from tests.fixtures.engines import Engines
from tests.fixtures.governed import DEFAULT_SCHEMA, Governed, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink, sink
from tests.fixtures.tokens import TestIssuer, issuer

__all__ = ["issuer", "sink"]

TRIALS = 200 if os.environ.get("DATAPOLIS_PROVE") == "1" else 10
CLIENTS = 6
LIMIT_S = 1.0
_T = "https://smartdatamodels.org/dataModel.Transportation/"
_AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"
_PURPOSE = "dpv:ServiceProvision"
_ID = "urn:ngsi-ld:Vehicle:1"
_REVOKED = b"speed"
_PATHS = (f"/entities/{_ID}", f"/entities?type={_T.replace('/', '%2F')}Vehicle", "/attributes")


@pytest.fixture(scope="module")
def two_workers(pg_module: Database, opa: str, issuer: TestIssuer) -> Iterator[BrokerProcess]:
    """A governed broker with two workers."""
    admit_city(pg_module)
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": str(ROOT / "city")}
    with broker_process(pg_module, environment, workers=2) as running:
        yield running


@asynccontextmanager
async def opened(running: BrokerProcess, issuer: TestIssuer) -> AsyncIterator[Governed]:
    pool = Pool(running.database.dsn("broker"), size=2)
    await pool.open()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Governed(running, issuer, http, pool)
    finally:
        await pool.close()


async def drive(governed: Governed, speed: int) -> None:
    """Move the vehicle."""
    found = {
        "id": _ID,
        "type": [_T + "Vehicle"],
        _T + "speed": {"type": "Property", "value": speed},
        "https://uri.etsi.org/ngsi-ld/location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [0, 0]},
        },
    }
    async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
        await write.apply(conn, "default", [Change("upsert_update", _ID, found)], datetime.now(UTC))


@dataclass(slots=True)
class Load:
    """Clients that read without pause, and when each last saw what may be revoked."""

    governed: Governed
    headers: dict[str, str]
    answers: int = 0
    statuses: set[int] = field(default_factory=set)
    shown_at: float = 0.0
    hidden_at: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read until the block ends; a new connection now and then, so that every worker is met."""
        tasks = [asyncio.create_task(self._read(n)) for n in range(CLIENTS)]
        tasks.append(asyncio.create_task(self._move()))
        try:
            yield
            assert not any(task.done() for task in tasks), "a client of the load has ended"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, number: int) -> None:
        turn = number
        while True:
            turn += 1
            close = {"Connection": "close"} if turn % 20 == 0 else {}
            answer = await self.governed.api.call("GET", _PATHS[turn % 3], headers={**self.headers, **close})
            now = time.monotonic()
            self.answers += 1
            self.statuses.add(answer.status)
            if _REVOKED in answer.body:
                self.shown_at = now
            else:
                self.hidden_at = now

    async def _move(self) -> None:
        speed = 0
        while True:
            speed += 1
            await drive(self.governed, speed)
            await asyncio.sleep(0.05)


async def settled(load: Load, *, shown: bool) -> None:
    """Wait until every client has seen one side only for a while."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
        now = time.monotonic()
        quiet = (load.hidden_at if shown else load.shown_at) < now - 0.4
        if quiet and (load.shown_at if shown else load.hidden_at) > now - 0.3:
            return
    pytest.fail(f"the load never settled to shown={shown}", pytrace=False)


@pytest.mark.timeout(60 + 6 * TRIALS)
async def test_nothing_carries_what_was_revoked_a_second_ago(
    two_workers: BrokerProcess, issuer: TestIssuer, kafka: str, opa: str, topic_prefix: str, sink: Sink, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix)
    database = two_workers.database
    environment = {
        **database.environment(),
        **issuer.environment(),
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_CITY": str(ROOT / "city"),
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    lags: list[float] = []
    notified = 0
    async with opened(two_workers, issuer) as governed, workers(worker), AsyncExitStack() as stack:
        admin = await asyncpg.connect(database.dsn("admin"))
        stack.push_async_callback(admin.close, timeout=5)
        steward = await connect(database.dsn("policies"))
        stack.push_async_callback(steward.close, timeout=5)
        await drive(governed, 0)
        headers = governed.headers("urn:party:rideflow", "vendor", _PURPOSE)
        subscription = {
            "type": "Subscription",
            "entities": [{"type": _T + "Vehicle"}],
            "watchedAttributes": [_T + "speed"],
            "notification": {"endpoint": {"uri": sink.url + "/n"}},
        }
        assert (await governed.api.call("POST", "/subscriptions", subscription, headers)).status == 201
        worker.start()
        load = Load(governed, headers)
        async with load.running():
            await sink.until(1, within_s=60)
            for trial in range(TRIALS):
                if trial == TRIALS // 2:
                    await admin.execute("ALTER TABLE policies.revision DISABLE TRIGGER tell")
                await change_status(steward, _AGREEMENT, "active", "urn:party:steward", "again")
                await settled(load, shown=True)
                notified += len(sink.received)
                sink.received.clear()
                await change_status(steward, _AGREEMENT, "suspended", "urn:party:steward", "a trial")
                done = time.monotonic()
                await asyncio.sleep(LIMIT_S + 0.2)
                late = [one.at - done for one in sink.received if one.at > done + LIMIT_S]
                assert late == [], f"trial {trial}: notifications {late} s after"
                lags.append(load.shown_at - done)
                assert lags[-1] <= LIMIT_S, f"trial {trial}: an answer {lags[-1]:.3f} s after"
                assert load.hidden_at > done, "the clients were answered meanwhile"
        assert worker.stop() == 0
    assert load.statuses == {200}, "what is public stays"
    assert notified >= TRIALS / 2
    assert load.answers > 10 * TRIALS
    print(  # noqa: T201 - the figures of a proof
        f"\nrevocation: {TRIALS} trials, {load.answers} answers, {notified} notifications; last revoked answer "
        f"at most {max(lags) * 1000:.0f} ms after, with NOTIFY {max(lags[: TRIALS // 2]) * 1000:.0f} ms"
    )


@contextmanager
def own_engine() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a policy engine of this test alone, which may be stopped."""
    port = free_port()
    command = [str(locate.opa()), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    command += ["--skip-version-check", "--ignore", "*_test.rego", str(REGO)]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait(10)


async def test_without_the_engine_every_request_is_503_within_a_second(
    pg: Database, issuer: TestIssuer, engines: Engines
) -> None:
    admit_city(pg)
    with own_engine() as (url, engine):
        environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": url, "DATAPOLIS_CITY": str(ROOT / "city")}
        with broker_process(pg, environment, workers=2) as running:
            await stopped(running, issuer, engine)


async def stopped(running: BrokerProcess, issuer: TestIssuer, engine: subprocess.Popen[bytes]) -> None:
    """Stop the engine under load, and see that the doors close."""
    async with opened(running, issuer) as governed:
        await drive(governed, 1)
        headers = governed.headers("urn:party:rideflow", "vendor", _PURPOSE)
        load = Load(governed, headers)
        async with load.running():
            await settled(load, shown=True)
            assert load.statuses == {200}
            engine.send_signal(signal.SIGSTOP)
            shut = time.monotonic()
            await asyncio.sleep(LIMIT_S + 0.1)
            load.statuses.clear()
            await asyncio.sleep(1.2)
            assert load.statuses == {503}
            assert load.shown_at <= shut + LIMIT_S
        for method, path in (("GET", "/types"), ("DELETE", f"/entities/{_ID}"), ("POST", "/entities")):
            body = {"id": _ID, "type": "T"} if method == "POST" else None
            answer = await governed.api.call(method, path, body, headers)
            assert (answer.status, _REVOKED in answer.body) == (503, False)
