"""Scope queries over evolutions: a scope is valid until it is replaced or removed (CIM 009 V1.9.1, 4.18, C.5.16)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

WINDOW = "timerel=between&timeAt=2026-03-01T12:00:00Z&endTimeAt=2026-03-01T13:00:00Z"
SCOPES: dict[str, list[tuple[Any, str]]] = {
    "before": [("/A/B", "10:00")],
    "two": [(["/A/B", "/C"], "10:00")],
    "within": [("/M", "12:10")],
    "replaced": [("/R", "10:00"), ("/S", "12:30")],
    "later": [("/Z", "14:00")],
    "none": [],
}


def at(time: str) -> str:
    return f"2026-03-01T{time}:00Z"


@pytest.fixture
async def scoped(api: Api) -> Api:
    for name, scopes in SCOPES.items():
        body = {
            "id": f"urn:x:{name}",
            "type": "Vehicle",
            "speed": [
                {"type": "Property", "value": value, "observedAt": at(time)}
                for value, time in ((1, "12:05"), (2, "12:45"))
            ],
        }
        if scopes:
            body["scope"] = [{"type": "Property", "value": scope, "observedAt": at(time)} for scope, time in scopes]
        assert (await api.post("/temporal/entities", body)).status == 201
    return api


async def speeds(api: Api, scope: str, more: str = "") -> dict[str, list[int]]:
    answer = await api.get(f"/temporal/entities?type=Vehicle&scopeQ={scope}&{WINDOW}{more}")
    assert answer.status == 200, answer.body
    return {one["id"].removeprefix("urn:x:"): [past["value"] for past in one["speed"]] for one in answer.json}


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("/A/B", {"before": [1, 2], "two": [1, 2]}),
        ("/A/%23", {"before": [1, 2], "two": [1, 2]}),
        ("(/A/B;/C)", {"two": [1, 2]}),
        ("/M", {"within": [2]}),
        ("/R", {"replaced": [1]}),
        ("/S", {"replaced": [2]}),
        ("/R|/M", {"replaced": [1], "within": [2]}),
        ("/%23", {"before": [1, 2], "two": [1, 2], "within": [2], "replaced": [1, 2]}),
        ("/Z", {}),
        ("/Y", {}),
    ],
)
async def test_instances_of_while_the_scope_was_valid(scoped: Api, scope: str, found: dict[str, list[int]]) -> None:
    assert await speeds(scoped, scope) == found
    counted = await scoped.get(f"/temporal/entities?type=Vehicle&scopeQ={scope}&{WINDOW}&count=true&limit=0")
    assert counted.headers["NGSILD-Results-Count"] == str(len(found))


async def test_the_scope_that_is_valid_is_shown_also_where_it_was_set_before(scoped: Api) -> None:
    answer = await scoped.get(f"/temporal/entities?type=Vehicle&scopeQ=/A/B&{WINDOW}&options=temporalValues")
    assert [one["scope"] for one in answer.json] == [
        {"type": "Property", "values": [[["/A/B"], at("10:00")]]},
        {"type": "Property", "values": [[["/A/B", "/C"], at("10:00")]]},
    ]
    (replaced,) = (await scoped.get(f"/temporal/entities?type=Vehicle&scopeQ=/S&{WINDOW}")).json
    assert [(one["value"], one["observedAt"]) for one in replaced["scope"]] == [(["/S"], at("12:30"))]


async def test_aggregates_count_while_the_scope_was_valid(scoped: Api) -> None:
    more = "&format=aggregatedValues&aggrMethods=sum,totalCount"
    answer = await scoped.get(f"/temporal/entities?type=Vehicle&scopeQ=/R|/M&{WINDOW}{more}")
    assert {one["id"]: (one["speed"]["sum"][0][0], one["speed"]["totalCount"][0][0]) for one in answer.json} == {
        "urn:x:replaced": (1, 1),
        "urn:x:within": (2, 1),
    }


async def test_a_scope_ends_where_it_is_deleted(api: Api) -> None:
    one = {"id": "urn:x:1", "type": "Vehicle", "scope": "/A", "speed": {"type": "Property", "value": 1}}
    after = "timerel=after&timeAt=2026-01-01T00:00:00Z&timeproperty=createdAt"
    assert (await api.post("/entities", one)).status == 201
    del one["scope"]
    one["speed"] = {"type": "Property", "value": 2}
    assert (await api.post("/entityOperations/upsert", [one])).status == 204
    (found,) = (await api.get(f"/temporal/entities?type=Vehicle&scopeQ=/A&{after}")).json
    assert [past["value"] for past in found["speed"]] == [1]
    (whole,) = (await api.get(f"/temporal/entities?type=Vehicle&{after}")).json
    assert [past["value"] for past in whole["speed"]] == [1, 2]
    assert [past["value"] for past in whole["scope"]] == [["/A"], []]
    assert "deletedAt" in whole["scope"][1]
    assert whole["scope"][1]["deletedAt"] > whole["scope"][0]["observedAt"]
