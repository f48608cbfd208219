"""Query the temporal evolution of entities (CIM 009 V1.9.1, 5.7.4, 4.11, 6.18.3.2, 6.24, 6.3.10)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_5_7_3_retrieve_evolution import bare, reading
from tests.fixtures.broker import Answer, Api

A, B, BUS = "urn:ngsi-ld:Vehicle:A", "urn:ngsi-ld:Vehicle:B", "urn:ngsi-ld:Bus:C"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
AFTER = "timerel=after&timeAt=2020-07-01T00:00:00Z"


def place(lon: float, lat: float, at: str) -> dict[str, Any]:
    return {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [lon, lat]},
        "observedAt": f"2020-08-01T{at}Z",
    }


ENTITIES: list[dict[str, Any]] = [
    {
        "id": A,
        "type": "Vehicle",
        "scope": ["/Madrid/Centro"],
        "speed": [reading(120, "12:03:00"), reading(80, "12:05:00")],
        "location": [place(2.35, 48.85, "12:03:00"), place(-8.5, 41.2, "12:05:00")],
    },
    {"id": B, "type": "Vehicle", "speed": [reading(60, "12:03:00"), reading(90, "13:05:00", datasetId="urn:x:d")]},
    {"id": BUS, "type": "Bus", "speed": [reading(45, "12:03:00")], "fuelLevel": [reading(7, "15:00:00")]},
]


@pytest.fixture
async def fleet(api: Api) -> Api:
    for one in ENTITIES:
        assert (await api.post("/temporal/entities", one)).status == 201
    return api


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json]


async def test_by_type_in_the_range(fleet: Api) -> None:
    answer = await fleet.get(f"/temporal/entities?type=Vehicle&{AFTER}&omit=scope")
    shown = [bare(one) for one in answer.json]
    assert shown == [{k: v for k, v in ENTITIES[0].items() if k != "scope"}, ENTITIES[1]]
    assert ids(await fleet.get("/temporal/entities?type=Vehicle&timerel=after&timeAt=2020-08-01T13:00:00Z")) == [B]
    assert ids(await fleet.get("/temporal/entities?type=Vehicle&timerel=before&timeAt=2020-08-01T12:00:00Z")) == []
    assert ids(await fleet.get(f"/temporal/entities?type=Vehicle,Bus&{AFTER}")) == [BUS, A, B]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=speed>100", [A]),
        ("q=speed>70", [A, B]),
        ("q=speed==60|speed==45", [BUS, B]),
        ("q=speed>50;fuelLevel<10", []),
        ("q=speed<50;fuelLevel<10", [BUS]),
        ("q=fuelLevel", [BUS]),
        ("attrs=fuelLevel", [BUS]),
        ("id=" + A + "," + BUS, [BUS, A]),
        ("idPattern=.*Vehicle.*", [A, B]),
        ("georel=near;maxDistance==2000&geometry=Point&coordinates=[2.35,48.85]", [A]),
        ("georel=near;maxDistance==2000&geometry=Point&coordinates=[2.9,48.85]", []),
        ("georel=within&geometry=Polygon&coordinates=[[[-9,41],[-8,41],[-8,42],[-9,42],[-9,41]]]", [A]),
        ("scopeQ=/Madrid/%23", [A]),
        ("orderBy=id;desc", [B, A, BUS]),
    ],
)
async def test_what_selects_looks_at_the_instances(fleet: Api, query: str, found: list[str]) -> None:
    answer = await fleet.get(f"/temporal/entities?type=Vehicle,Bus&{AFTER}&{query}")
    assert ids(answer) == found


async def test_what_lies_outside_the_range_selects_nothing(fleet: Api) -> None:
    late = "type=Vehicle&timerel=after&timeAt=2020-08-01T12:04:00Z"
    assert ids(await fleet.get(f"/temporal/entities?{late}&q=speed>100")) == []
    assert ids(await fleet.get(f"/temporal/entities?{late}&q=speed>70")) == [A, B]
    near = "georel=near;maxDistance==2000&geometry=Point&coordinates=[2.35,48.85]"
    assert ids(await fleet.get(f"/temporal/entities?{late}&{near}")) == []


async def test_geoqueries_look_at_every_instance_of_any_geoproperty(api: Api) -> None:
    """Of the default instance or another, in the range (5.7.4.4); what is no GeoProperty is none."""

    def at(lon: int, minute: int, **more: str) -> dict[str, Any]:
        place = {"type": "Point", "coordinates": [lon, 50]}
        return {"type": "GeoProperty", "value": place, "observedAt": f"2026-01-01T00:{minute:02}:00Z", **more}

    for number, (lon, other) in enumerate(((1, 2), (2, 3)), 1):
        space = [at(lon, 1), at(other, 2, datasetId="urn:d:1"), at(other + 10, 3, datasetId="urn:d:1")]
        body = {"id": f"urn:x:{number}", "type": "T", "operationSpace": space}
        assert (await api.post("/temporal/entities", body)).status == 201
    text: dict[str, Any] = {
        "id": "urn:x:3",
        "type": "T",
        "reach": {"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00Z"},
    }
    assert (await api.post("/temporal/entities", text)).status == 201

    async def found(georel: str, lon: int, since: int = 0, name: str = "operationSpace") -> list[str]:
        geo = f"georel={georel}&geometry=Point&coordinates=[{lon},50]&geoproperty={name}"
        time = f"timerel=after&timeAt=2026-01-01T00:{since:02}:00Z"
        return ids(await api.get(f"/temporal/entities?type=T&{time}&{geo}"))

    assert await found("equals", 1) == ["urn:x:1"]
    assert await found("equals", 2) == ["urn:x:1", "urn:x:2"]
    assert await found("equals", 2, since=2) == ["urn:x:1"]
    assert await found("equals", 13, since=3) == ["urn:x:2"]
    assert await found("equals", 1, since=2) == []
    assert await found("disjoint", 2) == ["urn:x:1", "urn:x:2"]
    assert await found("near;maxDistance==1", 12) == ["urn:x:1"]
    assert await found("disjoint", 2, name="reach") == []


async def test_the_collation_orders_the_ids(api: Api) -> None:
    """`id` is the only member that evolutions are ordered by (5.7.4.3); a collation is an ICU one (RFC 6067)."""
    for name in ("a", "B", "c", "C"):
        body = {"id": f"urn:x:{name}", "type": "T", "n": {"value": 1, "observedAt": "2026-01-01T00:00:00Z"}}
        assert (await api.post("/temporal/entities", body)).status == 201
        assert (await api.post("/entities", {"id": f"urn:y:{name}", "type": "U"})).status == 201
    path = f"/temporal/entities?type=T&{AFTER}"
    orders = {
        "&orderBy=id": "BCac",
        "&orderBy=id;desc": "caCB",
        "&orderBy=id&collation=und": "aBcC",
        "&orderBy=id&collation=en-u-kf-upper": "aBCc",
        "&orderBy=id;desc&collation=en": "CcBa",
        "&orderBy=id&collation=en&limit=2&offset=1": "Bc",
    }
    for asked, order in orders.items():
        assert ids(await api.get(path + asked)) == [f"urn:x:{name}" for name in order], asked
        answer = await api.get(f"/entities?type=U&local=true{asked}")
        assert [one["id"] for one in answer.json] == [f"urn:y:{name}" for name in order], asked
    query = {
        "type": "Query",
        "entities": [{"type": "T"}],
        "temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"},
    }
    answer = await api.post(
        "/temporal/entityOperations/query", {**query, "ordering": {"orderBy": ["id;desc"], "collation": "en"}}
    )
    assert ids(answer) == ["urn:x:C", "urn:x:c", "urn:x:B", "urn:x:a"]
    for wrong in (
        "collation=?",
        "orderBy=id&collation=xx-u-co-nothing",
        "collation=zz-zz-zz-",
        "orderBy=n&collation=en",
    ):
        refused = await api.get(f"{path}&{wrong}")
        assert (refused.status, refused.json["type"]) == (400, ERRORS + "BadRequestData"), wrong
    assert (await api.get(f"{path}&orderBy=id&collation=qqq")).status == 400


async def test_datasets(fleet: Api) -> None:
    (b,) = (await fleet.get(f"/temporal/entities?id={B}&type=Vehicle&{AFTER}&datasetId=urn:x:d")).json
    assert bare(b)["speed"] == [reading(90, "13:05:00", datasetId="urn:x:d")]
    (b,) = (await fleet.get(f"/temporal/entities?id={B}&type=Vehicle&{AFTER}&datasetId=@none")).json
    assert bare(b)["speed"] == [reading(60, "12:03:00")]
    (b,) = (await fleet.get(f"/temporal/entities?id={B}&type=Vehicle&{AFTER}&options=temporalValues")).json
    assert b["speed"] == [
        {"type": "Property", "values": [[60, "2020-08-01T12:03:00Z"]]},
        {"type": "Property", "datasetId": "urn:x:d", "values": [[90, "2020-08-01T13:05:00Z"]]},
    ]


async def test_pages_and_count(fleet: Api) -> None:
    path = f"/temporal/entities?type=Vehicle,Bus&{AFTER}&count=true&limit=2"
    first = await fleet.get(path)
    assert (ids(first), first.headers["NGSILD-Results-Count"]) == ([BUS, A], "3")
    assert [one for one in first.headers.getall("Link") if "next" in one] == [
        "</ngsi-ld/v1/temporal/entities?count=true&limit=2&offset=2&timeAt=2020-07-01T00:00:00Z&timerel=after"
        '&type=Vehicle,Bus>;rel="next";type="application/json"'
    ]
    last = await fleet.get(f"{path}&offset=2")
    assert ids(last) == [B]
    assert not any('rel="next"' in one for one in last.headers.getall("Link"))
    none = await fleet.get(f"/temporal/entities?type=Vehicle&{AFTER}&count=true&limit=0")
    assert (none.json, none.headers["NGSILD-Results-Count"]) == ([], "2")


async def test_query_by_post(fleet: Api) -> None:
    body = {
        "type": "Query",
        "entities": [{"type": "Vehicle", "idPattern": ".*A"}, {"type": "Bus"}],
        "q": "speed<150",
        "attrs": ["speed"],
        "temporalQ": {"timerel": "after", "timeAt": "2020-07-01T00:00:00Z", "lastN": 1},
    }
    found = (await fleet.post("/temporal/entityOperations/query", body)).json
    assert [(one["id"], [past["value"] for past in one["speed"]]) for one in found] == [(BUS, [45]), (A, [80])]
    geo = {"georel": "near;maxDistance==2000", "geometry": "Point", "coordinates": [2.35, 48.85]}
    by_place = {"type": "Query", "geoQ": geo, "temporalQ": body["temporalQ"]}
    assert ids(await fleet.post("/temporal/entityOperations/query", by_place)) == [A]
    aggregated = {
        "type": "Query",
        "entities": [{"type": "Bus"}],
        "temporalQ": {"timerel": "after", "timeAt": "2020-08-01T12:00:00Z"},
        "aggrParams": {"aggrMethods": ["avg"], "aggrPeriodDuration": "PT0S"},
    }
    (bus,) = (await fleet.post("/temporal/entityOperations/query?options=aggregatedValues", aggregated)).json
    assert bus["speed"]["avg"] == [[45.0, "2020-08-01T12:00:00Z", "2020-08-01T15:00:00Z"]]


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"type": "Query", "entities": [{"type": "T"}]}, "timerel"),
        ({"entities": [{"type": "T"}]}, "type"),
        ({"type": "Query", "temporalQ": {"timerel": "after", "timeAt": "x"}, "q": "a==1"}, "timeAt"),
        ({"type": "Query", "temporalQ": {"since": "x"}}, "temporalQ.since"),
        ({"type": "Query", "temporalQ": {"lastN": 1.5}}, "temporalQ.lastN"),
        ({"type": "Query", "entities": [{"id": "urn:x:1"}]}, "entities[0]"),
        ({"type": "Query", "limit": 1}, "limit"),
    ],
)
async def test_a_wrong_query_is_named(fleet: Api, body: dict[str, Any], member: str) -> None:
    answer = await fleet.post("/temporal/entityOperations/query", body)
    assert (answer.status, answer.json["title"] != "") == (400, True)
    assert answer.json["detail"].startswith(member)


@pytest.mark.parametrize(
    "query",
    [
        "type=Vehicle",
        AFTER,
        f"{AFTER}&attrs=createdAt",
        f"{AFTER}&type=T&q=owner%7Bname%7D==1",
        f"{AFTER}&type=T&pick=owner%7Bname%7D",
        f"{AFTER}&type=T&id=not%20a%20uri",
        f"{AFTER}&type=T&orderBy=name",
        f"{AFTER}&type=T&limit=0",
    ],
)
async def test_bad_requests(fleet: Api, query: str) -> None:
    answer = await fleet.get(f"/temporal/entities?{query}")
    assert (answer.status, answer.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/BadRequestData")


async def test_a_deleted_entity_keeps_its_past(fleet: Api) -> None:
    assert (await fleet.call("DELETE", f"/entities/{B}")).status == 204
    found = await fleet.get(f"/temporal/entities?type=Vehicle&{AFTER}&count=true&options=sysAttrs")
    assert (ids(found), found.headers["NGSILD-Results-Count"]) == ([A, B], "2")
    assert [one.get("deletedAt") is not None for one in found.json] == [False, True]
    again = await fleet.post("/entities", {"id": B, "type": "Vehicle", "speed": {"type": "Property", "value": 1}})
    assert again.status == 201
    assert ids(await fleet.get(f"/temporal/entities?type=Vehicle&{AFTER}")) == [A, B]
    assert "deletedAt" not in (await fleet.get(f"/temporal/entities/{B}?options=sysAttrs")).json
