"""Geoqueries on any GeoProperty and on any of its instances (CIM 009 V1.9.1, 4.10, 4.7.1, 5.7.2.4), against shapely."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import pytest
import shapely
from shapely.geometry import shape

from tests.fixtures.broker import Api

NAMES = ("location", "observationSpace", "operationSpace", "reach", "https://example.org/def#zone")
RELATIONS = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")
GRID = Random(410)  # noqa: S311 - not for secrets


def position() -> list[int]:
    return [GRID.randrange(5), GRID.randrange(5)]


def geometry() -> dict[str, Any]:
    """Make a geometry on a small grid, so that boundaries meet."""
    x, y = position()
    match GRID.randrange(6):
        case 0:
            return {"type": "LineString", "coordinates": [[x, y], [x + 1, y + 2]]}
        case 1:
            return {"type": "MultiPoint", "coordinates": [[x, y], [x + 1, y]]}
        case 2 | 3:
            size = GRID.choice([1, 2])
            ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
            return {"type": "Polygon", "coordinates": [ring]}
        case _:
            return {"type": "Point", "coordinates": [x, y]}


def attribute() -> Any:
    sets = GRID.choice([(None,), (None,), ("urn:d:1",), (None, "urn:d:1"), ("urn:d:1", "urn:d:2", None)])
    made = [
        {"type": "GeoProperty", "value": geometry()} | ({"datasetId": one} if one is not None else {}) for one in sets
    ]
    return made if len(made) > 1 else made[0]


ENTITIES: list[dict[str, Any]] = [
    {"id": f"urn:ngsi-ld:Sensor:{n:02}", "type": "Sensor"}
    | {name: attribute() for name in NAMES if GRID.random() < 0.7}
    for n in range(30)
]
ENTITIES.append(
    {
        "id": "urn:ngsi-ld:Sensor:text",
        "type": "Sensor",
        **{name: {"type": "Property", "value": "1,1"} for name in NAMES[3:]},
    }
)
REFERENCES = [geometry() for _ in range(12)]


@pytest.fixture
async def stored(api: Api) -> Api:
    assert (await api.post("/entityOperations/create", ENTITIES)).status == 201
    return api


def shapes(entity: dict[str, Any], name: str) -> list[Any]:
    value = entity.get(name, [])
    several = value if isinstance(value, list) else [value]
    return [shape(one["value"]) for one in several if one["type"] == "GeoProperty"]


def related(relation: str, reference: dict[str, Any], name: str) -> list[str]:
    other = shape(reference)
    return [one["id"] for one in ENTITIES if any(bool(getattr(each, relation)(other)) for each in shapes(one, name))]


def query(name: str, georel: str, reference: dict[str, Any]) -> str:
    coordinates = json.dumps(reference["coordinates"], separators=(",", ":"))
    where = "" if name == "location" else f"&geoproperty={name.replace('#', '%23')}"
    return f"georel={georel}&geometry={reference['type']}&coordinates={coordinates}{where}"


async def ids(api: Api, text: str) -> list[str]:
    answer = await api.get(f"/entities?type=Sensor&limit=100&pick=id&{text}")
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json]


async def test_every_relation_on_every_geoproperty_is_met_by_any_instance(stored: Api) -> None:
    telling = 0
    for name in NAMES:
        for relation in RELATIONS:
            for reference in REFERENCES[:4]:
                expected = related(relation, reference, name)
                assert await ids(stored, query(name, relation, reference)) == expected, (name, relation, reference)
                telling += 0 < len(expected) < len(ENTITIES)
    assert telling > 50


def haversine_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    (x, y), (u, v) = ((math.radians(a), math.radians(b)) for a, b in (one, other))
    h = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(h))


@pytest.mark.parametrize("name", NAMES, ids=["location", "observationSpace", "operationSpace", "reach", "zone"])
async def test_near_is_met_by_any_instance(stored: Api, name: str) -> None:
    """Distances from a point to points and multi-points, in metres on the sphere."""
    found = 0
    for lon, lat in ((0, 0), (2, 2), (4, 1)):
        for sign, metres in (("max", 50_000.0), ("max", 230_000.0), ("min", 120_000.0), ("min", 500_000.0)):
            georel = f"near;{sign}Distance=={metres:.0f}"
            answer = await ids(stored, query(name, georel, {"type": "Point", "coordinates": [lon, lat]}))
            for one in ENTITIES:
                places = shapes(one, name)
                if any(each.geom_type not in ("Point", "MultiPoint") for each in places):
                    continue
                least = [
                    min(haversine_m((x, y), (lon, lat)) for x, y in shapely.get_coordinates(each)) for each in places
                ]
                meets = any(each <= metres if sign == "max" else each > metres for each in least)
                assert (one["id"] in answer) == meets, (name, georel, one)
                found += meets
    assert found > 10


async def test_an_instance_that_comes_or_goes_changes_what_is_found(stored: Api) -> None:
    """Updates of one instance leave the others findable; the geometry goes with the attribute."""
    urn = "urn:ngsi-ld:Sensor:moving"
    assert (await stored.post("/entities", {"id": urn, "type": "Sensor"})).status == 201

    async def where(*points: int) -> list[bool]:
        near = [{"type": "Point", "coordinates": [point, 70]} for point in points]
        return [urn in await ids(stored, query("operationSpace", "equals", one)) for one in near]

    def at(lon: int, **more: str) -> dict[str, Any]:
        return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 70]}, **more}

    path = f"/entities/{urn}/attrs"
    assert (await stored.post(path, {"operationSpace": at(10, datasetId="urn:d:a")})).status == 204
    assert await where(10, 20) == [True, False]
    assert (await stored.post(path, {"operationSpace": at(20)})).status == 204
    assert await where(10, 20) == [True, True]
    body = {"operationSpace": at(30, datasetId="urn:d:a")}
    assert (await stored.call("PATCH", path, body)).status == 204
    assert await where(10, 20, 30) == [False, True, True]
    assert (await stored.call("DELETE", f"{path}/operationSpace")).status == 204
    assert await where(10, 20, 30) == [False, False, True]
    assert (await stored.call("DELETE", f"{path}/operationSpace?deleteAll=true")).status == 204
    assert await where(10, 20, 30) == [False, False, False]
    assert urn not in await ids(stored, query("operationSpace", "disjoint", {"type": "Point", "coordinates": [1, 1]}))


async def test_post_query_takes_the_geoproperty_too(stored: Api) -> None:
    reference = REFERENCES[0]
    for name in NAMES[1:]:
        geo = {"georel": "intersects", "geometry": reference["type"], "coordinates": reference["coordinates"]}
        body = {"type": "Query", "entities": [{"type": "Sensor"}], "geoQ": {**geo, "geoproperty": name}, "pick": ["id"]}
        answer = await stored.post("/entityOperations/query?limit=100", body)
        assert [one["id"] for one in answer.json] == related("intersects", reference, name)


async def test_ordering_by_distance_looks_at_the_default_instance_else_the_first(stored: Api) -> None:
    answer = await stored.get(
        "/entities?type=Sensor&limit=100&local=true&pick=id&orderBy=reach;dist-asc,id&orderFrom=[0,0]"
    )
    assert answer.status == 200, answer.body

    def first(one: dict[str, Any]) -> Any:
        value = one["reach"]
        several = value if isinstance(value, list) else [value]
        return shape(next((each for each in several if "datasetId" not in each), several[0])["value"])

    having = [one for one in ENTITIES if shapes(one, "reach")]
    points = {one["id"]: first(one) for one in having if first(one).geom_type == "Point"}
    found = [one["id"] for one in answer.json]
    metres = [haversine_m((points[one].x, points[one].y), (0, 0)) for one in found if one in points]
    assert metres == sorted(metres)
    assert len(metres) > 3
    assert set(found[: len(having)]) == {one["id"] for one in having}
