"""PERFORMANCE row 7: 64 writers that each update one attribute, in groups that share a transaction, and one by one.

Both ways run the write engine with its guard, history, outbox and audit record, over the same pool of connections;
they differ in the transactions alone. Python's garbage collector is set as every worker sets it. Commits wait for the
disk, as that is what a group shares. Each writer has an entity of its own, so no row lock is waited for.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

from uuid_utils import uuid7

from broker.http.deps import record
from broker.serve import calm_collector
from broker.store.group import WriteGroup
from broker.store.pool import Pool
from broker.store.write import Change, Outcome, apply
from policies import PUBLIC
from policies.audit import Prepared, append, prepare
from tests.bench.environment import admitted, database, durable, looping, measured

__all__ = ["run"]

_WRITERS = 64
_EACH = 12
_NS = "https://bench.example/def#"
_SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
_WAYS = ("grouped", "alone")


def run(rounds: int = 9) -> dict[str, Any]:
    """Measure row 7."""
    calm_collector()
    with database() as found, durable(found), looping() as runner:
        rates = runner.run(_measure(found.dsn("broker"), rounds))
    ratios = [grouped / alone for grouped, alone in zip(rates["grouped"], rates["alone"], strict=True)]
    note = ", ".join(f"{way} {median(rates[way]):,.0f}/s" for way in _WAYS)
    what = f"{_WRITERS} concurrent single-attribute updates, group commit, to one transaction each"
    return measured("7", what, ratios, 5, 10, "12x", note).result()


async def _measure(dsn: str, rounds: int) -> dict[str, list[float]]:
    pool = Pool(dsn, size=8)
    await pool.open()
    order = random.Random(20_261_122)  # noqa: S311 - an order, no secret
    rates: dict[str, list[float]] = {way: [] for way in _WAYS}
    async with pool.tx(_SCHEMA) as conn:
        made = [Change("create", _id(writer), _doc(writer)) for writer in range(_WRITERS)]
        await apply(conn, "default", made, datetime.now(UTC))
    for number in range(-1, rounds):
        for way in admitted(order, _WAYS):
            rate = await _rate(pool, way)
            if number >= 0:
                rates[way].append(rate)
    await pool.close()
    return rates


def _id(writer: int) -> str:
    return f"urn:ngsi-ld:Bench:{writer:03}"


def _doc(writer: int) -> dict[str, Any]:
    attrs = {f"{_NS}a{n}": {"type": "Property", "value": n} for n in range(12)}
    return {"id": _id(writer), "type": [_NS + "Bench"], **attrs}


def _change(writer: int, turn: int) -> Change:
    return Change("partial_update", _id(writer), {_NS + "a5": {"value": turn * 1000 + random.randrange(1000)}})  # noqa: S311


def _seal(_: Outcome) -> Prepared:
    audited = record("publish", "default", PUBLIC, "", "PATCH", None, "allowed", 1, None, str(uuid7()))
    return prepare(audited)


async def _rate(pool: Pool, way: str) -> float:
    group = WriteGroup(pool)

    async def grouped(change: Change) -> Outcome:
        outcome, _ = await group.write("default", _SCHEMA, change, None, _seal)
        return outcome

    async def alone(change: Change) -> Outcome:
        async with pool.tx(_SCHEMA) as conn:
            (outcome,) = await apply(conn, "default", [change], datetime.now(UTC))
            await append(conn, [_seal(outcome)])
        return outcome

    one = grouped if way == "grouped" else alone

    async def writer(number: int) -> None:
        for turn in range(_EACH):
            outcome = await one(_change(number, turn))
            if outcome.error is not None:
                raise RuntimeError(f"the update of {outcome.entity} failed: {outcome.error.detail}")

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(_WRITERS):
            tasks.create_task(writer(number))
    return _WRITERS * _EACH / (time.perf_counter() - began)
