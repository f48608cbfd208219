"""PERFORMANCE rows 5 and 6: batch upsert of 1,000 entities, against psql COPY and merge of prepared rows.

Ours goes the whole way from the request's bytes: JSON parsed, names expanded, checked, applied, stored with side
tables, outbox and audit record in one transaction (row 6: and history; row 5 runs with the history's statement left
out). psql gets the very rows that the engine would write, ready made, on one open session: COPY into temporary tables,
then merge into the same tables, outbox included, one transaction; the temporary tables compress as the tables do, so
that nothing is compressed twice or more thoroughly on the way. New entities in every round, order shuffled.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import orjson

from broker.core import patch
from broker.ld.active import Active
from broker.ld.internal import accept
from broker.ops.batch import write_batch
from broker.serve import calm_collector
from broker.store import history
from broker.store.pool import Pool
from broker.store.write import Change, Outcome, Unread
from policies.audit import AuditRecord, Prepared, prepare
from tests.bench.environment import Measured, admitted, database, looping, measured
from tests.bench.psql import SCHEMA, TEMPORARY, Rows, Session, merge
from tests.fixtures.postgres import Database

__all__ = ["run"]

_BATCH = 1000
_NS = "https://smartdatamodels.org/dataModel.Environment/"
_NAMES = ("no2", "o3", "pm10", "pm25", "so2", "co", "humidity", "temperature", "name", "dataProvider")
_CONTEXT = {name: _NS + name for name in ("AirQualityObserved", "refDevice", *_NAMES)}


def entity(entity_id: str, chance: random.Random) -> dict[str, Any]:
    """Make an air quality station: 12 attributes, about 1.5 kB."""
    found: dict[str, Any] = {"id": entity_id, "type": "AirQualityObserved"}
    for name in _NAMES[:8]:
        value = round(chance.uniform(0, 100), 2)
        found[name] = {"type": "Property", "value": value, "unitCode": "GQ", "observedAt": "2026-11-22T05:00:00Z"}
    found["name"] = {"type": "Property", "value": f"Station {entity_id}"}
    found["dataProvider"] = {"type": "Property", "value": "Harbour City"}
    found["refDevice"] = {"type": "Relationship", "object": f"urn:ngsi-ld:Device:{entity_id[-6:]}"}
    point = [round(chance.uniform(-0.5, -0.3), 6), round(chance.uniform(39, 40), 6)]
    found["location"] = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": point}}
    return found


def _prepare(folder: Path, docs: Sequence[dict[str, Any]], now: datetime) -> None:
    """Write the rows that the engine would store, as COPY files."""
    rows = Rows()
    for doc in docs:
        result = patch.apply(None, patch.Change("upsert_replace", doc["id"], doc), now)
        rows.add(doc["id"], [result], now, "http:bench", result.row)
    rows.write(folder)


async def _ours(pool: Pool, active: Active, body: bytes, seal: Callable[[Sequence[Outcome]], Prepared]) -> float:
    began = time.perf_counter()
    changes = [Unread(item["id"], partial(_read, item, active)) for item in orjson.loads(body)]
    outcomes, _ = await write_batch(pool, "default", SCHEMA, changes, None, seal)
    taken = time.perf_counter() - began
    if {one.result for one in outcomes} != {"created"}:
        raise RuntimeError("not all were created")
    return taken


def _read(item: Any, active: Active) -> tuple[Change, None]:
    """Expand and check an item when its turn comes, as the route does."""
    doc = accept(item, active)
    return Change("upsert_replace", doc["id"], doc, cause="http:bench"), None


def _seal(outcomes: Sequence[Outcome]) -> Prepared:
    return prepare(
        AuditRecord(
            action="publish", caller="urn:party:bench", door="ngsi-ld", entities=len(outcomes), outcome="allowed",
            purpose="https://w3id.org/dpv#Purpose", request="POST /entityOperations/upsert", tenant="default",
        )
    )  # fmt: skip


async def _measure(found: Database, rounds: int, with_history: bool, seed: int) -> Measured:
    active, chance = Active([_CONTEXT]), random.Random(seed)  # noqa: S311 - data, no secrets
    pool, session = Pool(found.dsn("broker"), size=2), Session(found.dsn("admin"))
    await pool.open()
    every = chance.sample(range(10**8), 2 * _BATCH * (rounds + 2))
    ratios: list[float] = []
    best: list[float] = []
    try:
        with (
            TemporaryDirectory() as name,
            nullcontext() if with_history else mock.patch.object(history, "append", _nothing),
        ):
            folder = Path(name)
            session.run(TEMPORARY)
            script = merge(folder, history=with_history)
            for number in range(-2, rounds):
                ids = [every.pop() for _ in range(2 * _BATCH)]
                batches = [
                    [entity(f"urn:ngsi-ld:AirQualityObserved:{n:08}", chance) for n in ids[part::2]] for part in (0, 1)
                ]
                _prepare(folder, [accept(item, active) for item in batches[1]], datetime.now(UTC))
                body = orjson.dumps(batches[0])
                seconds: dict[str, float] = {}
                for way in admitted(chance, ("ours", "psql")):
                    if way == "ours":
                        seconds[way] = await _ours(pool, active, body, _seal)
                    else:
                        began = time.perf_counter()
                        session.run(script)
                        seconds[way] = time.perf_counter() - began
                if number >= 0:
                    ratios.append(seconds["psql"] / seconds["ours"])
                    best.append(_BATCH / seconds["ours"])
    finally:
        session.close()
        await pool.close()
    row, floor, aim, prototype = ("6", 0.70, 0.90, "95 %") if with_history else ("5", 0.75, 0.95, "101 % (no matching)")
    what = f"batch upsert of 1,000 to psql COPY + merge of prepared rows{', with history' if with_history else ''}"
    return measured(row, what, ratios, floor, aim, prototype, f"{sorted(best)[len(best) // 2]:,.0f} entities/s")


async def _nothing(*_: Any) -> None:
    """Stand in for the history's statement in row 5."""


def run(rounds: int = 11) -> list[dict[str, Any]]:
    """Measure rows 5 and 6, each in a database of its own."""
    calm_collector()  # as every worker does
    found: list[dict[str, Any]] = []
    for with_history in (False, True):
        with database() as one, looping() as runner:
            found.append(runner.run(_measure(one, rounds, with_history, 20_261_122)).result())
    return found


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(run(), option=orjson.OPT_INDENT_2).decode() + "\n")
