"""Paging of evolutions by time (CIM 009 V1.9.1, 6.3.10): 206 and Content-Range."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.conformance.test_5_7_3_retrieve_evolution import ONE, PATH, reading
from tests.fixtures.broker import Answer, Api, BrokerProcess, broker_process
from tests.fixtures.postgres import Database

BEFORE, AFTER = "2019-01-01T01:01:00Z", "2021-01-01T01:01:00Z"
FIRST, LAST = "2020-08-01T12:00:00Z", "2020-08-01T12:19:00Z"


@pytest.fixture(scope="module")
def small(pg_module: Database) -> Iterator[BrokerProcess]:
    """A broker that answers at most 10 instances of an attribute at once."""
    with broker_process(pg_module, {"DATAPOLIS_ACCESS": "open", "DATAPOLIS_TEMPORAL_PAGE": "10"}) as running:
        yield running


@pytest.fixture
async def client(small: BrokerProcess) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as http:
        yield Api(http, small.url, f"t{uuid4().hex[:12]}")


def minutes(start: int, number: int) -> list[dict[str, Any]]:
    return [reading(n, f"{12 + n // 60}:{n % 60:02}:00") for n in range(start, start + number)]


def minute(n: int) -> str:
    return f"2020-08-01T{12 + n // 60}:{n % 60:02}:00Z"


async def filled(client: Api, speed: list[dict[str, Any]], fuel: list[dict[str, Any]]) -> Api:
    body = {"id": ONE, "type": "Vehicle", "speed": speed, "fuelLevel": fuel}
    assert (await client.post("/temporal/entities", body)).status == 201
    return client


def values(answer: Answer, attr: str) -> list[int]:
    one = answer.json[0] if isinstance(answer.json, list) else answer.json
    return [past["value"] for past in one[attr]]


@pytest.mark.parametrize(
    ("query", "start", "end", "size", "kept"),
    [
        ("", FIRST, minute(9), "*", range(10)),
        ("lastN=20", LAST, minute(10), "20", range(10, 20)),
        (f"lastN=20&timerel=before&timeAt={AFTER}", AFTER, minute(10), "20", range(10, 20)),
        (f"lastN=20&timerel=between&timeAt={BEFORE}&endTimeAt={AFTER}", AFTER, minute(10), "20", range(10, 20)),
        (f"lastN=20&timerel=after&timeAt={BEFORE}", LAST, minute(10), "20", range(10, 20)),
        (f"timerel=before&timeAt={AFTER}", FIRST, minute(9), "*", range(10)),
        (f"timerel=between&timeAt={BEFORE}&endTimeAt={AFTER}", BEFORE, minute(9), "*", range(10)),
        (f"timerel=after&timeAt={BEFORE}", BEFORE, minute(9), "*", range(10)),
        (f"timerel=after&timeAt={BEFORE}&timeproperty=observedAt", BEFORE, minute(9), "*", range(10)),
    ],
)
async def test_the_range_of_an_answer(client: Api, query: str, start: str, end: str, size: str, kept: range) -> None:
    await filled(client, minutes(0, 20), minutes(0, 20))
    answers = [await client.get(f"{PATH}?{query}")]
    if "timerel" in query:
        answers.append(await client.get(f"/temporal/entities?type=Vehicle&{query}"))
    for answer in answers:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"date-time {start}-{end}/{size}")
        assert values(answer, "speed") == values(answer, "fuelLevel") == list(kept)


async def test_what_fits_is_whole(client: Api) -> None:
    await filled(client, minutes(0, 10), minutes(0, 7))
    answers = [await client.get(PATH), await client.get(f"{PATH}?lastN=7")]
    for answer in answers:
        assert answer.status == 200
        assert "Content-Range" not in answer.headers
    assert len(values(answers[1], "speed")) == 7


async def test_one_cut_for_all_attributes(client: Api) -> None:
    await filled(client, minutes(0, 30), minutes(60, 30))
    forwards = await client.get(f"{PATH}?timerel=after&timeAt={BEFORE}")
    assert (forwards.status, values(forwards, "speed"), forwards.json["fuelLevel"]) == (206, list(range(10)), [])
    backwards = await client.get(f"{PATH}?timerel=before&timeAt={AFTER}&lastN=100")
    assert (backwards.status, backwards.json["speed"]) == (206, [])
    assert values(backwards, "fuelLevel") == list(range(80, 90))
    pairs = await client.get(f"{PATH}?timerel=after&timeAt={BEFORE}&options=temporalValues")
    assert pairs.status == 206
    assert len(pairs.json["speed"]["values"]) == 10
    assert pairs.json["fuelLevel"] == {"type": "Property", "values": []}


async def test_reading_on_reaches_every_instance_once(client: Api) -> None:
    await filled(client, minutes(0, 35), minutes(17, 23))
    seen: dict[str, set[int]] = {"speed": set(), "fuelLevel": set()}
    at, pages = BEFORE, 0
    while True:
        answer = await client.get(f"{PATH}?timerel=after&timeAt={at}")
        pages += 1
        for attr, found in seen.items():
            found.update(values(answer, attr) if attr in answer.json else [])
        if answer.status == 200:
            break
        at = answer.headers["Content-Range"].split("Z-")[1].split("/")[0]
        assert pages < 20
    assert seen == {"speed": set(range(35)), "fuelLevel": set(range(17, 40))}
