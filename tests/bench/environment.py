"""What the benchmarks run on: the test engines, a fresh database with the sample city in force, and rows of results."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from docker.local import credentials
from docker.local.stack import ROOT, profile
from policies.agreements.lifecycle import apply_agreements, apply_domains
from policies.city import open_city
from policies.store.connect import connect
from tests.fixtures import postgres
from tests.fixtures.engines import Engines, _in_use
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer, issuer_of

__all__ = ["Measured", "admitted", "city_in_force", "database", "durable", "issuing", "looping", "measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of PERFORMANCE's goals: the ratio's median over the rounds and its range."""

    row: str
    what: str
    ratio: float
    low: float
    high: float
    rounds: int
    floor: float
    aim: float
    prototype: str
    note: str = ""

    @property
    def met(self) -> bool:
        """Say whether the floor holds."""
        return self.ratio >= self.floor

    def result(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {**asdict(self), "met": self.met}


def measured(
    row: str, what: str, ratios: Sequence[float], floor: float, aim: float, prototype: str, note: str = ""
) -> Measured:
    """Sum up the ratios of the rounds."""
    middle = statistics.median(ratios)
    return Measured(
        row,
        what,
        round(middle, 3),
        round(min(ratios), 3),
        round(max(ratios), 3),
        len(ratios),
        floor,
        aim,
        prototype,
        note,
    )


@contextmanager
def database() -> Iterator[Database]:
    """Give a fresh migrated database on the test engines, which are started where they are not up."""
    with _in_use() as left_over:
        instance = profile("test")
        ports = instance.ports
        engines = Engines(
            postgres_port=ports["postgres"],
            kafka=f"127.0.0.1:{ports['kafka']}",
            opa=f"http://127.0.0.1:{ports['opa']}",
            mqtt=("127.0.0.1", ports["mqtt"]),
            passwords=credentials.load(instance.folder),
            left_over=left_over,
        )
        with postgres.copied(engines, postgres.template(engines)) as found:
            yield found


@contextmanager
def durable(found: Database) -> Iterator[None]:
    """Let commits wait for the disk, as in production; the engines that tests share do without."""

    async def put(*statements: str) -> None:
        connection = await connect(found.dsn("admin"))
        for statement in statements:
            await connection.execute(statement)
        await connection.close(timeout=5)

    asyncio.run(put("ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()"))
    try:
        yield
    finally:
        asyncio.run(put("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"))


@contextmanager
def issuing() -> Iterator[TestIssuer]:
    """Run a token issuer."""
    with tempfile.TemporaryDirectory() as folder:
        yield from issuer_of(Path(folder))


def city_in_force(found: Database, folder: Path = ROOT / "city") -> None:
    """Put a city's domains and agreements into force."""

    async def put() -> None:
        connection = await connect(found.dsn("policies"))
        city = open_city(folder)
        await apply_domains(connection, city, "urn:party:steward")
        await apply_agreements(connection, city, "urn:party:steward")
        await connection.close(timeout=5)

    asyncio.run(put())


def looping() -> asyncio.Runner:
    """Give an event loop as every process of the platform has it."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def admitted(order: random.Random, ways: Sequence[str]) -> list[str]:
    """Give the ways of one round in random order."""
    return order.sample(list(ways), len(ways))
