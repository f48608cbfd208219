"""Types and attributes in use (CIM 009 V1.9.1, 5.7.5 to 5.7.10, 6.25 to 6.28)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fixtures.broker import Answer, Api

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
NOT_FOUND = "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"
POINT = {"type": "Point", "coordinates": [8.5, 47.4]}


@pytest.fixture
async def stored(api: Api) -> Api:
    batch: list[dict[str, Any]] = [
        {
            "id": "urn:x:1",
            "type": "Vehicle",
            "speed": {"value": 1},
            "location": {"type": "GeoProperty", "value": POINT},
        },
        {"id": "urn:x:2", "type": ["Vehicle", "Bus"], "speed": [{"value": 1, "datasetId": f"urn:d:{n}"} for n in "ab"]},
        {"id": "urn:x:3", "type": "Bus", "speed": {"object": "urn:x:1"}, "line": {"value": {"deep": {"type": "T"}}}},
        {"id": "urn:x:4", "type": "Bare"},
    ]
    assert (await api.post("/entityOperations/create", batch)).status == 201
    return api


def without_id(answer: Answer) -> Any:
    assert answer.status == 200
    body = answer.json
    assert body.pop("id").startswith("urn:ngsi-ld:")
    return body


async def test_types_in_use(stored: Api) -> None:
    answer = await stored.get("/types")
    assert without_id(answer) == {"type": "EntityTypeList", "typeList": ["Bare", "Bus", "Vehicle"]}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers.getall("Link") == [
        f'<{CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    ]
    assert (await stored.get("/types/?details=false&local=true")).json == answer.json


async def test_types_with_details(stored: Api) -> None:
    answer = await stored.get("/types?details=true")
    assert answer.json == [
        {"id": DEFAULT + "Bare", "type": "EntityType", "typeName": "Bare", "attributeNames": []},
        {"id": DEFAULT + "Bus", "type": "EntityType", "typeName": "Bus", "attributeNames": ["line", "speed"]},
        {
            "id": DEFAULT + "Vehicle",
            "type": "EntityType",
            "typeName": "Vehicle",
            "attributeNames": ["speed", "location"],
        },
    ]
    linked = await stored.get("/types?details=true", Accept="application/ld+json")
    assert linked.json == [{**one, "@context": CORE} for one in answer.json]
    assert "Link" not in linked.headers


async def test_one_type(stored: Api) -> None:
    answer = await stored.get("/types/Bus")
    assert (answer.status, answer.json) == (
        200,
        {
            "id": DEFAULT + "Bus",
            "type": "EntityTypeInfo",
            "typeName": "Bus",
            "entityCount": 2,
            "attributeDetails": [
                {
                    "id": DEFAULT + "line",
                    "type": "Attribute",
                    "attributeName": "line",
                    "attributeTypes": ["Property"],
                },
                {
                    "id": DEFAULT + "speed",
                    "type": "Attribute",
                    "attributeName": "speed",
                    "attributeTypes": ["Property", "Relationship"],
                },
            ],
        },
    )
    assert (await stored.get(f"/types/{DEFAULT.replace('/', '%2F')}Bus")).json == answer.json
    assert (await stored.get("/types/Bare")).json["attributeDetails"] == []


async def test_attributes_in_use(stored: Api) -> None:
    assert without_id(await stored.get("/attributes")) == {
        "type": "AttributeList",
        "attributeList": ["line", "speed", "location"],
    }
    assert (await stored.get("/attributes/?details=true")).json == [
        {"id": DEFAULT + "line", "type": "Attribute", "attributeName": "line", "typeNames": ["Bus"]},
        {"id": DEFAULT + "speed", "type": "Attribute", "attributeName": "speed", "typeNames": ["Bus", "Vehicle"]},
        {
            "id": "https://uri.etsi.org/ngsi-ld/location",
            "type": "Attribute",
            "attributeName": "location",
            "typeNames": ["Vehicle"],
        },
    ]


async def test_one_attribute_counts_instances(stored: Api) -> None:
    answer = await stored.get("/attributes/speed", Accept="application/ld+json")
    assert (answer.status, answer.json) == (
        200,
        {
            "id": DEFAULT + "speed",
            "type": "Attribute",
            "attributeName": "speed",
            "attributeCount": 4,
            "attributeTypes": ["Property", "Relationship"],
            "typeNames": ["Bus", "Vehicle"],
            "@context": CORE,
        },
    )
    assert (await stored.get("/attributes/location")).json["attributeTypes"] == ["GeoProperty"]


@pytest.mark.parametrize(
    ("path", "status", "name"),
    [
        ("/types/Nothing", 404, NOT_FOUND),
        ("/attributes/nothing", 404, NOT_FOUND),
        ("/types/deep", 404, NOT_FOUND),
        *((f"/attributes/{name}", 404, NOT_FOUND) for name in ("id", "type", "scope", "createdAt", "modifiedAt")),
        ("/attributes/deep", 404, NOT_FOUND),
        ("/types/@no", 400, NOT_FOUND.replace("ResourceNotFound", "BadRequestData")),
        ("/attributes/a b", 400, NOT_FOUND.replace("ResourceNotFound", "BadRequestData")),
        ("/types?details=perhaps", 400, NOT_FOUND.replace("ResourceNotFound", "BadRequestData")),
        ("/types?limit=1", 400, NOT_FOUND.replace("ResourceNotFound", "InvalidRequest")),
        ("/attributes/speed?details=true", 400, NOT_FOUND.replace("ResourceNotFound", "InvalidRequest")),
    ],
)
async def test_what_is_not_there_or_not_asked_well(stored: Api, path: str, status: int, name: str) -> None:
    answer = await stored.get(path)
    assert (answer.status, answer.json["type"]) == (status, name)


async def test_what_is_gone_is_in_use_no_more(stored: Api) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    passing = {
        "id": "urn:x:5",
        "type": "Passing",
        "expiresAt": soon.isoformat().replace("+00:00", "Z"),
        "n": {"value": 1},
    }
    assert (await stored.post("/entities", passing)).status == 201
    assert (await stored.get("/types/Passing")).status == 200
    assert (await stored.call("DELETE", "/entities/urn:x:4")).status == 204
    await asyncio.sleep(1.1)
    assert (await stored.get("/types")).json["typeList"] == ["Bus", "Vehicle"]
    assert (await stored.get("/types/Passing")).status == 404
    assert (await stored.get("/attributes/n")).status == 404


async def test_an_empty_tenant_has_empty_lists(api: Api) -> None:
    assert (await api.post("/entities", {"id": "urn:x:1", "type": "T"})).status == 201
    assert (await api.call("DELETE", "/entities/urn:x:1")).status == 204
    assert without_id(await api.get("/types")) == {"type": "EntityTypeList", "typeList": []}
    assert without_id(await api.get("/attributes")) == {"type": "AttributeList", "attributeList": []}
    assert (await api.get("/types?details=true")).json == (await api.get("/attributes?details=true")).json == []


async def test_the_id_of_a_list_changes_with_what_it_lists(stored: Api) -> None:
    before = (await stored.get("/types")).json["id"]
    assert (await stored.get("/types")).json["id"] == before
    await stored.post("/entities", {"id": "urn:x:9", "type": "Nine"})
    assert (await stored.get("/types")).json["id"] != before
