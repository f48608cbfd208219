"""Sample rows against a broker of our own making: who waits, what is shown while newer rows are read, what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from catalog.broker import Broker
from catalog.dataset import Dataset
from catalog.portal import sample
from catalog.portal.sample import Samples
from tests.catalog.samples import catalogue


class Source:
    """A server that answers as a broker does, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()

    async def entities(self, request: web.Request) -> web.Response:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.status != 200:
            return web.json_response({"title": "no", "detail": "not now"}, status=self.status)
        return web.json_response(
            [{"id": f"urn:x:{number}", "type": "T", "level": {"type": "Property", "value": number}}]
        )


@asynccontextmanager
async def reading(revision: Callable[[], int] = lambda: 1) -> AsyncIterator[tuple[Source, Samples, Dataset]]:
    source = Source()
    app = web.Application()
    app.router.add_get("/ngsi-ld/v1/entities", source.entities)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as http:
        samples = Samples(Broker(http, f"http://127.0.0.1:{port}"), revision)
        try:
            yield source, samples, catalogue().datasets[0]
        finally:
            source.open.set()
            await samples.close()
            await runner.cleanup()


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await true():
                return
            await asyncio.sleep(0.01)


async def test_who_is_patient_gets_rows_and_others_share_them() -> None:
    async with reading() as (source, samples, dataset):
        [found] = await samples.of([dataset], patient=True)
        assert (found.outcome, found.columns, found.rows) == ("read", ("id", "level"), (("urn:x:1", "1"),))
        assert await samples.of([dataset]) == [found]
        assert source.asked == 1


async def test_a_page_does_not_wait_for_a_slow_broker_and_has_the_rows_next_time() -> None:
    async with reading() as (source, samples, dataset):
        source.open.clear()
        [found] = await samples.of([dataset])
        assert (found.outcome, found.rows) == ("waiting", ())
        source.open.set()

        async def there() -> bool:
            return (await samples.of([dataset]))[0].outcome == "read"

        await _until(there)
        assert source.asked == 1


async def test_rows_that_have_grown_old_are_shown_while_they_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading() as (source, samples, dataset):
        [first] = await samples.of([dataset], patient=True)
        monkeypatch.setattr(sample, "_NEW_S", -1.0)
        source.open.clear()
        assert await samples.of([dataset]) == [first]
        source.open.set()

        async def newer() -> bool:
            return (await samples.of([dataset]))[0].rows != first.rows

        await _until(newer)


async def test_rows_are_kept_while_the_broker_is_away_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading() as (source, samples, dataset):
        [first] = await samples.of([dataset], patient=True)
        monkeypatch.setattr(sample, "_NEW_S", -1.0)
        source.status = 503
        assert await samples.of([dataset], patient=True) == [first]
        monkeypatch.setattr(sample, "_KEEP_S", -1.0)
        [gone] = await samples.of([dataset], patient=True)
        assert (gone.outcome, gone.rows) == ("away", ())


async def test_rows_that_were_read_under_other_rules_are_not_shown() -> None:
    rules = [1]
    async with reading(lambda: rules[0]) as (source, samples, dataset):
        [first] = await samples.of([dataset], patient=True)
        assert first.rows
        rules[0], source.status = 2, 403
        source.open.clear()
        [waiting] = await samples.of([dataset])
        assert (waiting.outcome, waiting.rows) == ("waiting", ())
        source.open.set()
        [refused] = await samples.of([dataset], patient=True)
        assert (refused.outcome, refused.rows) == ("refused", ())


async def test_what_the_public_may_not_read_is_not_asked_for() -> None:
    async with reading() as (source, samples, _):
        hidden = [d for d in catalogue().datasets if not d.public]
        assert [d.slug for d in hidden] == ["WeatherObserved"]
        assert await samples.of(hidden, patient=True) == []
        assert source.asked == 0
