"""Evolutions, purges and @contexts of the governed broker against the law: the same answers, states and histories."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.tokens import issuer
from tests.oracle import stage_changes, worlds
from tests.oracle.changes import plain
from tests.oracle.draw_pasts import managed, play
from tests.oracle.governed import NOW, Stage
from tests.oracle.law import World
from tests.oracle.progress import Progress
from tests.oracle.stage_pasts import Contexts, histories, known
from tests.oracle.test_oracle import SEED, oracle_broker, oracle_city, stage

__all__ = ["issuer", "oracle_broker", "oracle_city", "stage"]

DEEDS = 60
WORLDS = int(os.environ.get("DATAPOLIS_ORACLE_PASTS", "100" if os.environ.get("DATAPOLIS_PROVE") == "1" else "2"))
_IDS = [f"urn:ngsi-ld:E:{number:03}" for number in range(44)]


async def done(stage: Stage, world: World) -> tuple[int, list[str]]:
    """Play a world's deeds: how many did something in part, and the first difference."""
    await stage.put(world)
    contexts = Contexts(stage)
    played = play(SEED, world, DEEDS, NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for deed, answer, after, _ in played:
        said, given = await contexts.do(deed)
        ids = _IDS if deed.kind == "purge" else [deed.entity]
        state, past = await stage_changes.state(stage, ids), await histories(stage, ids)
        expected = {one: plain(after.entities[one]) for one in ids if one in after.entities}
        if (given, state, past) != (answer, expected, known(after, ids)):
            lines = [f"seed {SEED} world {world.number}: {deed.kind} {said}", f"expected {answer}", f"found    {given}"]
            for one in ids:
                wanted = (expected.get(one), known(after, [one]).get(one))
                there = (state.get(one), past.get(one))
                lines += [f"{one} expected {wanted}", f"{one} found    {there}"] if wanted != there else []
            return 0, ["\n  ".join(lines)]
    return sum(partial for _, _, _, partial in played), []


@pytest.mark.timeout(7200 if WORLDS > 2 else 180)
async def test_every_deed_is_the_laws(stage: Stage) -> None:
    """120 cases, or with DATAPOLIS_PROVE=1 6,000."""
    with Progress.of("pasts", SEED, WORLDS) as progress:
        for number in progress.left():
            found, differences = await done(stage, managed(worlds.world(SEED, number)))
            assert not differences, differences[0]
            progress.add(number, found)
        share = progress.total() / (WORLDS * DEEDS)
    assert share >= 0.8, f"only {share:.1%} of the deeds did something, but not all that they would without limits"
