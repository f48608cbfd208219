"""Query Entities (CIM 009 V1.9.1, 5.7.2, 6.4.3.2), pages (5.5.9, 6.3.10) and counts (6.3.13)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


def building(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Building:{number}",
        "type": "Building",
        "floors": {"type": "Property", "value": number},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [number / 10, 50]}},
        **more,
    }


@pytest.fixture
async def stored(api: Api) -> Api:
    batch = [
        *(building(n) for n in range(1, 6)),
        {"id": "urn:ngsi-ld:Vehicle:1", "type": ["Vehicle", "Bus"], "scope": "/Madrid/Centro", "name": {"value": "A"}},
        {"id": "urn:ngsi-ld:Vehicle:2", "type": "Vehicle", "scope": "/Madrid/Norte", "floors": {"value": "two"}},
    ]
    assert (await api.post("/entityOperations/create", batch)).status == 201
    return api


def short(answer: Any) -> list[str]:
    return [one["id"].removeprefix("urn:ngsi-ld:") for one in answer.json]


ALL = [*(f"Building:{n}" for n in range(1, 6)), "Vehicle:1", "Vehicle:2"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=Building", ALL[:5]),
        ("type=Vehicle", ["Vehicle:1", "Vehicle:2"]),
        ("type=Vehicle;Bus", None),
        ("type=(Vehicle;Bus)", ["Vehicle:1"]),
        ("type=Building|Bus", [*ALL[:5], "Vehicle:1"]),
        ("type=*", ALL),
        ("type=Nothing", []),
        ("local=true", ALL),
        ("type=Building&id=urn:ngsi-ld:Building:2,urn:ngsi-ld:Building:4,urn:x:none", ["Building:2", "Building:4"]),
        ("type=Building&idPattern=.*Building:[23]$", ["Building:2", "Building:3"]),
        ("attrs=floors", [*ALL[:5], "Vehicle:2"]),
        ("attrs=name,nowhere", ["Vehicle:1"]),
        ("q=floors>3", ["Building:4", "Building:5"]),
        ("q=floors>3;modifiedAt>2020-01-01T00:00:00Z", ["Building:4", "Building:5"]),
        ("q=floors==2..4", ["Building:2", "Building:3", "Building:4"]),
        ('q=floors=="two"', ["Vehicle:2"]),
        ("q=floors!=1", [*ALL[1:5], "Vehicle:2"]),
        ("q=floors;type=Vehicle", None),
        ("q=floors&type=Vehicle", ["Vehicle:2"]),
        ("q=(floors>4|name)", ["Building:5", "Vehicle:1"]),
        ("scopeQ=/Madrid/%23&local=true", ["Vehicle:1", "Vehicle:2"]),
        ("scopeQ=/Madrid/Norte&type=Vehicle", ["Vehicle:2"]),
        (
            "georel=near;maxDistance==9000&geometry=Point&coordinates=[0.3,50]",
            ["Building:2", "Building:3", "Building:4"],
        ),
        (
            "georel=within&geometry=Polygon&coordinates=[[[0.15,49],[0.35,49],[0.35,51],[0.15,51],[0.15,49]]]",
            ["Building:2", "Building:3"],
        ),
        ("type=Building&pick=nowhere", []),
        ("type=*&local=false", None),
        ("local=true&scopeQ=/Madrid/%23;/Madrid/Norte", ["Vehicle:2"]),
        ("type=Building&csf=owner==%22me%22&splitEntities=true", ALL[:5]),
        ("type=Building&csf=))", None),
        ("type=Building&splitEntities=maybe", None),
    ],
)
async def test_filters(stored: Api, query: str, expected: list[str] | None) -> None:
    answer = await stored.get(f"/entities?{query}")
    if expected is None:
        assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    elif expected == [None]:
        assert answer.json == [{}] * 5
    else:
        assert (answer.status, short(answer)) == (200, expected)


async def test_attrs_and_pick_reduce_each_entity(stored: Api) -> None:
    assert (await stored.get("/entities?type=Vehicle&attrs=floors")).json == [
        {
            "id": "urn:ngsi-ld:Vehicle:2",
            "type": "Vehicle",
            "scope": "/Madrid/Norte",
            "floors": {"type": "Property", "value": "two"},
        }
    ]
    assert (await stored.get("/entities?type=Vehicle&pick=id,floors&options=keyValues")).json == [
        {"id": "urn:ngsi-ld:Vehicle:1"},
        {"id": "urn:ngsi-ld:Vehicle:2", "floors": "two"},
    ]


async def test_pages_walk_by_offset_and_link(stored: Api) -> None:
    first = await stored.get("/entities?type=Building&limit=2&count=true")
    assert short(first) == ALL[:2]
    assert first.headers["NGSILD-Results-Count"] == "5"
    links = first.headers.getall("Link")
    assert links[0].endswith('rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"')
    path = "/ngsi-ld/v1/entities?count=true&limit=2&offset=2&type=Building"
    assert links[1:] == [f'<{path}>;rel="next";type="application/json"']
    second = await stored.get(path.removeprefix("/ngsi-ld/v1"))
    assert short(second) == ALL[2:4]
    assert [link.partition(">")[0] for link in second.headers.getall("Link")[1:]] == [
        "</ngsi-ld/v1/entities?count=true&limit=2&offset=4&type=Building",
        "</ngsi-ld/v1/entities?count=true&limit=2&offset=0&type=Building",
    ]
    last = await stored.get("/entities?type=Building&limit=2&offset=4", Accept="application/ld+json")
    assert short(last) == ALL[4:5]
    prev = '</ngsi-ld/v1/entities?limit=2&offset=2&type=Building>;rel="prev";type="application/ld+json"'
    assert last.headers.getall("Link") == [prev]


async def test_a_walk_by_after_neither_misses_nor_repeats_while_others_write(stored: Api) -> None:
    seen: list[str] = []
    path = "/entities?type=Building&limit=2&after=urn:"
    while path:
        answer = await stored.get(path)
        seen += short(answer)
        await stored.call("DELETE", "/entities/urn:ngsi-ld:Building:1")
        await stored.post("/entities", {"id": f"urn:ngsi-ld:Building:0{len(seen)}", "type": "Building"})
        following = [link for link in answer.headers.getall("Link") if 'rel="next"' in link]
        path = following[0][1:].partition(">")[0].removeprefix("/ngsi-ld/v1") if following else ""
    assert seen == ALL[:5]


async def test_count_alone(stored: Api) -> None:
    answer = await stored.get("/entities?type=Building&limit=0&count=true")
    assert (answer.status, answer.json, answer.headers["NGSILD-Results-Count"]) == (200, [], "5")
    assert "NGSILD-Results-Count" not in (await stored.get("/entities?type=Building")).headers


async def test_what_pick_leaves_nothing_of_is_not_shown_and_not_counted(stored: Api) -> None:
    found = await stored.get("/entities?type=*&pick=name,nowhere&count=true")
    assert found.json == [{"name": {"type": "Property", "value": "A"}}]
    assert found.headers["NGSILD-Results-Count"] == "1"
    assert [list(one) for one in (await stored.get("/entities?type=Vehicle&pick=scope,name")).json] == [
        ["scope", "name"],
        ["scope"],
    ]
    assert len((await stored.get("/entities?type=*&pick=type,nowhere")).json) == 7


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "BadRequestData"),
        ("?limit=5", "BadRequestData"),
        ("?attrs=createdAt", "BadRequestData"),
        ("?attrs=createdAt,modifiedAt", "BadRequestData"),
        ("?q=modifiedAt>2020-01-01T00:00:00Z", "BadRequestData"),
        ("?type=Building&limit=0", "BadRequestData"),
        ("?type=Building&limit=-1", "BadRequestData"),
        ("?type=Building&limit=1001", "BadRequestData"),
        ("?type=Building&offset=x", "BadRequestData"),
        ("?type=Building&count=yes", "BadRequestData"),
        ("?type=Building&after=urn:x&offset=1", "BadRequestData"),
        ("?type=Building&id=nouri", "BadRequestData"),
        ("?type=Building&idPattern=[", "BadRequestData"),
        ("?q=floors>>3", "BadRequestData"),
        ("?q=floors==1;", "BadRequestData"),
        ("?type=A||B", "BadRequestData"),
        ("?georel=near&geometry=Point&coordinates=[0,0]", "BadRequestData"),
        ("?georel=within&geometry=Point", "BadRequestData"),
        ("?type=Building&geometry=Point&coordinates=[0,0]", "BadRequestData"),
        ("?type=Building&scopeQ=//", "BadRequestData"),
        ("?type=Building&unknown=1", "InvalidRequest"),
        ("?type=Building&type=B", "InvalidRequest"),
    ],
)
async def test_wrong_queries_are_400(stored: Api, query: str, name: str) -> None:
    answer = await stored.get(f"/entities{query}")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + name)
    assert answer.json["title"] != answer.json["detail"]


async def test_each_entity_carries_the_context_in_ld_json(stored: Api) -> None:
    answer = await stored.get("/entities?type=Vehicle", Accept="application/ld+json")
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
    assert [one["@context"] for one in answer.json] == [core, core]
    assert "Link" not in answer.headers
