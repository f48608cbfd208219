"""Writes and notifications of the governed broker against the law: the same answers, states and messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.processes import Worker, workers
from tests.faults.streams import declare
from tests.fixtures.governed import PATIENT
from tests.fixtures.sink import Sink, sink
from tests.fixtures.tokens import issuer
from tests.oracle import stage_changes, worlds
from tests.oracle.changes import plain, told
from tests.oracle.draw_changes import play, subscriptions
from tests.oracle.governed import Stage
from tests.oracle.law import World
from tests.oracle.progress import Progress
from tests.oracle.test_oracle import SEED, oracle_broker, oracle_city, stage

__all__ = ["issuer", "oracle_broker", "oracle_city", "sink", "stage"]

WRITES, SUBSCRIPTIONS = 45, 8
WORLDS = int(os.environ.get("DATAPOLIS_ORACLE_CHANGES", "200" if os.environ.get("DATAPOLIS_PROVE") == "1" else "4"))


async def changed(stage: Stage, sink: Sink, world: World) -> tuple[int, list[str]]:
    """Play a world's writes: how many answers and messages are neither nothing nor all, and every difference."""
    await stage.put(world)
    found, _ = play(SEED, world, WRITES)
    steps = [step for _, _, several, _ in found for step in several]
    wanted = subscriptions(SEED, world, SUBSCRIPTIONS, steps)
    expected = {one.name: told(world, one, steps) for one in wanted}
    differences: list[str] = []
    may = await stage_changes.open_(stage, sink, world, wanted)
    if may != {name for name, one in expected.items() if one is not None}:
        differences.append(f"seed {SEED} world {world.number}: subscribed {sorted(may)}\n  expected {expected}")
    current = {name: plain(one) for name, one in world.entities.items()}
    for change, answer, several, _ in found:
        said, given = await stage_changes.write(stage, change)
        current |= {one.entity: plain(one.after) for one in several}
        ids = [one.entity for one in change.items]
        after = {one: current[one] for one in ids if current.get(one) is not None}
        state = await stage_changes.state(stage, ids)
        if (given, state) != (answer, after):
            differences.append(
                f"seed {SEED} world {world.number}: {said}\n  expected {answer} {after}\n  found    {given} {state}"
            )
            return 0, differences
    await stage_changes.close(stage, sink, world, wanted)
    for one in wanted:
        heard = stage_changes.received(sink, one)
        if heard != (expected[one.name] or {}):
            differences.append(
                f"seed {SEED} world {world.number}: {one}\n  expected {expected[one.name]}\n  found    {heard}"
            )
    return sum(partial for _, _, _, partial in found) + sum(bool(one) for one in expected.values()), differences


@pytest.mark.timeout(7200 if WORLDS > 4 else 180)
async def test_every_write_and_message_is_the_laws(
    stage: Stage,
    sink: Sink,
    kafka: str,
    topic_prefix: str,
    opa: str,
    oracle_city: Path,
    tmp_path: Path,
) -> None:
    await declare(kafka, topic_prefix, partitions=1)
    environment = {
        **stage.governed.running.database.environment(),
        **stage.governed.issuer.environment(),
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_CITY": str(oracle_city),
        **PATIENT,
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    async with workers(worker):
        worker.start()
        with Progress.of("changes", SEED, WORLDS) as done:
            for number in done.left():
                found, differences = await changed(stage, sink, worlds.world(SEED, number))
                assert not differences, "\n".join(differences[:5])
                done.add(number, found)
        assert worker.stop() == 0
    assert done.total() / (WORLDS * (WRITES + SUBSCRIPTIONS)) >= 0.6
