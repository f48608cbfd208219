"""Walks by `after` while others write: none twice, none missed that stood throughout (README, paging)."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from tests.fixtures.broker import Api

STANDING = [f"urn:x:{number:05}" for number in range(0, 3000, 10)]
"""Those that stand throughout; the others come, change and go."""


def thing(entity_id: str, value: int) -> dict[str, Any]:
    return {"id": entity_id, "type": "Thing", "v": {"type": "Property", "value": value}}


async def write(api: Api, random: Random, stop: asyncio.Event) -> int:
    """Insert, change and delete entities between those that stand, and change these too, until told to stop."""
    batches = 0
    while not stop.is_set():
        passing = [f"urn:x:{random.randrange(3000) // 10 * 10 + random.randint(1, 9):05}" for _ in range(20)]
        changed = random.sample(STANDING, 10)
        batch = [thing(one, batches) for one in dict.fromkeys([*passing, *changed])]
        assert (await api.post("/entityOperations/upsert", batch)).status in (201, 204)
        gone = list(dict.fromkeys(passing[:10]))
        assert (await api.post("/entityOperations/delete", gone)).status in (204, 207)
        batches += 1
    return batches


async def walk(api: Api, limit: int) -> list[str]:
    found: list[str] = []
    after = "a"
    while True:
        page = await api.get(
            f"/entities?type=Thing&pick=id&limit={limit}" + (f"&after={after}" if after else "&after=a")
        )
        assert page.status == 200, page.json
        if not page.json:
            return found
        found += [one["id"] for one in page.json]
        after = found[-1]


async def test_a_walk_among_writers_repeats_none_and_misses_none_that_stood(api: Api) -> None:
    for start in range(0, len(STANDING), 100):
        batch = [thing(one, 0) for one in STANDING[start : start + 100]]
        assert (await api.post("/entityOperations/create", batch)).status == 201
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(api, Random(seed), stop)) for seed in range(3)]  # noqa: S311
    seen_passing = 0
    for limit in (7, 50, 23):
        found = await walk(api, limit)
        assert found == sorted(set(found))
        assert set(STANDING) <= set(found)
        seen_passing += len(set(found) - set(STANDING))
    stop.set()
    assert min(await asyncio.gather(*writers)) > 0
    assert seen_passing > 0
