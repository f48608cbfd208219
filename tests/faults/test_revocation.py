"""Revocation under load: a second after the revoking call returns nothing carries what was revoked, on any worker.

`make prove` tries it 200 times, half of them with LISTEN/NOTIFY cut, so that the poll alone must tell. Several parties
are tried at once, each with an agreement, a subscription and clients of its own: what one is revoked, the others keep.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from docker.local import locate
from docker.local.engines import REGO
from docker.local.stack import ROOT
from policies.agreements.lifecycle import change_status
from policies.store.connect import connect
from tests.faults.processes import Worker, workers
from tests.faults.reading import ID, REVOKED, TYPE, Load, drive, moving, opened, settled
from tests.faults.streams import declare
from tests.fixtures.broker import BrokerProcess, broker_process, free_port
from tests.fixtures.engines import Engines
from tests.fixtures.governed import Governed, admit_city
from tests.fixtures.postgres import Database
from tests.fixtures.sink import Sink, sink
from tests.fixtures.tokens import TestIssuer, issuer

__all__ = ["issuer", "sink"]

# Answers are timed by their receiver, which cannot outdate them; where it was itself held up and an answer seems late,
# that trial tells nothing and is made again.
TRIALS = int(os.environ.get("DATAPOLIS_TRIALS", "200" if os.environ.get("DATAPOLIS_PROVE") == "1" else "10"))
PARTIES = 5
QUOTAS = 4
"""Parties of which one after the other uses its quota up, where a machine is too busy to tell by the one before."""
LIMIT_S = 1.0
HELD_UP_S = 0.2
USES = 60
_PURPOSE = "dpv:ServiceProvision"


def agreement(number: int) -> str:
    return f"urn:datapolis:agreement:trial-{number}"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample city, in which several parties have an agreement like that of the journey planner."""
    folder = tmp_path_factory.mktemp("revocation") / "city"
    shutil.copytree(ROOT / "city", folder)
    parties = "".join(f"\n  urn:party:trial-{number}: Trial {number}" for number in range(PARTIES + QUOTAS))
    settings = folder / "city.yaml"
    settings.write_text(settings.read_text().replace("\nparties:", f"\nparties:{parties}"))
    found = json.loads((folder / "agreements" / "rideflow-mobility.jsonld").read_text())
    for number in range(PARTIES + QUOTAS):
        own = found | {"uid": agreement(number), "assignee": f"urn:party:trial-{number}"}
        if number >= PARTIES:
            own = json.loads(json.dumps(own).replace("1000000/P1D", f"{USES}/P1D"))
        (folder / "agreements" / f"trial-{number}.jsonld").write_text(json.dumps(own))
    return folder


@pytest.fixture(scope="module")
def two_workers(pg_module: Database, opa: str, issuer: TestIssuer, city: Path) -> Iterator[BrokerProcess]:
    """A governed broker with two workers."""
    admit_city(pg_module, city)
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": str(city)}
    with broker_process(pg_module, environment, workers=2) as running:
        yield running


@dataclass(slots=True)
class Lags:
    """What the trials found: the last revoked answer's or notification's time after the call, in s."""

    told: list[float] = field(default_factory=list)
    polled: list[float] = field(default_factory=list)
    notified: int = 0
    again: int = 0


@dataclass(slots=True)
class Party:
    """One whose agreement is granted and revoked, and what then reaches it."""

    number: int
    load: Load
    sink: Sink
    steward: asyncpg.Connection

    @property
    def path(self) -> str:
        """Where it is notified."""
        return f"/n{self.number}"

    async def status(self, status: Literal["active", "suspended"]) -> None:
        await change_status(self.steward, agreement(self.number), status, "urn:party:steward", "a trial")

    async def tried(self, lags: Lags) -> float | None:
        """Grant, revoke, and tell how long after it the last thing came that carries what was revoked.

        None: that was too late, and this process was held up meanwhile, so that it cannot be told from its own delay.
        """
        await self.status("active")
        await settled(self.load, shown=True)
        lags.notified += len(self.sink.of(self.path))
        self.sink.received[:] = [one for one in self.sink.received if one.path != self.path]
        self.load.held_up_s = 0.0
        await self.status("suspended")
        done = time.monotonic()
        await asyncio.sleep(LIMIT_S + 0.5)
        last = max(self.load.shown_at, *(one.at for one in self.sink.of(self.path)), 0.0) - done
        if last > LIMIT_S and self.load.held_up_s > HELD_UP_S:
            return None
        assert self.load.hidden_at > done, "the clients were answered meanwhile"
        return last

    async def trials(self, wanted: int, found: list[float], lags: Lags) -> None:
        """Make so many trials."""
        while wanted:
            last = await self.tried(lags)
            if last is None:
                lags.again += 1
                assert lags.again <= TRIALS, "this machine is too busy to tell a late answer from its own delays"
                continue
            wanted -= 1
            found.append(last)
            assert last <= LIMIT_S, f"party {self.number}: revoked data {last:.3f} s after"

    async def subscribe(self) -> None:
        subscription = {
            "type": "Subscription",
            "entities": [{"type": TYPE}],
            "watchedAttributes": [TYPE.replace("Vehicle", "speed")],
            "notification": {"endpoint": {"uri": self.sink.url + self.path}},
        }
        periodic = {name: value for name, value in subscription.items() if name != "watchedAttributes"}
        for one in (subscription, {**periodic, "timeInterval": 1}):
            answer = await self.load.governed.api.call("POST", "/subscriptions", one, self.load.headers)
            assert answer.status == 201, answer.body


