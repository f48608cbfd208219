"""Recorded data through the whole platform: every record stored or rejected, ten entities of each feed in full.

What ten entities look like, and which records are rejected by which rule, stands in tests/data/recorded; the
connectors' own test compares the same with the mapping alone.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from docker.local.demo.client import City
from docker.local.demo.scene import Scene
from docker.local.demo.show import Show
from docker.local.stack import ROOT
from tests.fixtures.stack import Stack

EXPECTED = ROOT / "tests" / "data" / "recorded"
PURPOSE = "dpv:RecordManagement"
ENVIRONMENT = "https://smartdatamodels.org/dataModel.Environment/"
WEATHER = "https://smartdatamodels.org/dataModel.Weather/"
VALENCIA = "urn:ngsi-ld:AirQualityObserved:valencia:av-franca"
VALENCIA_FILE = "timeseries/air_quality_valencia_hourly_2019_2023.csv.gz"
POLLUTANTS = {name: name for name in ("so2", "co", "no", "no2", "pm10", "nox", "o3")} | {"pm2.5": "pm25"}
COLUMNS = {column: ENVIRONMENT + name for column, name in POLLUTANTS.items()} | {
    "veloc.": WEATHER + "windSpeed",
    "direc.": WEATHER + "windDirection",
}
# Names that the core @context gives (CIM 009 V1.9.1, annex B); the city's own stand in city/context.jsonld.
CORE = {"https://uri.etsi.org/ngsi-ld/location": "location", "http://purl.org/dc/terms/description": "description"}
# Received, mapped, rejected by feed; then what is stored, by type and pattern of id.
RECORDED = {"kcm-vehicles": (627, 627, 0), "valencia-air": (43_824, 43_536, 288), "nyc-311": (4_969, 4_907, 62)}
RECORDED_STORED = {
    ("Vehicle", "^urn:ngsi-ld:Vehicle:kcm:"): 627,
    ("ServiceRequest", "^urn:ngsi-ld:ServiceRequest:nyc:"): 4_907,
    ("AirQualityObserved", "^urn:ngsi-ld:AirQualityObserved:valencia:"): 1,
}
PACKAGED = {"seattle-weather": (8_759, 8_759, 0), "montreal-carshare": (249, 249, 0)}


@contextmanager
def valencia_rows(data: Path) -> Iterator[csv.DictReader[str]]:
    with gzip.open(data / VALENCIA_FILE, "rt", encoding="utf-8-sig", newline="") as text:
        yield csv.DictReader(text)


def valencia_instances(data: Path) -> Counter[str]:
    """Count the attribute instances that the series holds, by attribute, read without any code of ours."""
    found: Counter[str] = Counter()
    with valencia_rows(data) as rows:
        for row in rows:
            if any(row[column] for column in POLLUTANTS):
                found.update(name for column, name in COLUMNS.items() if row[column])
    return found


async def entities(stack: Stack, http: ClientSession, path: str) -> tuple[Any, int]:
    token = await stack.token(http, "steward")
    headers = {"Authorization": f"Bearer {token}", "Data-Purpose": PURPOSE, **stack.link}
    async with http.get(f"{stack.broker}/entities{path}", headers=headers) as answer:
        body = await answer.json(content_type=None)
        assert answer.status == 200, body
        return body, int(answer.headers.get("NGSILD-Results-Count", "-1"))


async def feeds(stack: Stack, http: ClientSession) -> dict[str, tuple[int, int, int]]:
    async with http.get(f"{stack.catalog}/readiness") as answer:
        body = await answer.json()
    return {
        feed["feed"]: (int(feed["received"] or 0), int(feed["mapped"] or 0), int(feed["rejected"] or 0))
        for domain in body["domains"]
        for feed in domain["feeds"]
    }


async def history(stack: Stack, query: str, *arguments: object) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(stack.environment["DATAPOLIS_DSN_OWNER"])
    try:
        schema = await conn.fetchval("SELECT schema FROM broker.tenants WHERE tenant = 'default'")
        return list(await conn.fetch(query.replace("history", f"{schema}.history"), *arguments))
    finally:
        await conn.close()


async def settled(stack: Stack, http: ClientSession, expected: dict[str, tuple[int, int, int]]) -> None:
    """Wait until the feeds count what is expected, and the history of what they sent has stopped to grow."""
    deadline = time.monotonic() + 150
    last = -1
    found: dict[str, tuple[int, int, int]] = {}
    while time.monotonic() < deadline:
        found = await feeds(stack, http)
        rows = await history(stack, "SELECT count(*) FROM history WHERE entity !~ ':(live|lorawan):'")
        if {name: found.get(name) for name in expected} == expected and rows[0][0] == last:
            return
        last = rows[0][0]
        await asyncio.sleep(1)
    pytest.fail(f"expected {expected}, found {found}")


@pytest.mark.timeout(300)
async def test_every_recorded_record_is_stored_or_rejected(stack: Stack, data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA): the test on data from packages runs instead")
    async with ClientSession() as http:
        await settled(stack, http, RECORDED)
        for (kind, pattern), count in RECORDED_STORED.items():
            assert (await entities(stack, http, f"?type={kind}&idPattern={pattern}&limit=0&count=true"))[1] == count
        scene = Scene(City("", "", http), Show(), stack.environment, "", {}, frozenset())
        assert await scene.rejections(list(RECORDED)) == {
            "kcm-vehicles": {},
            "valencia-air": {"any-of (so2,co,no,no2,nox,o3,pm10,pm25)": 288},
            "nyc-311": {"required (location)": 62},
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["kcm-vehicles", "nyc-311"])
async def test_ten_entities_are_read_in_full(stack: Stack, data: Path | None, name: str) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    context = json.loads((ROOT / "city" / "context.jsonld").read_text(encoding="utf-8"))["@context"]
    terms = {iri: term for term, iri in context.items() if isinstance(iri, str)} | CORE
    expected = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    assert len(expected) == 10
    async with ClientSession() as http:
        await settled(stack, http, RECORDED)
        for entity in expected:
            named = {terms.get(member, member): value for member, value in entity.items()}
            named["type"] = terms[entity["type"][0]]
            assert (await entities(stack, http, f"/{entity['id']}"))[0] == named


@pytest.mark.timeout(300)
async def test_the_air_series_is_kept_whole(stack: Stack, data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    async with ClientSession() as http:
        await settled(stack, http, RECORDED)
        rows = await history(stack, "SELECT attr, count(*) FROM history WHERE entity = $1 GROUP BY attr", VALENCIA)
        counted = {row["attr"]: row["count"] for row in rows}
        fixed = {"https://smartdatamodels.org/name", "https://smartdatamodels.org/dataProvider", *CORE} & counted.keys()
        assert {attr: counted[attr] for attr in fixed} == dict.fromkeys(fixed, 1)
        assert {attr: n for attr, n in counted.items() if attr not in fixed} == valencia_instances(data)
        for entity in json.loads((EXPECTED / "valencia-air.json").read_text(encoding="utf-8")):
            for attr, instance in entity.items():
                if attr in {"id", "type"}:
                    continue
                at = datetime.fromisoformat(instance["observedAt"])
                query = "SELECT body FROM history WHERE entity = $1 AND attr = $2 AND observed_at = $3"
                bodies = [json.loads(row["body"]) for row in await history(stack, query, VALENCIA, attr, at)]
                assert bodies == [instance]
        with valencia_rows(data) as series:
            latest = {name: float(row[column]) for row in series for column, name in POLLUTANTS.items() if row[column]}
        body, _ = await entities(stack, http, f"/{VALENCIA}?options=keyValues&attrs={','.join(POLLUTANTS.values())}")
        assert {name: body[name] for name in latest} == latest
        assert body.keys() == {"id", "type", *latest}


@pytest.mark.timeout(300)
async def test_data_from_packages_where_none_are_recorded(stack: Stack, data: Path | None) -> None:
    if data is not None:
        pytest.skip("recorded data are there (DATAPOLIS_DATA): the tests on them run instead")
    async with ClientSession() as http:
        await settled(stack, http, PACKAGED)
        scene = Scene(City("", "", http), Show(), stack.environment, "", {}, frozenset())
        assert await scene.rejections(list(PACKAGED)) == {"seattle-weather": {}, "montreal-carshare": {}}
