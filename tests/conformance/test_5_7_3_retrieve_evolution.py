"""Retrieve the temporal evolution of an entity (CIM 009 V1.9.1, 5.7.3, 4.5.6 to 4.5.9, 6.19)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ONE = "urn:ngsi-ld:Vehicle:1"
PATH = f"/temporal/entities/{ONE}"


def reading(value: Any, at: str, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": f"2020-08-01T{at}Z", **more}


SPEED = [reading(120, "12:03:00"), reading(80, "12:05:00"), reading(100, "12:07:00")]
FUEL = [reading(67, "12:03:00"), reading(53, "13:05:00"), reading(40, "14:07:00")]
VEHICLE = {"id": ONE, "type": "Vehicle", "speed": SPEED, "fuelLevel": FUEL}


def bare(evolution: dict[str, Any]) -> dict[str, Any]:
    """Take the instanceIds out, of which every instance must have one of its own."""
    found = {}
    seen: list[str] = []
    for name, value in evolution.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            seen += [one["instanceId"] for one in value]
            found[name] = [{key: item for key, item in one.items() if key != "instanceId"} for one in value]
        else:
            found[name] = value
    assert len(set(seen)) == len(seen)
    assert all(one.startswith("urn:ngsi-ld:Instance:") for one in seen)
    return found


@pytest.fixture
async def vehicle(api: Api) -> Api:
    created = await api.post("/temporal/entities", VEHICLE)
    assert (created.status, created.headers["Location"]) == (201, f"/ngsi-ld/v1{PATH}")
    assert created.body == b""
    return api


async def test_every_instance_is_shown(vehicle: Api) -> None:
    answer = await vehicle.get(PATH)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert bare(answer.json) == VEHICLE
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize(
    ("query", "speed", "fuel"),
    [
        ("timerel=after&timeAt=2020-08-01T13:03:00Z", [], FUEL[1:]),
        ("timerel=after&timeAt=2020-08-01T14:07:00Z", [], FUEL[2:]),
        ("timerel=before&timeAt=2020-08-01T12:05:00Z", SPEED[:1], FUEL[:1]),
        ("timerel=between&timeAt=2020-08-01T12:05:00Z&endTimeAt=2020-08-01T13:05:00Z", SPEED[1:], []),
    ],
)
async def test_the_range_has_its_start_and_not_its_end(
    vehicle: Api, query: str, speed: list[Any], fuel: list[Any]
) -> None:
    answer = await vehicle.get(f"{PATH}?{query}")
    expected = {"id": ONE, "type": "Vehicle", "speed": speed, "fuelLevel": fuel}
    assert bare(answer.json) == {name: value for name, value in expected.items() if value}


async def test_nothing_in_the_range_is_no_such_evolution(vehicle: Api) -> None:
    answer = await vehicle.get(f"{PATH}?timerel=after&timeAt=2021-01-01T00:00:00Z")
    assert (answer.status, answer.json["type"]) == (404, "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound")
    assert (await vehicle.get("/temporal/entities/urn:ngsi-ld:Vehicle:2")).status == 404


async def test_the_last_instances_come_in_the_order_of_time(vehicle: Api) -> None:
    answer = await vehicle.get(f"{PATH}?lastN=2")
    assert (answer.status, bare(answer.json)) == (200, VEHICLE | {"speed": SPEED[1:], "fuelLevel": FUEL[1:]})


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ("attrs=speed", {"id", "type", "speed"}),
        ("pick=speed", {"speed"}),
        ("pick=id,speed", {"id", "speed"}),
        ("pick=id", {"id"}),
        ("omit=speed", {"id", "type", "fuelLevel"}),
        ("omit=type,speed", {"id", "fuelLevel"}),
    ],
)
async def test_projection(vehicle: Api, query: str, members: set[str]) -> None:
    assert (await vehicle.get(f"{PATH}?{query}")).json.keys() == members


@pytest.mark.parametrize("query", ["pick=unknown", "omit=id,type,fuelLevel,speed", "attrs=unknown"])
async def test_a_projection_that_leaves_nothing(vehicle: Api, query: str) -> None:
    assert (await vehicle.get(f"{PATH}?{query}")).status == 404


async def test_temporal_values_are_pairs(vehicle: Api) -> None:
    for option in ("format=temporalValues", "options=temporalValues"):
        assert (await vehicle.get(f"{PATH}?{option}")).json == {
            "id": ONE,
            "type": "Vehicle",
            "speed": {"type": "Property", "values": [[one["value"], one["observedAt"]] for one in SPEED]},
            "fuelLevel": {"type": "Property", "values": [[one["value"], one["observedAt"]] for one in FUEL]},
        }


async def test_temporal_values_of_every_kind_of_attribute(api: Api) -> None:
    at = "2024-12-01T12:00:00Z"
    values: dict[str, tuple[str, Any, str, Any]] = {
        "Relationship": ("object", "urn:x:1", "objects", "urn:x:1"),
        "GeoProperty": ("value", {"type": "Point", "coordinates": [1, 2]}, "values", None),
        "LanguageProperty": ("languageMap", {"en": "yes"}, "languageMaps", {"languageMap": {"en": "yes"}}),
        "VocabProperty": ("vocab", "Male", "vocabs", {"vocab": "Male"}),
        "JsonProperty": ("json", {"a": [1]}, "jsons", {"json": {"a": [1]}}),
        "ListProperty": ("valueList", [1, 2], "valueLists", [1, 2]),
        "ListRelationship": ("objectList", [{"object": "urn:x:2"}], "objectLists", ["urn:x:2"]),
    }
    body = {
        kind.lower(): [{"type": kind, member: value, "observedAt": at}]
        for kind, (member, value, _, _) in values.items()
    }
    assert (await api.post("/temporal/entities", {"id": ONE, "type": "Vehicle", **body})).status == 201
    shown = (await api.get(f"{PATH}?options=temporalValues")).json
    for kind, (_, value, member, pair) in values.items():
        assert shown[kind.lower()] == {"type": kind, member: [[value if pair is None else pair, at]]}
    normalized = bare((await api.get(PATH)).json)
    assert normalized == {"id": ONE, "type": "Vehicle", **body}


async def test_system_times_and_deleted_instances(api: Api) -> None:
    core = {"id": ONE, "type": "Vehicle", "speed": {"type": "Property", "value": 1}}
    await api.post("/entities", core)
    shown = (await api.get(f"{PATH}?options=sysAttrs")).json
    (instance,) = shown["speed"]
    assert instance["createdAt"] == instance["modifiedAt"] == shown["createdAt"] == shown["modifiedAt"]
    assert "observedAt" not in instance
    unseen = await api.get(f"{PATH}?timerel=after&timeAt=2000-01-01T00:00:00Z")
    assert unseen.status == 404
    seen = await api.get(f"{PATH}?timerel=after&timeAt=2000-01-01T00:00:00Z&timeproperty=createdAt")
    assert seen.json["speed"][0]["value"] == 1
    await api.call("DELETE", f"/entities/{ONE}")
    (gone,) = (await api.get(f"{PATH}?timeproperty=deletedAt")).json["speed"]
    assert gone.pop("deletedAt") > instance["createdAt"]
    assert gone.pop("instanceId") != instance["instanceId"]
    assert gone == {"type": "Property", "value": "urn:ngsi-ld:null"}
    pairs = (await api.get(f"{PATH}?timeproperty=deletedAt&options=temporalValues")).json["speed"]["values"]
    assert [pair[0] for pair in pairs] == ["urn:ngsi-ld:null"]


async def test_the_scope_is_a_property_that_evolves(api: Api) -> None:
    await api.post(
        "/entities", {"id": ONE, "type": "Vehicle", "scope": "/Old", "speed": {"type": "Property", "value": 1}}
    )
    new = {"id": ONE, "type": "Vehicle", "scope": ["/New"]}
    assert (await api.post("/entityOperations/upsert?options=update", [new])).status == 204
    scopes = (await api.get(f"{PATH}?options=sysAttrs")).json["scope"]
    assert [one["value"] for one in scopes] == [["/Old"], ["/New"]]
    for one in scopes:
        assert one.keys() == {"type", "value", "observedAt", "createdAt", "modifiedAt", "instanceId"}
        assert one["observedAt"] == one["modifiedAt"]


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("lastN=0", "lastN"),
        ("lastN=1.5", "lastN"),
        ("timerel=around&timeAt=2020-01-01T00:00:00Z", "timerel"),
        ("timerel=after", "timeAt"),
        ("timeAt=2020-01-01T00:00:00Z", "timeAt"),
        ("timerel=between&timeAt=2020-01-01T00:00:00Z", "endTimeAt"),
        ("timeproperty=expiresAt", "timeproperty"),
        ("options=temporalValues,aggregatedValues", "options"),
        ("options=aggregatedValues", "aggrMethods"),
        ("options=aggregatedValues&aggrMethods=median", "aggrMethods"),
        ("options=aggregatedValues&aggrMethods=avg&aggrPeriodDuration=1h", "aggrPeriodDuration"),
        ("pick=speed&omit=speed", "omit"),
        ("pick=speed&attrs=fuelLevel", "attrs"),
        ("pick=owner{name}", "pick"),
    ],
)
async def test_what_is_wrong_is_named(vehicle: Api, query: str, member: str) -> None:
    answer = await vehicle.get(f"{PATH}?{query}")
    assert (answer.status, answer.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/BadRequestData")
    assert answer.json["detail"].startswith(member)


@pytest.mark.parametrize("query", ["limit=1", "format=simplified", "options=keyValues"])
async def test_what_is_unknown_is_an_invalid_request(vehicle: Api, query: str) -> None:
    answer = await vehicle.get(f"{PATH}?{query}")
    assert (answer.status, answer.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest")
