"""Query Entities by POST (CIM 009 V1.9.1, 5.7.2, 5.2.23, 5.2.33, 6.23)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_7_2_query_entities import ALL, ERRORS, short, stored
from tests.fixtures.broker import Answer, Api

__all__ = ["stored"]

PATH = "/entityOperations/query"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"


async def ask(api: Api, url: str = "", **members: Any) -> Answer:
    return await api.post(PATH + url, {"type": "Query", **members})


ID = "urn:ngsi-ld:"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"entities": [{"type": "Building"}]}, ALL[:5]),
        ({"entities": [{"type": "*"}]}, ALL),
        ({"entities": [{"type": "Building"}, {"type": "Bus"}]}, [*ALL[:5], "Vehicle:1"]),
        ({"entities": [{"type": "(Vehicle;Bus)"}]}, ["Vehicle:1"]),
        ({"entities": [{"type": "Building", "id": ID + "Building:2"}, {"type": "Vehicle"}]}, [ALL[1], *ALL[5:]]),
        ({"entities": [{"type": "Building", "id": [ID + "Building:2", ID + "Vehicle:1"]}]}, ["Building:2"]),
        ({"entities": [{"type": "Building", "idPattern": ".*:[34]$"}]}, ["Building:3", "Building:4"]),
        ({"entities": [{"type": "*", "id": ID + "Vehicle:2", "idPattern": ".*:1$"}]}, ["Vehicle:2"]),
        ({"entities": [{"type": "Nothing"}]}, []),
        ({"q": "floors>3"}, ["Building:4", "Building:5"]),
        ({"q": 'floors=="two"', "entities": [{"type": "Building"}]}, []),
        ({"attrs": ["name", "nowhere"]}, ["Vehicle:1"]),
        ({"entities": [{"type": "Vehicle"}], "scopeQ": "/Madrid/Norte"}, ["Vehicle:2"]),
        (
            {"geoQ": {"georel": "near;maxDistance==8000", "geometry": "Point", "coordinates": [0.3, 50]}},
            ["Building:2", "Building:3", "Building:4"],
        ),
        (
            {"geoQ": {"georel": "equals", "geometry": "Point", "coordinates": "[0.3,50]", "geoproperty": "location"}},
            ["Building:3"],
        ),
    ],
)
async def test_selects_what_get_selects(stored: Api, members: dict[str, Any], expected: list[str]) -> None:
    answer = await ask(stored, **members)
    assert (answer.status, short(answer)) == (200, expected)


async def test_projects_as_get_does(stored: Api) -> None:
    entities = [{"type": "Vehicle"}]
    assert (await ask(stored, entities=entities, pick=["id", "floors"])).json == (
        await stored.get("/entities?type=Vehicle&pick=id,floors")
    ).json
    assert (await ask(stored, "?options=keyValues", entities=entities, omit=["floors", "type"])).json == [
        {"id": "urn:ngsi-ld:Vehicle:1", "scope": "/Madrid/Centro", "name": "A"},
        {"id": "urn:ngsi-ld:Vehicle:2", "scope": "/Madrid/Norte"},
    ]
    assert (await ask(stored, entities=entities, attrs=["floors"])).json == (
        await stored.get("/entities?type=Vehicle&attrs=floors")
    ).json
    assert (await ask(stored, entities=entities, datasetId=["urn:d:1"])).json == (
        await stored.get("/entities?type=Vehicle&datasetId=urn:d:1")
    ).json
    await stored.post(
        "/entities", {"id": "urn:ngsi-ld:Vehicle:3", "type": "Bus", "t": {"languageMap": {"en": "a", "fr": "b"}}}
    )
    assert (await ask(stored, "?format=simplified", entities=[{"type": "Bus"}], attrs=["t"], lang="fr")).json == [
        {"id": "urn:ngsi-ld:Vehicle:3", "type": "Bus", "t": "b"}
    ]


async def test_pages_by_the_url(stored: Api) -> None:
    answer = await ask(stored, "?limit=2&offset=2&count=true", entities=[{"type": "Building"}])
    assert (short(answer), answer.headers["NGSILD-Results-Count"]) == (ALL[2:4], "5")
    path = "/ngsi-ld/v1/entityOperations/query?count=true&limit=2&offset="
    assert answer.headers.getall("Link")[1:] == [
        f'<{path}4>;rel="next";type="application/json"',
        f'<{path}0>;rel="prev";type="application/json"',
    ]
    walked = await ask(stored, "/?limit=2&after=urn:ngsi-ld:Building:3", entities=[{"type": "Building"}])
    assert short(walked) == ALL[3:5]
    counted = await ask(stored, "?limit=0&count=true&local=true")
    assert (counted.json, counted.headers["NGSILD-Results-Count"]) == ([], "7")


async def test_the_context_of_the_body(stored: Api) -> None:
    full = "https://uri.etsi.org/ngsi-ld/default-context/Vehicle"
    context = [{"Car": full}, CORE]
    query = {"type": "Query", "entities": [{"type": "Car"}], "pick": ["id", "type"], "@context": context}
    headers = {"Content_Type": "application/ld+json", "Accept": "application/ld+json"}
    answer = await stored.post(PATH, query, **headers)
    first = {"id": "urn:ngsi-ld:Vehicle:1", "type": ["Car", "Bus"], "@context": context}
    assert answer.json == [first, {"id": "urn:ngsi-ld:Vehicle:2", "type": "Car", "@context": context}]
    assert "Link" not in answer.headers
    assert (await stored.post(PATH, query)).status == 400


WRONG: list[tuple[str, Any, int, str]] = [
    ("", {"type": "Query"}, 400, "BadRequestData"),
    ("", {"type": "Query", "scopeQ": "/a"}, 400, "BadRequestData"),
    ("", {"type": "Query", "attrs": ["createdAt"]}, 400, "BadRequestData"),
    ("", {"entities": [{"type": "A"}]}, 400, "BadRequestData"),
    ("", {"type": "Other", "entities": [{"type": "A"}]}, 400, "BadRequestData"),
    ("", [], 400, "BadRequestData"),
    ("", {"type": "Query", "entities": []}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": {"type": "A"}}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"id": "urn:x:1"}]}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A", "id": "none"}]}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A", "idPattern": "["}]}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A", "other": 1}]}, 400, "BadRequestData"),
    ("", {"type": "Query", "attrs": []}, 400, "BadRequestData"),
    ("", {"type": "Query", "attrs": "a"}, 400, "BadRequestData"),
    ("", {"type": "Query", "attrs": ["a", 1]}, 400, "BadRequestData"),
    ("", {"type": "Query", "q": "a=="}, 400, "BadRequestData"),
    ("", {"type": "Query", "q": 1}, 400, "BadRequestData"),
    ("", {"type": "Query", "geoQ": {"georel": "within"}}, 400, "BadRequestData"),
    ("", {"type": "Query", "geoQ": "within"}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {}}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "unknown": 1}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "limit": 1}, 400, "BadRequestData"),
    ("?limit=0", {"type": "Query", "entities": [{"type": "A"}]}, 400, "BadRequestData"),
    ("?type=A", {"type": "Query"}, 400, "InvalidRequest"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "entityMap": True}, 422, "OperationNotSupported"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "csf": "a=="}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "splitEntities": "true"}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "join": "inline", "joinLevel": 0}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "join": "inline", "joinLevel": True}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "join": "up"}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "q": "b{c}"}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "ordering": ["a"]}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "ordering": {"orderBy": "a"}}, 400, "BadRequestData"),
    ("", {"type": "Query", "entities": [{"type": "A"}], "ordering": {"coordinates": [1, 2]}}, 400, "BadRequestData"),
]


async def test_what_is_wrong(stored: Api) -> None:
    for url, body, status, name in WRONG:
        answer = await stored.post(PATH + url, body)
        assert (answer.status, answer.json["type"]) == (status, ERRORS + name), (url, body)


async def test_get_is_no_operation_of_it(stored: Api) -> None:
    assert (await stored.get(PATH)).status == 405
