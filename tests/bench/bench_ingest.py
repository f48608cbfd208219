"""PERFORMANCE row 11: ingest of 2,000-record batches from Kafka, against its SQL stages alone.

`python -m tests.bench.bench_ingest [--rounds N]` prints the result; `run` gives it to `make bench`. In each round one
batch goes the whole way (fetch, parse, admit, store) and another one, fetched and parsed before, is stored only; which
of the two comes first is shuffled. Both are new observations of the same 1,000 entities, with history and outbox.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from broker.bus.consume import Batch, Consumer, Source
from broker.store.pool import Pool
from broker.workers import ingest as worker
from broker.workers.admission import admit
from broker.workers.ingest import Ingest, Step
from tests.bench.environment import database as fresh
from tests.faults.streams import declare, permit, produce, stream
from tests.fixtures.postgres import Database

__all__ = ["FLOOR", "SHARE", "measure", "run"]

FLOOR = 0.80
SHARE = 0.10
_BATCH = 2000
_WARM = 2


async def measure(
    database: Database, kafka: str, prefix: str, rounds: int = 9, seed: int = 20_261_122
) -> dict[str, Any]:
    """Measure on a fresh database; `ratio` is SQL time to total time per record, `share` that of parse and map."""
    await declare(kafka, prefix, partitions=1)
    await permit(database.dsn("policies"))
    await produce(kafka, prefix, stream(_BATCH * (2 * rounds + _WARM), entities=1000))
    pool = Pool(database.dsn("broker"), size=4)
    source = Source(kafka, "ingest", f"{prefix}bench", str(uuid4()), f"^{prefix}entities\\..*$", session_ms=30_000)
    ingest = Ingest(pool, source, set(), prefix=prefix, limit=_BATCH)
    consumer = Consumer(source, pool)
    await consumer.start()
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    whole: list[float] = []
    alone: list[float] = []
    parsing: list[float] = []
    try:
        for _ in range(_WARM):
            await ingest.take(await _fetch(consumer), consumer.moved)
        for _ in range(rounds):
            for kind in order.sample(("whole", "alone"), 2):
                if kind == "whole":
                    total, parsed = await _whole(consumer, ingest)
                    whole.append(total)
                    parsing.append(parsed / total)
                else:
                    alone.append(await _alone(consumer, ingest))
    finally:
        await consumer.close()
        await pool.close()
    return _result(whole, alone, parsing)


async def _whole(consumer: Consumer, ingest: Ingest) -> tuple[float, float]:
    """Time one batch the whole way, and the parsing in it, in seconds."""
    before = _decode_s()
    started = time.perf_counter()
    await ingest.take(await _fetch(consumer), consumer.moved)
    return time.perf_counter() - started, _decode_s() - before


async def _alone(consumer: Consumer, ingest: Ingest) -> float:
    """Time the SQL stages of one batch."""
    batch = await _fetch(consumer)
    rules = await ingest.current_rules()
    step = Step([(message, admit(message, rules, ())) for message in batch.all()], batch.steps())
    started = time.perf_counter()
    await ingest.apply(step)
    seconds = time.perf_counter() - started
    consumer.moved(step.steps)
    return seconds


async def _fetch(consumer: Consumer) -> Batch:
    """Collect exactly one batch."""
    batch = await consumer.fetch(_BATCH, 1.0)
    while (missing := _BATCH - len(batch.all())) > 0:
        batch = batch.extended(await consumer.fetch(missing, 1.0))
    return batch


def _decode_s() -> float:
    return next(
        sample.value
        for metric in worker.SECONDS.collect()
        for sample in metric.samples
        if sample.name.endswith("_sum") and sample.labels["stage"] == "decode"
    )


def _result(whole: Sequence[float], alone: Sequence[float], parsing: Sequence[float]) -> dict[str, Any]:
    ratios = [sql / total for sql, total in zip(alone, whole, strict=True)]
    ratio, share = statistics.median(ratios), statistics.median(parsing)
    return {
        "row": 11,
        "what": "ingest of 2,000-record batches from Kafka: total to the SQL stages alone; parse and map share",
        "ratio": round(ratio, 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
        "floor": FLOOR,
        "share": round(share, 3),
        "share_most": SHARE,
        "records_per_s": round(_BATCH / statistics.median(whole)),
        "rounds": len(ratios),
        "met": ratio >= FLOOR and share <= SHARE,
    }


def run(rounds: int = 9) -> dict[str, Any]:
    """Measure on the test engines, in a database and topics of its own."""
    with fresh() as database:
        return asyncio.run(measure(database, database.engines.kafka, f"b{uuid4().hex[:8]}-", rounds))


def main(arguments: Sequence[str]) -> int:
    """Print the result; 1 if it falls short."""
    parser = argparse.ArgumentParser(prog="bench_ingest", description="PERFORMANCE row 11")
    parser.add_argument("--rounds", type=int, default=9)
    result = run(parser.parse_args(arguments).rounds)
    json.dump(result, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
