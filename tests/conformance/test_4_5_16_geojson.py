"""GeoJSON answers (CIM 009 V1.9.1, 4.5.16, 4.5.17, 5.2.29 to 5.2.31, 6.3.6, 6.3.15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
LINK = f'<{CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
BAD_REQUEST = "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"
GEO = "application/geo+json"
HERE = {"type": "Point", "coordinates": [8.5, 47.4]}
LINE = {"type": "LineString", "coordinates": [[8, 47], [9, 48]]}


def geo(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": value, **more}


@pytest.fixture
async def stored(api: Api) -> Api:
    batch: list[dict[str, Any]] = [
        {"id": "urn:x:1", "type": "A", "location": geo(HERE), "n": {"value": 1, "unitCode": "MTR"}, "scope": "/s"},
        {"id": "urn:x:2", "type": ["A", "B"], "n": {"value": 2}, "route": geo(LINE)},
        {"id": "urn:x:3", "type": "A", "location": [geo(HERE, datasetId="urn:d:1"), geo(LINE, datasetId="urn:d:2")]},
        {"id": "urn:x:4", "type": "A", "route": {"value": "by the river"}},
    ]
    assert (await api.post("/entityOperations/create", batch)).status == 201
    return api


ONE = {
    "id": "urn:x:1",
    "type": "Feature",
    "geometry": HERE,
    "properties": {
        "type": "A",
        "scope": "/s",
        "location": {"type": "GeoProperty", "value": HERE},
        "n": {"type": "Property", "value": 1, "unitCode": "MTR"},
    },
}


async def test_an_entity_is_a_feature_with_its_context(stored: Api) -> None:
    answer = await stored.get("/entities/urn:x:1", Accept=GEO)
    assert (answer.status, answer.json) == (200, {**ONE, "@context": CORE})
    assert answer.headers["Content-Type"] == GEO
    assert "Link" not in answer.headers
    assert (await stored.get("/entities/urn:x:1", Accept=GEO, Prefer="body=ld+json")).json == answer.json


async def test_prefer_json_moves_the_context_to_the_link_header(stored: Api) -> None:
    answer = await stored.get("/entities/urn:x:1", Accept=GEO, Prefer="body=json")
    assert (answer.status, answer.json) == (200, ONE)
    assert answer.headers.getall("Link") == [LINK]
    page = await stored.get("/entities?type=A&limit=1", Accept=GEO, Prefer="respond-async, body=json")
    assert page.json == {"type": "FeatureCollection", "features": [ONE]}
    following = '</ngsi-ld/v1/entities?limit=1&offset=1&type=A>;rel="next";type="application/geo+json"'
    assert page.headers.getall("Link") == [LINK, following]


async def test_a_page_is_a_feature_collection_with_one_context(stored: Api) -> None:
    answer = await stored.get("/entities?type=A&count=true", Accept=GEO)
    assert (answer.status, answer.headers["Content-Type"], answer.headers["NGSILD-Results-Count"]) == (200, GEO, "4")
    assert (answer.json["type"], answer.json["@context"]) == ("FeatureCollection", CORE)
    assert answer.json["features"][0] == ONE
    assert [one["geometry"] for one in answer.json["features"]] == [HERE, None, None, None]
    assert [one["properties"]["type"] for one in answer.json["features"]] == ["A", ["A", "B"], "A", "A"]
    assert not any("@context" in one for one in answer.json["features"])
    nothing = await stored.get("/entities?type=Nothing", Accept=GEO)
    assert nothing.json == {"type": "FeatureCollection", "features": [], "@context": CORE}


async def test_geometry_property_chooses(stored: Api) -> None:
    answer = await stored.get("/entities?type=A&geometryProperty=route", Accept=GEO)
    assert [one["geometry"] for one in answer.json["features"]] == [None, LINE, None, None]
    assert answer.json["features"][0]["properties"]["location"] == geo(HERE)
    assert (await stored.get("/entities/urn:x:2?geometryProperty=n", Accept=GEO)).json["geometry"] is None
    posted = {"type": "Query", "entities": [{"type": "B"}], "geometryProperty": "route"}
    found = await stored.post("/entityOperations/query", posted, Accept=GEO)
    assert [one["geometry"] for one in found.json["features"]] == [LINE]


async def test_of_several_instances_the_named_one(stored: Api) -> None:
    async def shape(query: str) -> Any:
        return (await stored.get(f"/entities/urn:x:3{query}", Accept=GEO)).json["geometry"]

    assert await shape("") is None
    assert await shape("?datasetId=urn:d:2") == LINE
    assert await shape("?datasetId=urn:d:1") == HERE
    assert await shape("?datasetId=urn:d:9") is None
    assert await shape("?datasetId=@none") is None
    found = (await stored.get("/entities/urn:x:1?datasetId=@none", Accept=GEO)).json
    assert found["geometry"] == HERE


async def test_simplified_and_concise(stored: Api) -> None:
    simple = await stored.get("/entities/urn:x:1?options=keyValues", Accept=GEO)
    assert simple.json["properties"] == {"type": "A", "scope": "/s", "location": HERE, "n": 1}
    several = await stored.get("/entities/urn:x:3?format=simplified", Accept=GEO)
    assert several.json["properties"]["location"] == {"dataset": {"urn:d:1": HERE, "urn:d:2": LINE}}
    concise = await stored.get("/entities/urn:x:1?format=concise", Accept=GEO)
    assert concise.json["properties"]["n"] == {"value": 1, "unitCode": "MTR"}
    stamped = await stored.get("/entities/urn:x:1?options=sysAttrs", Accept=GEO)
    assert {"createdAt", "modifiedAt"} < stamped.json["properties"].keys()
    assert "createdAt" in stamped.json["properties"]["n"]


async def test_projection_is_of_the_properties(stored: Api) -> None:
    picked = await stored.get("/entities/urn:x:1?pick=id,n", Accept=GEO)
    assert {k: v for k, v in picked.json.items() if k != "@context"} == {
        "id": "urn:x:1",
        "type": "Feature",
        "geometry": HERE,
        "properties": {"n": {"type": "Property", "value": 1, "unitCode": "MTR"}},
    }
    assert "id" not in (await stored.get("/entities/urn:x:1?omit=id", Accept=GEO)).json


@pytest.mark.parametrize("path", ["/entities?type=A&geometryProperty=route", "/entities/urn:x:1?geometryProperty=n"])
async def test_geometry_property_is_for_geojson_alone(stored: Api, path: str) -> None:
    for accept in ("application/json", "application/ld+json"):
        answer = await stored.get(path, Accept=accept)
        assert (answer.status, answer.json["type"]) == (400, BAD_REQUEST)
    assert (await stored.get("/entities?type=A&geometryProperty=a%20b", Accept=GEO)).status == 400


async def test_negotiation(stored: Api) -> None:
    async def media(accept: str) -> Any:
        answer = await stored.get("/entities/urn:x:1", Accept=accept)
        return answer.headers["Content-Type"]

    assert await media("application/geo+json;q=0.5, application/json;q=0.4") == GEO
    assert await media("application/geo+json, application/json") == "application/json"
    assert await media("application/*") == "application/json"
    refused = await stored.get("/entities/urn:x:1", Accept="text/html")
    assert (refused.status, refused.json["available"]) == (406, ["application/json", "application/ld+json", GEO])
    assert (await stored.get("/types", Accept=GEO)).json["available"] == ["application/json", "application/ld+json"]
    missing = await stored.get("/entities/urn:x:none", Accept=GEO)
    assert (missing.status, missing.headers["Content-Type"]) == (404, "application/json")