async def trials(parties: Sequence[Party], admin: asyncpg.Connection) -> Lags:
    """Make the trials, the second half of them with NOTIFY cut."""
    lags = Lags()
    for found in (lags.told, lags.polled):
        if found is lags.polled:
            await admin.execute("ALTER TABLE policies.revision DISABLE TRIGGER tell")
        async with asyncio.TaskGroup() as group:
            for party in parties:
                group.create_task(party.trials(TRIALS // 2 // PARTIES, found, lags))
    return lags


async def test_a_used_up_quota_ends_on_every_worker_within_a_second(
    two_workers: BrokerProcess, issuer: TestIssuer
) -> None:
    async with opened(two_workers, issuer) as governed:
        await drive(governed, 1)
        for number in range(PARTIES, PARTIES + QUOTAS):
            headers = governed.headers(f"urn:party:trial-{number}", "vendor", _PURPOSE)
            load = Load(governed, headers, limit=USES)
            async with load.running():
                async with asyncio.timeout(60):
                    while not load.reached_at:  # noqa: ASYNC110 - clients are watched
                        await asyncio.sleep(0.02)
                await asyncio.sleep(LIMIT_S + 0.5)
            last = load.shown_at - load.reached_at
            if last <= LIMIT_S or load.held_up_s <= HELD_UP_S:
                break
        assert last <= LIMIT_S, f"answers under a used-up quota {last:.3f} s after"
        assert load.hidden_at > load.shown_at, "what is public stays"


async def party(number: int, governed: Governed, sink: Sink, stack: AsyncExitStack) -> Party:
    steward = await connect(governed.running.database.dsn("policies"))
    stack.push_async_callback(steward.close, timeout=5)
    load = Load(governed, governed.headers(f"urn:party:trial-{number}", "vendor", _PURPOSE), clients=2)
    return Party(number, load, sink, steward)


@pytest.mark.timeout(150 + 5 * TRIALS)
async def test_nothing_carries_what_was_revoked_a_second_ago(
    two_workers: BrokerProcess,
    issuer: TestIssuer,
    city: Path,
    kafka: str,
    opa: str,
    topic_prefix: str,
    sink: Sink,
    tmp_path: Path,
) -> None:
    await declare(kafka, topic_prefix)
    database = two_workers.database
    environment = {
        **database.environment(),
        **issuer.environment(),
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_CITY": str(city),
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    async with opened(two_workers, issuer) as governed, workers(worker), AsyncExitStack() as stack:
        admin = await asyncpg.connect(database.dsn("admin"))
        stack.push_async_callback(admin.close, timeout=5)
        parties = [await party(number, governed, sink, stack) for number in range(PARTIES)]
        await drive(governed, 0)
        for one in parties:
            await one.subscribe()
        worker.start()
        async with moving(governed, 0.1), AsyncExitStack() as loads:
            for one in parties:
                await loads.enter_async_context(one.load.running())
                await sink.until(1, one.path, within_s=60)
            lags = await trials(parties, admin)
        assert worker.stop() == 0
    # 503: where a busy machine starves the heartbeat, the doors close rather than answer by what may be old.
    for one in parties:
        assert 200 in one.load.statuses, "what is public stays"
        assert one.load.statuses <= {200, 503}
    made = len(lags.told + lags.polled)
    assert made == TRIALS // 2 // PARTIES * PARTIES * 2 >= min(TRIALS, 10)
    assert lags.notified >= made / 2
    answers = sum(one.load.answers for one in parties)
    assert answers > 10 * made
    print(  # noqa: T201 - the figures of a proof
        f"\nrevocation: {made} trials ({lags.again} made again), {answers} answers, {lags.notified} "
        f"notifications; last revoked one at most {max(lags.told + lags.polled) * 1000:.0f} ms after, "
        f"with NOTIFY {max(lags.told) * 1000:.0f} ms"
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
        async with moving(governed), load.running():
            for _ in range(5):
                await settled(load, shown=True)
                load.held_up_s = 0.0
                engine.send_signal(signal.SIGSTOP)
                shut = time.monotonic()
                await asyncio.sleep(LIMIT_S + 0.5)
                last = load.shown_at - shut
                if last <= LIMIT_S or load.held_up_s <= HELD_UP_S:
                    break
                engine.send_signal(signal.SIGCONT)
            assert last <= LIMIT_S, f"data {last:.3f} s after"
            load.statuses.clear()
            await asyncio.sleep(1.2)
            assert load.statuses == {503}
        for method, path in (("GET", "/types"), ("DELETE", f"/entities/{ID}"), ("POST", "/entities")):
            body = {"id": ID, "type": "T"} if method == "POST" else None
            answer = await governed.api.call(method, path, body, headers)
            assert (answer.status, REVOKED in answer.body) == (503, False)
