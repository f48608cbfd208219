"""PERFORMANCE row 11: ingest of 2,000-record batches from Kafka, by stage, and its SQL stage against psql.

In each round one batch goes three ways, in shuffled order: the ingest worker takes one turn of its loop (it parses,
admits and stores a batch and fetches the next one, so that each turn is charged for one fetch, as in the long run); its
SQL stages alone store the same records of another 1,000 entities, parsed and admitted beforehand; and psql merges the
rows that a third 1,000 come to by the same records (COPY, then merge, in one transaction, with history and outbox),
ready made. The records are observations of entities that exist, two fifths of them late. The worker reads records while
the database locks and stores, and fetches while it stores the last; the share of parsing and admission counts all the
time that they take, hidden or not.

Against psql our stage also merges: record by record it looks up, compares and writes what psql is given ready made. The
goals name that comparison and no floor for it; the one here tells when it gets worse.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from broker.bus.consume import Batch, Consumer, Message, Source
from broker.core import patch, topics
from broker.core.envelope import Envelope
from broker.serve import calm_collector
from broker.store.pool import Pool
from broker.workers import ingest as worker
from broker.workers.ingest import Ingest, store
from broker.workers.records import Record, changes_of
from tests.bench.environment import admitted, looping, measured
from tests.bench.environment import database as fresh
from tests.bench.psql import SCHEMA, TEMPORARY, Rows, Session, merge
from tests.faults.streams import declare, permit, produce, stream
from tests.fixtures.postgres import Database

__all__ = ["run"]

_BATCH = 2000
_WARM = 3
_SHARE = 0.10


@dataclass(slots=True)
class _Twins:
    """The entities that psql stores: what the engine's pure function makes of the same records under other ids."""

    rows: dict[str, patch.Row] = field(default_factory=dict)

    def prepare(self, envelopes: Sequence[Envelope], folder: Path) -> None:
        """Write the rows that these records come to as COPY files."""
        now, prepared = datetime.now(UTC), Rows()
        by_entity: dict[str, list[patch.Result]] = {}
        for envelope in envelopes:
            one = envelope.entity["id"].replace(":Vehicle:", ":Twin:")
            change = changes_of(envelope._replace(entity={**envelope.entity, "id": one}))
            result = patch.apply(self.rows.get(one), change, now)
            if result.row is not None:
                self.rows[one] = result.row
            by_entity.setdefault(one, []).append(result)
        for one, results in sorted(by_entity.items()):
            prepared.add(one, results, now, "ingest:test-feed", self.rows[one])
        prepared.write(folder)


@dataclass(slots=True)
class _Times:
    """Seconds per batch: the whole way, of it parsing and admission; the SQL stages alone; and psql's."""

    whole: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)
    psql: list[float] = field(default_factory=list)


async def _measure(database: Database, kafka: str, prefix: str, rounds: int) -> _Times:
    await declare(kafka, prefix, partitions=1)
    await permit(database.dsn("policies"))
    envelopes = stream(_BATCH * (rounds + _WARM + 1), entities=1000, seed=20_261_122)
    await produce(kafka, prefix, envelopes)
    pool = Pool(database.dsn("broker"), size=4)
    source = Source(kafka, "ingest", f"{prefix}bench", str(uuid4()), f"^{prefix}entities\\..*$", session_ms=30_000)
    ingest, consumer = Ingest(pool, source, set(), prefix=prefix, limit=_BATCH), Consumer(source, pool)
    session, twins, times = Session(database.dsn("admin")), _Twins(), _Times()
    order = random.Random(20_261_122)  # noqa: S311 - an order, no secret
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            session.run(TEMPORARY)
            await consumer.start()
            batch = await _filled(consumer, Batch({}, {}))
            for number in range(-_WARM, rounds):
                at = (number + _WARM) * _BATCH
                twins.prepare(envelopes[at : at + _BATCH], folder)
                kept = times if number >= 0 else _Times()
                for way in admitted(order, ("ours", "stored", "psql")):
                    if way == "ours":
                        batch = await _whole(consumer, ingest, batch, kept)
                    elif way == "stored":
                        await _stored(pool, envelopes[at : at + _BATCH], kept)
                    else:
                        began = time.perf_counter()
                        session.run(merge(folder, history=True))
                        kept.psql.append(time.perf_counter() - began)
    finally:
        session.close()
        await consumer.close()
        await pool.close()
    return times


async def _whole(consumer: Consumer, ingest: Ingest, batch: Batch, times: _Times) -> Batch:
    """Time one turn of the worker: one batch stored, the next one fetched."""
    before = _decoding_s()
    began = time.perf_counter()
    following = await _filled(consumer, await ingest.turn(consumer, batch))
    times.whole.append(time.perf_counter() - began)
    times.decode.append(_decoding_s() - before)
    return following


async def _stored(pool: Pool, envelopes: Sequence[Envelope], times: _Times) -> None:
    """Time the SQL stages on records that are parsed and admitted."""
    records = []
    for number, one in enumerate(envelopes):
        entity = {**one.entity, "id": one.entity["id"].replace(":Vehicle:", ":Third:")}
        message = Message("third", 0, number, topics.key(one.tenant, entity["id"]), b"")
        records.append(Record(message, None, one._replace(entity=entity)))
    began = time.perf_counter()
    async with pool.tx(None) as conn:
        await store(conn, records, {"default": SCHEMA}, datetime.now(UTC))
    times.store.append(time.perf_counter() - began)


async def _filled(consumer: Consumer, batch: Batch) -> Batch:
    """Fetch what a batch lacks of its size."""
    while (missing := _BATCH - len(batch.all())) > 0:
        batch = batch.extended(await consumer.fetch(missing, 1.0))
    return batch


def _decoding_s() -> float:
    return sum(
        sample.value
        for metric in worker.SECONDS.collect()
        for sample in metric.samples
        if sample.name.endswith("_sum") and sample.labels["stage"] == "decode"
    )


def _rows(times: _Times) -> list[dict[str, Any]]:
    whole, alone = times.whole, times.store
    parts = [d / w for d, w in zip(times.decode, whole, strict=True)]
    note = (
        f"parse and admit {median(times.decode) * 1e3:.0f} ms "
        f"({median(parts):.1%}, at most {_SHARE:.0%}), all {median(whole) * 1e3:.0f} ms; "
        f"{_BATCH / median(whole):,.0f} records/s"
    )
    total = measured(
        "11", "ingest of 2,000-record batches from Kafka, to the SQL stages alone",
        [s / w for s, w in zip(alone, whole, strict=True)], 0.80, 0.90, "94 %; 5 %", note,
    ).result()  # fmt: skip
    sql = measured(
        "11 SQL", "ingest's SQL stage, merging included, to psql COPY + merge of prepared rows with history and outbox",
        [p / s for p, s in zip(times.psql, alone, strict=True)], 0.45, 0.70, "95 % (row 6)",
        f"store {median(alone) * 1e3:.0f} ms, psql {median(times.psql) * 1e3:.0f} ms",
    ).result()  # fmt: skip
    return [{**total, "share": median(parts), "met": total["met"] and median(parts) <= _SHARE}, sql]


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure on the test engines, in a database and topics of its own."""
    calm_collector()  # as every worker does
    with fresh() as database, looping() as runner:
        return _rows(runner.run(_measure(database, database.engines.kafka, f"b{uuid4().hex[:8]}-", rounds)))
