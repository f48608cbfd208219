"""Clients that read without pause what may be revoked, and when each answer came that carried it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest

from broker.core.patch import Change
from broker.store import write
from broker.store.pool import Pool
from tests.fixtures.broker import BrokerProcess
from tests.fixtures.governed import DEFAULT_SCHEMA, Governed
from tests.fixtures.tokens import TestIssuer

__all__ = ["ID", "REVOKED", "TYPE", "Load", "drive", "moving", "opened", "settled"]

TYPE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
ID = "urn:ngsi-ld:Vehicle:1"
REVOKED = b"speed"
_SPEED = TYPE.replace("Vehicle", "speed")
_PATHS = (f"/entities/{ID}", f"/entities?type={TYPE.replace('/', '%2F')}", "/attributes")


@asynccontextmanager
async def opened(running: BrokerProcess, issuer: TestIssuer) -> AsyncIterator[Governed]:
    pool = Pool(running.database.dsn("broker"), size=2)
    await pool.open()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Governed(running, issuer, http, pool)
    finally:
        await pool.close()


async def drive(governed: Governed, speed: int) -> None:
    """Move the vehicle."""
    found = {
        "id": ID,
        "type": [TYPE],
        _SPEED: {"type": "Property", "value": speed},
        "https://uri.etsi.org/ngsi-ld/location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [0, 0]},
        },
    }
    async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
        await write.apply(conn, "default", [Change("upsert_update", ID, found)], datetime.now(UTC))


@dataclass(slots=True)
class Load:
    """Clients that read without pause, and when one last saw what may be revoked.

    `reached_at`: when they had seen it `limit` times.
    """

    governed: Governed
    headers: dict[str, str]
    clients: int = 6
    limit: int = 0
    answers: int = 0
    shown: int = 0
    statuses: set[int] = field(default_factory=set)
    shown_at: float = 0.0
    reached_at: float = 0.0
    hidden_at: float = 0.0
    held_up_s: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read until the block ends; a new connection now and then, so that every worker is met."""
        tasks = [asyncio.create_task(self._read(n)) for n in range(self.clients)]
        tasks.append(asyncio.create_task(self._watch()))
        try:
            yield
            assert not any(task.done() for task in tasks), "a client of the load has ended"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, number: int) -> None:
        turn = number
        while True:
            turn += 1
            close = {"Connection": "close"} if turn % 20 == 0 else {}
            answer = await self.governed.api.call("GET", _PATHS[turn % 3], headers={**self.headers, **close})
            now = time.monotonic()
            self.answers += 1
            self.statuses.add(answer.status)
            if REVOKED in answer.body:
                self.shown_at = now
                self.shown += 1
                if self.shown == self.limit:
                    self.reached_at = now
            else:
                self.hidden_at = now

    async def _watch(self) -> None:
        """Notice the longest time for which this process itself did not get on."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            self.held_up_s = max(self.held_up_s, time.monotonic() - before - 0.02)


@asynccontextmanager
async def moving(governed: Governed, every_s: float = 0.05) -> AsyncIterator[None]:
    """Move the vehicle until the block ends."""

    async def move() -> None:
        speed = 0
        while True:
            speed += 1
            await drive(governed, speed)
            await asyncio.sleep(every_s)

    task = asyncio.create_task(move())
    try:
        yield
        assert not task.done(), "the vehicle stands still"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(load: Load, *, shown: bool) -> None:
    """Wait until every client has seen one side only for a while."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
        now = time.monotonic()
        quiet = (load.hidden_at if shown else load.shown_at) < now - 0.4
        if quiet and (load.shown_at if shown else load.hidden_at) > now - 0.3:
            return
    pytest.fail(f"the load never settled to shown={shown}", pytrace=False)
