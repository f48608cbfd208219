"""Polling against a real server: pages of recorded FROST answers, windows of time, GBFS, and being told to wait."""

from __future__ import annotations

import asyncio
import copy
import ipaddress
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.errors import Unreachable
from connectors.sources.gbfs import GbfsPoll
from connectors.sources.http import HttpPoll
from connectors.sources.payload import Payload
from connectors.specs.sources import GbfsSource, HttpSource

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Site:
    """Serves what a test puts there; remembers what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, Any] = {}
        self.asked: list[web.Request] = []
        self.status = 200
        self.headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        page = self.pages.get(request.path_qs, self.pages.get(request.path))
        if page is None:
            return web.Response(status=404)
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        return web.Response(status=self.status, body=body, headers=self.headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def http(url: str, **members: Any) -> HttpPoll:
    return HttpPoll(HttpSource.model_validate({"kind": "http", "url": url, "every": 0.2, **members}), LOOPBACK)


async def take(source: HttpPoll | GbfsPoll, count: int, place: dict[str, Any]) -> list[Payload]:
    payloads = source.payloads(place)
    found = []
    for _ in range(count):
        payload = await asyncio.wait_for(anext(payloads), 10)
        place.update(payload.after(0, done=True))
        found.append(payload)
    await payloads.aclose()
    return found


async def test_pages_of_a_frost_server(site: Site, data: Path | None) -> None:
    """The recorded page, whose nextLink leads (on this server) to a second that leads nowhere; headers go along."""
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    first = json.loads((data / "sensorthings" / "bgs_observations_page.json").read_text())
    path = "/FROST-Server/v1.1/Datastreams(1)/Observations"
    first["@iot.nextLink"] = first["@iot.nextLink"].replace("https://sensors.bgs.ac.uk", site.url)
    second = copy.deepcopy(first)
    del second["@iot.nextLink"]
    second["value"] = second["value"][:1]
    site.pages = {path: second, f"{path}?$top=500": first}
    place: dict[str, Any] = {}
    source = http(f"{site.url}{path}?$top=500", next='"@iot.nextLink"', headers={"X-Key": "k"})
    found = await take(source, 2, place)
    assert [len(json.loads(one.stream.read())["value"]) for one in found] == [3, 1]
    assert found[0].place == {}
    assert set(place) == {"etag", "modified", "sha256"}
    assert "$skip" in site.asked[1].query
    assert [one.headers["X-Key"] for one in site.asked[:2]] == ["k", "k"]
    first["@iot.nextLink"] = "http://169.254.169.254/latest"
    with pytest.raises(Unreachable, match="another server"):
        await take(source, 2, {})


async def test_windows_follow_each_other(site: Site) -> None:
    """Open311 by start_date and end_date: from a day ago in windows of eight hours, each from the last one's end."""
    site.pages = {"/requests.json": []}
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
    window = {"since": "start_date", "until": "end_date", "span": "8h", "begin": begin.isoformat(), "overlap": "1m"}
    place: dict[str, Any] = {}
    await take(http(f"{site.url}/requests.json?jurisdiction_id=city", window=window), 3, place)
    asked = [(one.query["start_date"], one.query["end_date"]) for one in site.asked[:3]]
    text = "%Y-%m-%dT%H:%M:%SZ"
    assert asked[0] == ((begin - timedelta(minutes=1)).strftime(text), (begin + timedelta(hours=8)).strftime(text))
    assert asked[1][0] == (begin + timedelta(hours=8, minutes=-1)).strftime(text)
    assert all(one.query["jurisdiction_id"] == "city" for one in site.asked)
    assert datetime.now(UTC) - datetime.fromisoformat(place["window"]) < timedelta(seconds=30)
    site.asked.clear()
    await take(http(f"{site.url}/requests.json", window=window), 1, json.loads(json.dumps(place)))
    assert datetime.fromisoformat(site.asked[0].query["start_date"]) > begin + timedelta(hours=19)


async def test_told_to_wait(site: Site) -> None:
    site.pages = {"/x": b"{}"}
    site.status, site.headers = 429, {"Retry-After": "17"}
    with pytest.raises(Unreachable, match="asks to wait 17 s") as caught:
        await take(http(f"{site.url}/x"), 1, {})
    assert caught.value.retry_s == 17
    site.status = 404
    with pytest.raises(Unreachable) as caught:
        await take(http(f"{site.url}/x"), 1, {})
    assert caught.value.retry_s is None


@pytest.mark.parametrize("version", [1, 3])
async def test_gbfs_by_discovery(site: Site, data: Path | None, version: int) -> None:
    """Recorded files behind a discovery file as versions 1 and 3 write it; an unchanged file is not taken again."""
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    names = ("station_information", "station_status")
    listed = [{"name": name, "url": f"{site.url}/{name}"} for name in names]
    site.pages = {"/gbfs.json": {"data": {"en": {"feeds": listed}} if version == 1 else {"feeds": listed}}}
    for name in names:
        body = json.loads((data / "parking_mobility" / "gbfs" / "helsinki" / f"{name}.json").read_text())
        site.pages[f"/{name}"] = {**body, "ttl": 0}
    given = {"kind": "gbfs", "url": f"{site.url}/gbfs.json", "files": names, "every": 0.2}
    source = GbfsPoll(GbfsSource.model_validate(given), LOOPBACK)
    place: dict[str, Any] = {}
    found = await take(source, 2, place)
    assert [one.name.split("@")[0] for one in found] == list(names)
    assert [len(json.loads(one.stream.read())["data"]["stations"]) for one in found] == [10, 10]
    site.pages["/station_status"]["last_updated"] += 1
    (again,) = await take(source, 1, place)
    assert again.name.startswith("station_status@")
    given["files"] = ("free_bike_status",)
    with pytest.raises(Unreachable, match="has no free_bike_status"):
        await take(GbfsPoll(GbfsSource.model_validate(given), LOOPBACK), 1, {})
