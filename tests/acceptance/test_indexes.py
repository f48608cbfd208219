"""The running stack makes the indexes that its callers' queries ask for, tells of them, and lets go of them again."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import ClientSession

from tests.fixtures.stack import Stack

_PATIENCE_S = 120.0
_SPEED = "https://smartdatamodels.org/dataModel.Transportation/speed"


@pytest.mark.timeout(400)
async def test_the_stack_makes_an_index_for_what_is_asked_for_often(stack: Stack) -> None:
    admin = f"http://127.0.0.1:{stack.ports['indexer_admin']}"
    async with ClientSession() as http:
        token = await stack.token(http, "rideflow")
        headers = {**stack.link, "Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceProvision"}

        async def ask() -> int:
            query = {"type": "Vehicle", "q": "speed>=0", "limit": "1", "count": "true"}
            async with http.get(f"{stack.broker}/entities", params=query, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return int(answer.headers["NGSILD-Results-Count"])

        async def metric(name: str) -> float:
            async with http.get(f"{admin}/metrics") as answer:
                found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.M)
                return float(found[1]) if found else 0.0

        async def stands() -> str | None:
            lines = (await asyncio.to_thread(stack.once, "broker", "indexes", "list")).splitlines()
            return next((line for line in lines if f" value {_SPEED} " in line), None)

        async with asyncio.timeout(_PATIENCE_S):
            while not await ask():  # noqa: ASYNC110 - a server is watched
                await asyncio.sleep(0.5)
            for _ in range(8):
                await ask()
            while (line := await stands()) is None or "INVALID" in line:  # noqa: ASYNC110
                await asyncio.sleep(1)
            while await metric('datapolis_indexes{tenant="default"}') < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        assert await metric('datapolis_indexes_bytes{tenant="default"}') > 0
        assert await metric('datapolis_indexes_changed_total{what="made"}') >= 1
        assert await metric('datapolis_indexes_rounds_total{outcome="done"}') >= 1

        name = line.split()[1]
        assert name.startswith("observed_value_")
        said = await asyncio.to_thread(stack.once, "broker", "indexes", "drop", name)
        assert said == f"dropped {name} in 1 tenant(s)\n"
        assert await stands() is None
        assert await ask() > 0
