"""What a decision costs: from memory (goal: under 5 microseconds), and cold, through PostgreSQL and OPA.

Row 13, governed to open over HTTP, is part of the benchmark `retrieve`, and is measured here with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from docker.local.stack import ROOT
from policies import PolicySettings, Trust
from policies.caller import Caller
from policies.pdp import document
from policies.store.agreements import concerning
from policies.store.connect import connect
from tests.bench import bench_retrieve
from tests.bench.environment import city_in_force, database, issuing, measured
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer

__all__ = ["run"]

_LIMIT_US = 5.0
_TURNS = 20_000
_COLD = 100
_PURPOSE = "https://w3id.org/dpv#ServiceProvision"


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure decisions, then row 13."""
    with database() as found, issuing() as issuer:
        city_in_force(found, ROOT / "city")
        rows = asyncio.run(_decisions(found, issuer, rounds))
    return rows + [row for row in bench_retrieve.run(rounds) if row["row"].startswith("13")]


async def _decisions(found: Database, issuer: TestIssuer, rounds: int) -> list[dict[str, Any]]:
    settings = PolicySettings.model_validate(
        {"opa_url": found.engines.opa, "issuer": issuer.url, "audience": issuer.audience, "city": ROOT / "city"}
    )
    trust = await Trust.open(settings, found.dsn("broker"))
    try:
        headers = issuer.bearer("urn:party:rideflow", "vendor")
        caller = await trust.verify(headers)
        await trust.decide(caller, _PURPOSE, "read", "default")
        decided = [_each_us(lambda: trust.cached(caller, _PURPOSE, "read", "default")) for _ in range(rounds)]
        known = [_each_us(lambda: trust.known(headers["authorization"])) for _ in range(rounds)]
        cold, engine = [], []
        for number in range(rounds):
            cold.append(await _cold_ms(trust, number))
            engine.append(await _engine_ms(trust, found))
    finally:
        await trust.close()
    return [
        _row("decision from memory", decided),
        _row("caller of a verified token from memory", known),
        measured(
            "13 cold", "cold decision: OPA's own part of it",
            [e / c for e, c in zip((median(one) for one in engine), (median(one) for one in cold), strict=True)],
            0.0, 1.0, "-",
            f"cold {_spread(cold)} ms, of which OPA {_spread(engine)} ms (median, 95 %)",
        ).result(),
    ]  # fmt: skip


def _row(what: str, each_us: list[float]) -> dict[str, Any]:
    ratios = [_LIMIT_US / one for one in each_us]
    note = f"{median(each_us):.2f} us"
    return measured("13 policy", f"{what}: how often within 5 us", ratios, 1.0, 5.0, "0.11 us", note).result()


def _each_us(work: Callable[[], object]) -> float:
    if work() is None:
        raise RuntimeError("nothing is in memory")
    begun = time.perf_counter()
    for _ in range(_TURNS):
        work()
    return (time.perf_counter() - begun) / _TURNS * 1e6


async def _cold_ms(trust: Trust, number: int) -> list[float]:
    """Decide for callers never seen before, one after the other."""
    found = []
    for n in range(_COLD):
        caller = Caller("urn:party:rideflow", f"cold-{number}-{n}", "vendor")
        begun = time.perf_counter()
        await trust.decide(caller, _PURPOSE, "read", "default")
        found.append((time.perf_counter() - begun) * 1e3)
    return found


async def _engine_ms(trust: Trust, found: Database) -> list[float]:
    """Ask OPA alone, with the same input."""
    conn = await connect(found.dsn("broker"))
    known = await concerning(conn, "urn:party:rideflow", "vendor", "default")
    await conn.close(timeout=5)
    caller = Caller("urn:party:rideflow", "cold", "vendor")
    asked = document(caller, _PURPOSE, "read", "default", known, "2026-11-22T05:00:00.000Z")
    times = []
    for _ in range(_COLD):
        begun = time.perf_counter()
        await trust._engine.ask(asked)
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def _spread(rounds: list[list[float]]) -> str:
    every = [one for each in rounds for one in each]
    return f"{median(every):.2f}, {quantiles(every, n=20)[-1]:.2f}"
