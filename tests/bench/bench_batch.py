"""PERFORMANCE rows 5 and 6: batch upsert of 1,000 entities, against psql COPY and merge of prepared rows.

Ours goes the whole way from the request's bytes: JSON parsed, names expanded, checked, applied, stored with side
tables, outbox and audit record in one transaction (row 6: and history; row 5 runs with the history's statement left
out). psql gets the very rows that the engine would write, ready made, on one open session: COPY into temporary tables,
then merge into the same tables, outbox included, one transaction; the temporary tables compress as the tables do, so
that nothing is compressed twice or more thoroughly on the way. New entities in every round, order shuffled.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import orjson

from broker.core import change as change_event
from broker.core import patch, times
from broker.core.entity import LOCATION
from broker.ld.active import Active
from broker.ld.internal import accept
from broker.ops.batch import write_batch
from broker.serve import calm_collector
from broker.store import history
from broker.store.pool import Pool
from broker.store.write import Change, Outcome
from policies.audit import AuditRecord, Prepared, prepare
from tests.bench.environment import Measured, admitted, database, measured
from tests.fixtures.postgres import Database

__all__ = ["run"]

_BATCH = 1000
_SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
_NS = "https://smartdatamodels.org/dataModel.Environment/"
_NAMES = ("no2", "o3", "pm10", "pm25", "so2", "co", "humidity", "temperature", "name", "dataProvider")
_CONTEXT = {name: _NS + name for name in ("AirQualityObserved", "refDevice", *_NAMES)}

_MERGE = f"""
BEGIN;
SET LOCAL search_path = {_SCHEMA}, public;
TRUNCATE pg_temp.e, pg_temp.t, pg_temp.o, pg_temp.h;
\\copy pg_temp.e FROM '{{folder}}/e'
\\copy pg_temp.t FROM '{{folder}}/t'
\\copy pg_temp.o FROM '{{folder}}/o'
INSERT INTO entities SELECT id, types, scopes, names, segs, vals, ST_GeomFromEWKB(location), meta, created_at,
    modified_at, expires_at, version FROM pg_temp.e
ON CONFLICT (id) DO UPDATE SET types = excluded.types, names = excluded.names, segs = excluded.segs,
    vals = excluded.vals, location = excluded.location, meta = excluded.meta, modified_at = excluded.modified_at,
    version = excluded.version;
INSERT INTO entity_type SELECT * FROM pg_temp.t ON CONFLICT DO NOTHING;
INSERT INTO broker.outbox (tenant, entity, payload) SELECT * FROM pg_temp.o;
{{history}}
COMMIT;
\\echo done
"""  # noqa: S608 - our own schema name
_HISTORY = r"""
\copy pg_temp.h FROM '{folder}/h'
INSERT INTO history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body)
SELECT * FROM pg_temp.h ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE
SET received_at = excluded.received_at, event = excluded.event, kind = excluded.kind, body = excluded.body
WHERE (excluded.received_at, excluded.event) >= (h.received_at, h.event);
"""
_TEMPORARY = f"""
SET synchronous_commit = on;
SET default_toast_compression = lz4;
CREATE TEMP TABLE e (id text, types text[], scopes text[], names text[], segs text[], vals jsonb, location bytea,
    meta jsonb, created_at timestamptz, modified_at timestamptz, expires_at timestamptz, version bigint)
    WITH (toast_tuple_target = 4080);
CREATE TEMP TABLE t (type text, id text);
CREATE TEMP TABLE o (tenant text, entity text, payload text);
CREATE TEMP TABLE h (entity text, attr text, dataset_id text, observed_at timestamptz, received_at timestamptz,
    event text, kind text, body text);
GRANT ALL ON e, t, o, h TO {_SCHEMA};
\\echo done
"""


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


class Session:
    """One open psql session."""

    def __init__(self, dsn: str) -> None:
        self._process = subprocess.Popen(
            [shutil.which("psql") or "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str) -> None:
        """Run a script that ends by echoing `done`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("psql has no pipes")
        self._process.stdin.write(script)
        self._process.stdin.flush()
        while (line := self._process.stdout.readline().strip()) != "done":
            if self._process.poll() is not None or not line:
                raise RuntimeError(f"psql ended: {line}")

    def close(self) -> None:
        """End the session."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _prepare(folder: Path, docs: Sequence[dict[str, Any]], now: datetime) -> None:
    """Write the rows that the engine would store, as COPY files."""
    files: dict[str, list[str]] = {"e": [], "t": [], "o": [], "h": []}
    for doc in docs:
        result = patch.apply(None, patch.Change("upsert_replace", doc["id"], doc), now)
        row = result.row
        if row is None:
            raise RuntimeError("the engine stores nothing")
        location = result.geo[LOCATION]
        files["e"].append(
            _line(
                row.id, _array(row.types), None, _array(row.names), _array(row.segs), orjson.dumps(row.vals).decode(),
                None if location is None else "\\x" + location.hex(), orjson.dumps(row.meta).decode(),
                row.created_at.isoformat(), row.modified_at.isoformat(), None, "1",
            )
        )  # fmt: skip
        files["t"].extend(_line(one, row.id) for one in row.types)
        event = change_event.payload(
            "default", row.id, row.types, 1, times.of(now), "created", result.attrs, "http:bench"
        )
        files["o"].append(_line("default", row.id, event.decode()))
        files["h"].extend(
            _line(one.entity, one.attr, one.dataset_id, one.observed_at, one.received_at, one.event, one.kind, one.body)
            for one in result.history
        )
    for name, lines in files.items():
        (folder / name).write_text("".join(lines))


def _array(items: Sequence[str]) -> str:
    return "{" + ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in items) + "}"


def _line(*values: str | None) -> str:
    shown = (
        "\\N" if one is None else one.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for one in values
    )
    return "\t".join(shown) + "\n"


async def _ours(pool: Pool, active: Active, body: bytes, seal: Callable[[Sequence[Outcome]], Prepared]) -> float:
    began = time.perf_counter()
    changes = []
    for item in orjson.loads(body):
        doc = accept(item, active)
        changes.append(Change("upsert_replace", doc["id"], doc, cause="http:bench"))
    outcomes, _ = await write_batch(pool, "default", _SCHEMA, changes, [None] * len(changes), seal)
    taken = time.perf_counter() - began
    if {one.result for one in outcomes} != {"created"}:
        raise RuntimeError("not all were created")
    return taken


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
            session.run(_TEMPORARY)
            merge = _MERGE.replace("{history}", _HISTORY if with_history else "").replace("{folder}", name)
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
                        session.run(merge)
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
        with database() as one:
            found.append(asyncio.run(_measure(one, rounds, with_history, 20_261_122)).result())
    return found


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(run(), option=orjson.OPT_INDENT_2).decode() + "\n")
