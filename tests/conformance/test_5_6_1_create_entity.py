"""Create Entity (CIM 009 V1.9.1, 5.6.1, 6.4.3.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
VEHICLE = {
    "id": "urn:ngsi-ld:Vehicle:A1",
    "type": "Vehicle",
    "speed": {"type": "Property", "value": 55, "unitCode": "KMH", "observedAt": "2026-11-22T05:00:00Z"},
}


async def test_answers_201_with_a_relative_location_and_no_body(api: Api) -> None:
    answer = await api.post("/entities", VEHICLE)
    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"")
    assert answer.headers["Location"] == "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:A1"
    assert "Link" not in answer.headers
    assert answer.headers["NGSILD-Tenant"] == api.tenant
    found = await api.get("/entities/urn:ngsi-ld:Vehicle:A1")
    assert found.json == VEHICLE


async def test_a_trailing_slash_is_the_same_resource(api: Api) -> None:
    assert (await api.post("/entities/", VEHICLE)).status == 201
    assert (await api.get("/entities/?type=Vehicle")).json == [VEHICLE]


async def test_409_where_it_exists_and_nothing_changes(api: Api) -> None:
    await api.post("/entities", VEHICLE)
    answer = await api.post("/entities", {**VEHICLE, "speed": {"type": "Property", "value": 1}})
    assert (answer.status, answer.json["type"]) == (409, ERRORS + "AlreadyExists")
    assert answer.json["title"] != answer.json["detail"]
    assert "urn:ngsi-ld:Vehicle:A1" in answer.json["detail"]
    assert "Location" not in answer.headers
    assert (await api.get("/entities/urn:ngsi-ld:Vehicle:A1")).json == VEHICLE


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"type": "Vehicle"}, "id"),
        ({"id": "urn:ngsi-ld:V:1"}, "type"),
        ({"id": "not a uri", "type": "Vehicle"}, "id"),
        ({"id": "urn:ngsi-ld:null", "type": "Vehicle"}, "id"),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property"}}, "speed"),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property", "value": None}}, "speed"),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property", "value": "urn:ngsi-ld:null"}}, "speed"),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Wrong", "value": 1}}, "speed"),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property", "value": 1, "observedAt": "now"}}, "speed"),
        ({"id": "urn:x:1", "type": "Vehicle", "at": {"type": "Relationship", "object": "nowhere else"}}, "at"),
        (
            {"id": "urn:x:1", "type": "Vehicle", "location": {"type": "GeoProperty", "value": {"type": "Point"}}},
            "location",
        ),
        ({"id": "urn:x:1", "type": "Vehicle", "speed": {"type": "Property", "value": ["a\0"]}}, "speed.value[0]: "),
        ({"id": "urn:x:1", "type": "Vehicle", "speed\0": 1}, "speed\\u0000: "),
        ([VEHICLE], "entity"),
        ("text", "entity"),
    ],
)
async def test_400_names_what_is_wrong_and_stores_nothing(api: Api, body: Any, named: str) -> None:
    await api.post("/entities", {"id": "urn:x:other", "type": "Other"})
    answer = await api.post("/entities", body)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    assert named in answer.json["detail"]
    assert answer.headers["Content-Type"] == "application/json"
    assert [one["id"] for one in (await api.get("/entities?local=true")).json] == ["urn:x:other"]


async def test_a_body_that_is_no_json_is_an_invalid_request(api: Api) -> None:
    answer = await api.call("POST", "/entities", raw=b'{"id": ')
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "InvalidRequest")


async def test_concise_input_is_stored_normalized(api: Api) -> None:
    concise = {
        "id": "urn:ngsi-ld:Vehicle:C",
        "type": "Vehicle",
        "speed": {"value": 55, "unitCode": "KMH"},
        "name": "Bus 7",
        "isParked": {"object": "urn:ngsi-ld:Lot:1"},
        "location": {"type": "Point", "coordinates": [4.9, 52.4]},
    }
    assert (await api.post("/entities", concise)).status == 201
    assert (await api.get("/entities/urn:ngsi-ld:Vehicle:C")).json == {
        "id": "urn:ngsi-ld:Vehicle:C",
        "type": "Vehicle",
        "speed": {"type": "Property", "value": 55, "unitCode": "KMH"},
        "name": {"type": "Property", "value": "Bus 7"},
        "isParked": {"type": "Relationship", "object": "urn:ngsi-ld:Lot:1"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.9, 52.4]}},
    }


async def test_an_id_with_a_slash_can_be_reached(api: Api) -> None:
    answer = await api.post("/entities", {"id": "http://example.org/v/1", "type": "Vehicle"})
    assert answer.headers["Location"] == "/ngsi-ld/v1/entities/http:%2F%2Fexample.org%2Fv%2F1"
    found = await api.get(answer.headers["Location"].removeprefix("/ngsi-ld/v1"))
    assert found.json == {"id": "http://example.org/v/1", "type": "Vehicle"}


async def test_an_expired_entity_is_gone_and_its_id_is_free(api: Api) -> None:
    past = {"id": "urn:x:1", "type": "Vehicle", "expiresAt": "2020-01-01T00:00:00Z"}
    assert (await api.post("/entities", past)).status == 201
    assert (await api.get("/entities/urn:x:1")).status == 404
    assert (await api.get("/entities?type=Vehicle")).json == []
    assert (await api.post("/entities", {"id": "urn:x:1", "type": "Vehicle"})).status == 201
