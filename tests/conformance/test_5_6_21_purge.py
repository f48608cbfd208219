"""Purge of entities (CIM 009 V1.9.1, 5.6.21, 6.4.3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_6_2_attributes import ERRORS, number
from tests.fixtures.broker import Api

NEAR = "&georel=near;maxDistance==1000&geometry=Point&coordinates=[5,0]"


async def made(api: Api) -> None:
    batch: list[dict[str, Any]] = [
        {
            "id": f"urn:x:{n}",
            "type": "T" if n < 6 else "U",
            "v": number(n),
            "w": [number(n), number(n, datasetId="urn:d:1")],
            "scope": f"/s/l{n % 2}",
            "location": {"type": "Point", "coordinates": [n, 0]},
        }
        for n in range(9)
    ]
    assert (await api.post("/entityOperations/create", batch)).status == 201


async def left(api: Api) -> dict[int, set[str]]:
    found = (await api.get("/entities?local=true&limit=100")).json
    return {int(one["id"][6:]): one.keys() & {"v", "w", "scope", "location"} for one in found}


@pytest.mark.parametrize(
    ("query", "gone"),
    [
        ("type=T", {0, 1, 2, 3, 4, 5}),
        ("type=U,T", set(range(9))),
        ("type=*", set(range(9))),
        ("local=true", set(range(9))),
        ("type=T&id=urn:x:1,urn:x:7", {1}),
        ("type=T&idPattern=.*:[34]$", {3, 4}),
        ("q=v>6", {7, 8}),
        ("attrs=v&id=urn:x:2", {2}),
        ("type=T&scopeQ=/s/l0", {0, 2, 4}),
        ("type=T" + NEAR, {5}),
        ("type=V", set()),
    ],
)
async def test_purge_deletes_what_the_query_finds(api: Api, query: str, gone: set[int]) -> None:
    await made(api)
    answer = await api.call("DELETE", "/entities?" + query)
    assert (answer.status, answer.reason, answer.body) == (204, "No Content", b"")
    assert (await left(api)).keys() == set(range(9)) - gone
    again = await api.post("/entityOperations/create", [{"id": f"urn:x:{n}", "type": "T"} for n in range(9)])
    assert again.status == (207 if len(gone) < 9 else 201)


async def test_drop_removes_the_listed_attributes_whole(api: Api) -> None:
    await made(api)
    assert (await api.call("DELETE", "/entities/?type=U&drop=w,scope")).status == 204
    state = await left(api)
    assert {n: members for n, members in state.items() if n >= 6} == {n: {"v", "location"} for n in (6, 7, 8)}
    assert all(state[n] == {"v", "w", "scope", "location"} for n in range(6))
    assert (await api.get("/entities?type=U&q=w")).json == []


async def test_drop_alone_selects_the_entities_that_have_it(api: Api) -> None:
    await made(api)
    assert (await api.call("DELETE", "/entities?drop=w")).status == 204
    assert all(members == {"v", "scope", "location"} for members in (await left(api)).values())


async def test_keep_removes_all_other_attributes(api: Api) -> None:
    await made(api)
    assert (await api.call("DELETE", "/entities?type=U&keep=v")).status == 204
    state = await left(api)
    assert all(state[n] == {"v", "scope"} for n in (6, 7, 8))
    assert all(len(state[n]) == 4 for n in range(6))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "id=urn:x:1",
        "idPattern=.*",
        "scopeQ=/s",
        "type=T&id=noUri",
        "type=T&q=v==",
        "type=T&georel=near",
        "type=T&drop=v&keep=w",
        "type=T&drop=owner{name}",
        "type=T&drop=",
        "attrs=createdAt",
        "type=T&attrs=owner{name}",
        'type=T&q=owner{name}=="x"',
        "type=T&limit=1",
        "q=modifiedAt>2020-01-01T00:00:00Z",
    ],
)
async def test_400_purges_nothing(api: Api, query: str) -> None:
    await made(api)
    answer = await api.call("DELETE", f"/entities?{query}" if query else "/entities/")
    assert answer.status == 400
    assert answer.json["type"] in (ERRORS + "BadRequestData", ERRORS + "InvalidRequest")
    assert len(await left(api)) == 9


async def test_a_purge_of_thousands(api: Api) -> None:
    for start in range(0, 2200, 1000):
        ids = range(start, min(start + 1000, 2200))
        answer = await api.post("/entityOperations/create", [{"id": f"urn:x:{n}", "type": "T", "v": n} for n in ids])
        assert answer.status == 201
    assert (await api.call("DELETE", "/entities?type=T&q=v>=7")).status == 204
    answer = await api.get("/entities?type=T&count=true&limit=0")
    assert answer.headers["NGSILD-Results-Count"] == "7"
