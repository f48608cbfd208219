"""Linked entity retrieval (CIM 009 V1.9.1, 4.5.23), projections and queries over links (4.21, 4.9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


def relation(*targets: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": targets[0] if len(targets) == 1 else list(targets)}


CAR: dict[str, Any] = {
    "id": "urn:x:car",
    "type": "Car",
    "speed": {"type": "Property", "value": 50},
    "isParked": {**relation("urn:x:lot"), "providedBy": relation("urn:x:ann")},
    "riders": relation("urn:x:ann", "urn:x:nobody", "urn:x:bob"),
    "route": {
        "type": "ListRelationship",
        "objectList": [{"object": "urn:x:town"}, {"object": "urn:x:lot"}, {"object": "urn:x:gone"}],
    },
}
LOT: dict[str, Any] = {
    "id": "urn:x:lot",
    "type": "Lot",
    "name": {"type": "Property", "value": "Top"},
    "isIn": relation("urn:x:town"),
    "holds": relation("urn:x:car"),
}
TOWN = {"id": "urn:x:town", "type": "Town", "name": {"type": "LanguageProperty", "languageMap": {"en": "A", "nl": "B"}}}
ANN = {"id": "urn:x:ann", "type": "Person", "age": {"type": "Property", "value": 40}}
BOB = {
    "id": "urn:x:bob",
    "type": "Person",
    "age": {"type": "Property", "value": 20},
    "knows": [relation("urn:x:ann"), {**relation("urn:x:lot"), "datasetId": "urn:d:1"}],
}
BUS = {"id": "urn:x:bus", "type": "Bus", "isParked": relation("urn:x:nowhere")}
ALL: list[dict[str, Any]] = [CAR, LOT, TOWN, ANN, BOB, BUS]


@pytest.fixture
async def stored(api: Api) -> Api:
    assert (await api.post("/entityOperations/create", ALL)).status == 201
    return api


def ids(answer: Any) -> list[str]:
    return [one["id"].removeprefix("urn:x:") for one in answer.json]


async def test_flat_is_an_array_of_linking_and_linked_entities(stored: Api) -> None:
    answer = await stored.get("/entities/urn:x:car?join=flat")
    assert (answer.status, answer.json) == (200, [CAR, LOT, ANN, BOB, TOWN])
    answer = await stored.get("/entities/urn:x:car?join=flat&containedBy=urn:x:lot,urn:x:ann")
    assert answer.json == [CAR, BOB, TOWN]
    assert (await stored.get("/entities/urn:x:bus?join=flat")).json == [BUS]
    found = (await stored.get("/entities/urn:x:bob?join=flat&options=sysAttrs", Accept="application/ld+json")).json
    assert [(one["id"], "createdAt" in one, "@context" in one) for one in found] == [
        ("urn:x:bob", True, True),
        ("urn:x:ann", True, True),
        ("urn:x:lot", True, True),
    ]


async def test_inline_stands_in_the_relationship(stored: Api) -> None:
    found = (await stored.get("/entities/urn:x:car?join=inline")).json
    assert found == {
        **CAR,
        "isParked": {**CAR["isParked"], "entity": LOT},
        "riders": {**CAR["riders"], "entity": [ANN, BOB]},
        "route": {**CAR["route"], "entityList": [TOWN, LOT]},
    }
    assert (await stored.get("/entities/urn:x:bus?join=inline")).json == BUS
    assert (await stored.get("/entities/urn:x:car?join=@none")).json == CAR


async def test_inline_simplified_and_concise(stored: Api) -> None:
    found = (await stored.get("/entities/urn:x:car?join=inline&format=simplified")).json
    lot = {"id": "urn:x:lot", "type": "Lot", "name": "Top", "isIn": "urn:x:town", "holds": "urn:x:car"}
    ann, town = (
        {"id": "urn:x:ann", "type": "Person", "age": 40},
        {**TOWN, "name": {"languageMap": {"en": "A", "nl": "B"}}},
    )
    assert found["isParked"] == lot
    assert (found["riders"][0], found["riders"][1], found["riders"][2]["age"]) == (ann, "urn:x:nobody", 20)
    assert found["route"] == [town, lot, "urn:x:gone"]
    several = (await stored.get("/entities/urn:x:bob?join=inline&format=simplified&lang=nl")).json["knows"]
    assert several == {"dataset": {"@none": ann, "urn:d:1": lot}}
    concise = (await stored.get("/entities/urn:x:lot?join=inline&format=concise&lang=nl&pick=isIn")).json
    assert concise == {
        "isIn": {
            "object": "urn:x:town",
            "entity": {"id": "urn:x:town", "type": "Town", "name": {"value": "B", "lang": "nl"}},
        }
    }


async def test_levels_end_at_circles(stored: Api) -> None:
    found = (await stored.get("/entities/urn:x:car?join=inline&joinLevel=5&pick=isParked")).json
    lot = found["isParked"]["entity"]
    assert lot["holds"] == {"type": "Relationship", "object": "urn:x:car"}
    assert lot["isIn"]["entity"] == TOWN
    assert ids(await stored.get("/entities/urn:x:car?join=flat&joinLevel=10&pick=isParked,id")) == [
        "car",
        "lot",
        "town",
    ]
    one = (await stored.get("/entities/urn:x:car?join=inline&joinLevel=1&pick=isParked")).json
    assert "entity" not in one["isParked"]["entity"]["isIn"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("join=inline&pick=id", {"id": "urn:x:car"}),
        (
            "join=inline&pick=isParked{name}",
            {"isParked": {**CAR["isParked"], "entity": {"name": LOT["name"]}}},
        ),
        (
            "join=inline&joinLevel=2&pick=isParked{isIn{id}}",
            {"isParked": {**CAR["isParked"], "entity": {"isIn": {**LOT["isIn"], "entity": {"id": "urn:x:town"}}}}},
        ),
        (
            "join=inline&pick=isParked&omit=isParked{type,isIn,holds}",
            {"isParked": {**CAR["isParked"], "entity": {"id": "urn:x:lot", "name": LOT["name"]}}},
        ),
        (
            "join=flat&pick=id,riders{age}",
            [{"id": "urn:x:car", "riders": CAR["riders"]}, {"age": ANN["age"]}, {"age": BOB["age"]}],
        ),
        ("join=flat&pick=id,speed", [{"id": "urn:x:car", "speed": CAR["speed"]}]),
        (
            "join=flat&pick=isParked{id},route{name}",
            [
                {"isParked": CAR["isParked"], "route": CAR["route"]},
                {"id": "urn:x:lot", "name": LOT["name"]},
                {"name": TOWN["name"]},
            ],
        ),
    ],
)
async def test_projections_over_links(stored: Api, query: str, expected: Any) -> None:
    answer = await stored.get(f"/entities/urn:x:car?{query}")
    assert (answer.status, answer.json) == (200, expected)


async def test_pages_join_and_count_what_links(stored: Api) -> None:
    answer = await stored.get("/entities?type=Car|Person&join=flat&count=true")
    assert ids(answer) == ["ann", "bob", "car", "lot", "town"]
    assert answer.headers["NGSILD-Results-Count"] == "3"
    answer = await stored.get("/entities?type=Car|Person&join=flat&limit=1&offset=1&count=true")
    assert ids(answer) == ["bob", "ann", "lot"]
    posted = await stored.post(
        "/entityOperations/query",
        {
            "type": "Query",
            "entities": [{"type": "Lot"}],
            "join": "inline",
            "joinLevel": 1,
            "containedBy": ["urn:x:car"],
        },
    )
    assert posted.json == [{**LOT, "isIn": {**LOT["isIn"], "entity": TOWN}}]


async def test_geojson_joins_too(stored: Api) -> None:
    flat = (await stored.get("/entities/urn:x:bob?join=flat", Accept="application/geo+json")).json
    assert (flat["type"], [one["id"] for one in flat["features"]]) == (
        "FeatureCollection",
        ["urn:x:bob", "urn:x:ann", "urn:x:lot"],
    )
    inline = (await stored.get("/entities/urn:x:lot?join=inline", Accept="application/geo+json")).json
    assert (inline["type"], inline["properties"]["isIn"]["entity"]) == ("Feature", TOWN)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('type=Car&q=isParked{name}=="Top"', ["car"]),
        ('type=Car&q=isParked{name}=="Bottom"', []),
        ('q=isParked{Lot:name}=="Top"', ["car"]),
        ('q=isParked{Town,Lot:name}=="Top"', ["car"]),
        ('type=Car&q=isParked{Town:name}=="Top"', []),
        ("type=Car&q=riders{age}<30", ["car"]),
        ("type=Car&q=riders{age}!=40", ["car"]),
        ("type=Car&q=riders{age}>40", []),
        ("type=Car&q=route{name[nl]}==%22B%22", ["car"]),
        ("type=*&q=knows{age}==40", ["bob"]),
        ("type=*&q=knows{name}", ["bob"]),
        ("type=Bus&q=isParked{name}", []),
        ('type=Car&q=isParked{isIn{name[en]}}=="A"&joinLevel=2', ["car"]),
        ("type=*&q=isParked{holds}==urn:x:car", ["car"]),
        ("type=*&q=(isParked{name}|age==20);modifiedAt>2020-01-01T00:00:00Z", ["bob", "car"]),
    ],
)
async def test_queries_over_links(stored: Api, query: str, expected: list[str]) -> None:
    answer = await stored.get(f"/entities?{query}&join=inline&pick=id")
    assert (answer.status, ids(answer)) == (200, expected)


@pytest.mark.parametrize(
    "path",
    [
        "?type=Car&join=up",
        "?type=Car&join=flat&joinLevel=0",
        "?type=Car&join=flat&joinLevel=11",
        "?type=Car&join=flat&joinLevel=x",
        "?type=Car&join=flat&containedBy=nonsense",
        "?type=Car&q=isParked{name}",
        "?type=Car&join=@none&q=isParked{name}",
        "?type=Car&join=flat&q=isParked{isIn{name}}",
        "?type=Car&pick=isParked{name}",
        "?type=Car&join=inline&pick=isParked{isIn{name}}",
        "?type=Car&join=inline&omit=isParked{isIn{name}}",
        "?type=Car&join=inline&pick=isParked{name",
        "?type=Car&join=inline&pick=isParked{}",
        "?type=Car&join=inline&pick=isParked{{name}}",
        "?type=Car&join=inline&pick=isParked{,name}",
        "?type=Car&join=inline&pick=isParked{name}&omit=isParked",
        "/urn:x:car?pick=isParked{name}",
        "/urn:x:car?join=inline&joinLevel=0",
    ],
)
async def test_what_is_refused(stored: Api, path: str) -> None:
    answer = await stored.get(f"/entities{path}")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData"), answer.json


async def test_too_many_links_are_refused_by_number(stored: Api) -> None:
    many = {"id": "urn:x:many", "type": "Many", "of": relation(*(f"urn:none:{n}" for n in range(1001)))}
    assert (await stored.post("/entities", many)).status == 201
    for form in ("inline", "flat"):
        answer = await stored.get(f"/entities/urn:x:many?join={form}")
        assert (answer.status, answer.json["type"]) == (403, ERRORS + "TooManyResults")
        assert "1000" in answer.json["detail"]
    assert (await stored.get("/entities/urn:x:many?join=flat&pick=id")).status == 200


async def test_what_would_be_written_many_times_inline_is_bounded(stored: Api) -> None:
    """Few entities that all lead to each other would be written some 40 * 39 times, so flat is the way."""
    names = [f"urn:x:all:{n}" for n in range(40)]
    batch = [{"id": one, "type": "All", "to": relation(*names)} for one in names]
    assert (await stored.post("/entityOperations/create", batch)).status == 201
    answer = await stored.get("/entities/urn:x:all:1?join=inline&joinLevel=2")
    assert (answer.status, answer.json["type"]) == (403, ERRORS + "TooManyResults")
    assert "join=flat" in answer.json["detail"]
    assert len((await stored.get("/entities/urn:x:all:1?join=flat&joinLevel=2")).json) == 40
