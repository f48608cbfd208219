"""Provide the temporal evolution of entities and its instances (CIM 009 V1.9.1, 5.6.11 to 5.6.16, 6.18 to 6.22)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_7_3_retrieve_evolution import FUEL, ONE, PATH, SPEED, VEHICLE, bare, reading
from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


@pytest.fixture
async def vehicle(api: Api) -> Api:
    assert (await api.post("/temporal/entities", VEHICLE)).status == 201
    return api


async def shown(api: Api) -> dict[str, Any]:
    answer = await api.get(PATH)
    assert answer.status == 200
    return bare(answer.json)


async def test_a_second_one_updates(vehicle: Api) -> None:
    more = {"id": ONE, "type": ["Vehicle", "Truck"], "speed": [reading(121, "12:03:00"), reading(1, "11:00:00")]}
    answer = await vehicle.post("/temporal/entities", more)
    assert (answer.status, answer.body) == (204, b"")
    assert "Location" not in answer.headers
    found = await shown(vehicle)
    assert found == {
        "id": ONE,
        "type": ["Vehicle", "Truck"],
        "speed": [reading(1, "11:00:00"), reading(121, "12:03:00"), *SPEED[1:]],
        "fuelLevel": FUEL,
    }
    first = (await vehicle.get(f"{PATH}?options=sysAttrs&attrs=speed")).json["speed"]
    assert [one["createdAt"] < one["modifiedAt"] for one in first] == [False, True, False, False]


async def test_current_state_is_the_newest_instance(vehicle: Api) -> None:
    state = (await vehicle.get(f"/entities/{ONE}")).json
    assert state == {"id": ONE, "type": "Vehicle", "speed": SPEED[-1], "fuelLevel": FUEL[-1]}
    await vehicle.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "speed": [reading(5, "12:06:00")]})
    assert (await vehicle.get(f"/entities/{ONE}")).json == state


async def test_a_deletion_is_an_instance(vehicle: Api) -> None:
    gone = {"type": "Property", "value": "urn:ngsi-ld:null", "deletedAt": "2020-08-01T13:00:00Z"}
    assert (await vehicle.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "speed": [gone]})).status == 204
    assert (await shown(vehicle))["speed"] == [*SPEED, gone]
    only = await vehicle.get(f"{PATH}?timeproperty=deletedAt")
    assert bare(only.json) == {"id": ONE, "type": "Vehicle", "speed": [gone]}


async def test_the_evolution_of_a_scope(api: Api) -> None:
    scope = [
        {"type": "Property", "value": "/A/B", "observedAt": "2020-01-01T00:00:00Z"},
        {"type": "Property", "value": ["/C"], "observedAt": "2020-02-01T00:00:00Z"},
    ]
    created = await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", "scope": scope, "speed": SPEED})
    assert created.status == 201
    values = {one["observedAt"]: one["value"] for one in (await api.get(PATH)).json["scope"]}
    assert values["2020-01-01T00:00:00Z"] == ["/A/B"]
    assert values["2020-02-01T00:00:00Z"] == ["/C"]
    assert (await api.get(f"/entities/{ONE}")).json["scope"] == "/C"


@pytest.mark.parametrize(
    ("body", "kind", "member"),
    [
        (b"{", "InvalidRequest", "the body"),
        ({"type": "Vehicle", "speed": SPEED}, "BadRequestData", "id"),
        ({"id": "invalid", "type": "Vehicle", "speed": SPEED}, "BadRequestData", "id"),
        ({"id": ONE, "speed": SPEED}, "BadRequestData", "type"),
        ({"id": ONE, "type": "T", "speed": [{"type": "Property"}]}, "BadRequestData", "speed"),
        ({"id": ONE, "type": "T", "speed": [reading(1, "12:00:00+03:00")]}, "BadRequestData", "speed"),
        ({"id": ONE, "type": "T", "expiresAt": "urn:ngsi-ld:null", "speed": SPEED}, "BadRequestData", "expiresAt"),
        ({"id": ONE, "type": "T", "scope": [{"value": "/a", "unitCode": "X"}]}, "BadRequestData", "scope[0]"),
    ],
)
async def test_what_is_wrong_is_named_and_not_stored(api: Api, body: Any, kind: str, member: str) -> None:
    if isinstance(body, bytes):
        answer = await api.call("POST", "/temporal/entities", None, {"Content-Type": "application/json"}, body)
    else:
        answer = await api.post("/temporal/entities", body)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + kind)
    assert answer.json["detail"].startswith(member)
    assert (await api.get(PATH)).status == 404


async def test_add_attributes(vehicle: Api) -> None:
    added = await vehicle.post(
        f"{PATH}/attrs/", {"speed": [reading(7, "18:00:00")], "name": [reading("x", "18:00:00")]}
    )
    assert (added.status, added.body) == (204, b"")
    found = await shown(vehicle)
    assert (found["speed"], found["name"]) == ([*SPEED, reading(7, "18:00:00")], [reading("x", "18:00:00")])
    unknown = await vehicle.post("/temporal/entities/urn:x:none/attrs", {"speed": [reading(7, "18:00:00")]})
    assert (unknown.status, unknown.json["type"]) == (404, ERRORS + "ResourceNotFound")
    assert (await vehicle.get("/temporal/entities/urn:x:none")).status == 404
    assert (await vehicle.post(f"{PATH}/attrs", {"@bad": 1})).status == 400
    assert (await vehicle.post(f"{PATH}/attrs", {})).status == 400
    assert (await vehicle.post(f"{PATH}/attrs", {"id": "urn:x:other", "speed": SPEED})).status == 400


async def test_delete_an_attribute(vehicle: Api) -> None:
    await vehicle.post(f"{PATH}/attrs", {"speed": [reading(9, "12:00:00", datasetId="urn:x:d")]})
    path = f"{PATH}/attrs/speed"
    assert (await vehicle.call("DELETE", f"{path}?datasetId=urn:x:other")).status == 404
    assert (await vehicle.call("DELETE", path)).status == 204
    assert (await shown(vehicle))["speed"] == [reading(9, "12:00:00", datasetId="urn:x:d")]
    assert (await vehicle.call("DELETE", path)).status == 404
    assert (await vehicle.call("DELETE", f"{path}?deleteAll=true")).status == 204
    assert await shown(vehicle) == {"id": ONE, "type": "Vehicle", "fuelLevel": FUEL}
    assert (await vehicle.call("DELETE", f"{PATH}/attrs/in(valid")).status == 400
    assert (await vehicle.call("DELETE", "/temporal/entities/urn:x:none/attrs/speed")).status == 404


async def test_modify_and_delete_an_instance(vehicle: Api) -> None:
    first, second, third = (await vehicle.get(f"{PATH}?options=sysAttrs")).json["speed"]
    path = f"{PATH}/attrs/speed/{second['instanceId']}"
    changed = reading(129, "12:06:00")
    assert (await vehicle.call("PATCH", path, changed)).status == 204
    now = (await vehicle.get(f"{PATH}?options=sysAttrs")).json["speed"]
    assert now[0] == first
    assert now[2] == third
    assert now[1] == {
        **changed,
        "instanceId": second["instanceId"],
        "createdAt": second["createdAt"],
        "modifiedAt": now[1]["modifiedAt"],
    }
    assert now[1]["modifiedAt"] > second["modifiedAt"]
    assert (await vehicle.call("PATCH", path, {"speed": [reading(130, "12:06:30")]})).status == 204
    taken = await vehicle.call("PATCH", path, reading(1, "12:07:00"))
    assert (taken.status, taken.json["type"]) == (409, ERRORS + "AlreadyExists")
    assert (await vehicle.call("DELETE", path)).status == 204
    assert (await shown(vehicle))["speed"] == [SPEED[0], SPEED[2]]
    assert (await vehicle.call("DELETE", path)).status == 404
    assert (await vehicle.call("PATCH", path, changed)).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/temporal/entities/invalid/attrs/speed/urn:x:1", 400),
        (f"{PATH}/attrs/speed/invalid", 400),
        (f"{PATH}/attrs/in(valid/urn:x:1", 400),
        (f"{PATH}/attrs/speed/urn:x:1", 404),
        (f"{PATH}/attrs/speed/urn:ngsi-ld:Instance:00000000-0000-0000-0000-000000000000", 404),
        (f"{PATH}/attrs/other/urn:ngsi-ld:Instance:00000000-0000-0000-0000-000000000000", 404),
        ("/temporal/entities//attrs/speed/urn:x:1", 400),
        (f"{PATH}/attrs/speed/", 405),
        (f"{PATH}/attrs//urn:x:1", 405),
    ],
)
async def test_an_instance_that_is_not_there(vehicle: Api, path: str, status: int) -> None:
    assert (await vehicle.call("PATCH", path, reading(1, "12:00:00"))).status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/temporal/entities//attrs/", 400),
        ("DELETE", "/temporal/entities//attrs/speed", 400),
        ("DELETE", "/temporal/entities//attrs/speed/urn:x:1", 400),
        ("DELETE", f"{PATH}/attrs//urn:x:1", 400),
        ("DELETE", f"{PATH}/attrs/speed/", 405),
        ("DELETE", f"{PATH}/attrs/", 405),
    ],
)
async def test_empty_parts_of_paths(vehicle: Api, method: str, path: str, status: int) -> None:
    answer = await vehicle.call(method, path, {"speed": SPEED} if method == "POST" else None)
    assert answer.status == status
    assert await shown(vehicle) == VEHICLE


async def test_delete_an_evolution(vehicle: Api) -> None:
    gone = await vehicle.call("DELETE", PATH)
    assert (gone.status, gone.body) == (204, b"")
    assert (await vehicle.get(PATH)).status == 404
    assert (await vehicle.get(f"/entities/{ONE}")).status == 404
    assert (await vehicle.call("DELETE", PATH)).status == 404
    assert (await vehicle.call("DELETE", "/temporal/entities/invalid")).status == 400
    assert (await vehicle.call("DELETE", "/temporal/entities/")).status == 405
    assert (await vehicle.post("/temporal/entities", VEHICLE)).status == 201
    assert (await vehicle.get(f"/entities/{ONE}")).json["speed"] == SPEED[-1]


async def test_an_entity_outlives_its_evolution(api: Api) -> None:
    await api.post("/entities", {"id": ONE, "type": "Vehicle", "speed": {"type": "Property", "value": 1}})
    assert (await api.call("DELETE", PATH)).status == 204
    assert (await api.get(PATH)).status == 404
    assert (await api.get(f"/entities/{ONE}")).json["speed"]["value"] == 1
