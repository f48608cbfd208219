"""The governed broker against the law of `tests.oracle.law`: the same answer to every request, in every world."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from broker.store.pool import Pool
from tests.fixtures.broker import BrokerProcess, broker_process
from tests.fixtures.governed import PATIENT, Governed
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer, issuer
from tests.oracle import worlds
from tests.oracle.answers import answer
from tests.oracle.draw import partial, requests
from tests.oracle.governed import Stage, write_city
from tests.oracle.progress import Progress
from tests.oracle.request import Request

__all__ = ["issuer"]

SEED = int(os.environ.get("DATAPOLIS_ORACLE_SEED", "20261122"))
PER_WORLD = 250
WORLDS = int(os.environ.get("DATAPOLIS_ORACLE_WORLDS", "400" if os.environ.get("DATAPOLIS_PROVE") == "1" else "8"))
_AT_ONCE = 8


@pytest.fixture(scope="module")
def oracle_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city folder that declares what all worlds speak of."""
    parties = [party for number in range(8) for party in worlds.parties(number)]
    return write_city(tmp_path_factory.mktemp("city"), parties)


@pytest.fixture(scope="module")
def oracle_broker(pg_module: Database, opa: str, issuer: TestIssuer, oracle_city: Path) -> Iterator[BrokerProcess]:
    """A governed broker of that city."""
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": str(oracle_city), **PATIENT}
    with broker_process(pg_module, environment) as running:
        yield running


@pytest.fixture
async def stage(oracle_broker: BrokerProcess, issuer: TestIssuer, oracle_city: Path) -> AsyncIterator[Stage]:
    """The broker with an open client."""
    pool = Pool(oracle_broker.database.dsn("broker"), size=2)
    await pool.open()
    async with aiohttp.ClientSession() as http:
        yield Stage(Governed(oracle_broker, issuer, http, pool), oracle_city)
    await pool.close()


async def played(stage: Stage, seed: int, number: int, cases: int) -> tuple[int, list[str]]:
    """Play a world: how many of the right answers are neither empty nor total, and every difference."""
    world = worlds.world(seed, number)
    await stage.put(world)
    asked = list(requests(seed, world, cases))
    turns = asyncio.Semaphore(_AT_ONCE)
    differences: list[str] = []

    async def one(request: Request) -> None:
        async with turns:
            said, found = await stage.ask(request)
        expected = answer(world, request)
        if found != expected:
            differences.append(f"seed {seed} world {number}: {said}\n  expected {expected}\n  found    {found}")

    async with asyncio.TaskGroup() as group:
        for request in asked:
            group.create_task(one(request))
    return sum(partial(world, request) for request in asked), differences


@pytest.mark.timeout(7200 if WORLDS > 8 else 180)
async def test_every_answer_is_the_laws(stage: Stage) -> None:
    """2,000 cases, or with DATAPOLIS_PROVE=1 100,000: the latter goes on where it stopped."""
    with Progress.of("oracle", SEED, WORLDS) as done:
        for number in done.left():
            found, differences = await played(stage, SEED, number, PER_WORLD)
            assert not differences, "\n".join(differences[:5])
            done.add(number, found)
        share = done.total() / (WORLDS * PER_WORLD)
    assert share >= 0.8, f"only {share:.1%} of the answers are neither empty nor total"
