"""Ordering of entities (CIM 009 V1.9.1, 4.23, 5.2.43, 5.7.2.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


def thing(one: str, /, **attrs: Any) -> dict[str, Any]:
    return {"id": f"urn:x:{one}", "type": "Thing", **attrs}


def value(found: Any, /, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": found, **more}


def words(**entries: str) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": entries}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


MIXED = [
    thing("absent"),
    thing("array", v=value([1, 2])),
    thing("at", v=value({"@type": "DateTime", "@value": "2026-01-01T00:00:00.5Z"})),
    thing("at2", v=value({"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"})),
    thing("date", v=value({"@type": "Date", "@value": "2026-01-01"})),
    thing("false", v=value(False)),
    thing("number", v=value(10)),
    thing("number2", v=value(9.5)),
    thing("object", v=value({"a": 1})),
    thing("several", v=[value(1, datasetId="urn:d:1"), value(9.7)]),
    thing("text", v=value("10")),
    thing("time", v=value({"@type": "Time", "@value": "10:00:00Z"})),
    thing("true", v=value(True)),
    thing("uri", v={"type": "Relationship", "object": "urn:y:1"}),
]
ASCENDING = [
    *(
        "number2",
        "several",
        "number",
        "text",
        "uri",
        "object",
        "array",
        "false",
        "true",
        "time",
        "date",
        "at2",
        "at",
        "absent",
    ),
]
DESCENDING = [
    *(
        "at",
        "at2",
        "date",
        "time",
        "true",
        "false",
        "array",
        "object",
        "uri",
        "text",
        "number",
        "several",
        "number2",
        "absent",
    ),
]


@pytest.fixture
async def mixed(api: Api) -> Api:
    assert (await api.post("/entityOperations/create", MIXED)).status == 201
    return api


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.json
    return [one["id"].removeprefix("urn:x:") for one in answer.json]


async def test_types_are_ranked_and_what_is_absent_comes_last_either_way(mixed: Api) -> None:
    assert ids(await mixed.get("/entities?type=Thing&orderBy=v")) == ASCENDING
    assert ids(await mixed.get("/entities?type=Thing&orderBy=v;asc")) == ASCENDING
    assert ids(await mixed.get("/entities?type=Thing&orderBy=v;desc")) == DESCENDING


async def test_pages_of_an_ordering_join_seamlessly(mixed: Api) -> None:
    found: list[str] = []
    for offset in range(0, 14, 4):
        answer = await mixed.get(f"/entities?type=Thing&orderBy=v;desc&limit=4&offset={offset}&count=true&local=true")
        found += ids(answer)
        assert answer.headers["NGSILD-Results-Count"] == "14"
    assert found == DESCENDING


PEOPLE = [
    thing("1", name=value("b"), age=value(3), born=value("x", observedAt="2026-01-02T00:00:00Z")),
    thing("2", name=value("á"), age=value(3), born=value("x", observedAt="2026-01-02T00:00:00.5Z")),
    thing("3", name=value("A"), age=value(1), scope="/b", born=value("x", observedAt="2026-01-01T00:00:00Z")),
    thing("4", name=value("a"), age=value(2), scope=["/c", "/a"], address=value({"city": "Ulm"})),
    thing(
        "5", label={"type": "LanguageProperty", "languageMap": {"en": "z", "nl": "a"}}, address=value({"city": "Aa"})
    ),
    thing("6", label={"type": "LanguageProperty", "languageMap": {"en": "y"}}, size=value(1, error=value(7))),
    {
        "id": "urn:x:7",
        "type": ["Zoo", "Thing"],
        "size": value(2, error=value(3)),
        "raw": {"type": "JsonProperty", "json": {"k": 2}},
    },
    {"id": "urn:x:8", "type": ["Abc", "Thing"], "raw": {"type": "JsonProperty", "json": {"k": 1}}},
]


@pytest.fixture
async def people(api: Api) -> Api:
    for one in PEOPLE:
        assert (await api.post("/entities", one)).status == 201
    return api


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name", "4321"),
        ("name;desc", "1234"),
        ("name&collation=de-u-co-phonebk", "4321"),
        ("name&collation=und-u-kf-upper", "3421"),
        ("name&collation=und-u-ks-identic", "4321"),
        ("name&collation=und-x-icu", "4321"),
        ("age,name;desc", "3412"),
        ("age;desc,id;desc", "21438765"),
        ("age;desc,id;desc,name", "21438765"),
        ("id;desc", "87654321"),
        ("createdAt", "12345678"),
        ("createdAt;desc", "87654321"),
        ("name.createdAt;desc", "4321"),
        ("modifiedAt;desc", "87654321"),
        ("born.observedAt", "312"),
        ("born.observedAt;desc", "213"),
        ("address[city]", "54"),
        ("label[en]", "65"),
        ("label[nl]", "5"),
        ("size.error", "76"),
        ("raw[k]&jsonKeys=raw", "87"),
        ("scope", "43"),
        ("scope;desc", "34"),
        ("type,id;desc", "87654321"),
        ("nowhere", "12345678"),
    ],
)
async def test_orderings(people: Api, order: str, expected: str) -> None:
    found = "".join(ids(await people.get(f"/entities?type=Thing&orderBy={order}")))
    assert found.startswith(expected)
    rest = found[len(expected) :]
    assert rest == "".join(sorted(rest))


PLACES = [
    thing("far", location=point(10, 45), station=point(8.1, 40)),
    thing("near", location=point(8.01, 40.01)),
    thing("mid", location=point(9, 41), station=point(8.2, 40)),
    thing("word", name=value("somewhere")),
    thing("zero"),
]


@pytest.fixture
async def places(api: Api) -> Api:
    assert (await api.post("/entityOperations/create", PLACES)).status == 201
    return api


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("location;dist-asc&orderFrom=[8,40]", ["near", "mid", "far", "word", "zero"]),
        ("location;dist-desc&orderFrom=[8,40]", ["far", "mid", "near", "word", "zero"]),
        (
            "location;dist-asc&orderFrom=[[8,40],[9,42],[9,45]]&orderGeometry=LineString",
            ["near", "mid", "far", "word", "zero"],
        ),
        (
            "location;dist-asc&orderFrom=[[[9.5,44],[11,44],[11,46],[9.5,44]]]&orderGeometry=Polygon",
            ["far", "mid", "near", "word", "zero"],
        ),
        ("station;dist-desc&orderFrom=[8,40]", ["mid", "far", "near", "word", "zero"]),
    ],
)
async def test_distances(places: Api, order: str, expected: list[str]) -> None:
    assert ids(await places.get(f"/entities?type=Thing&orderBy={order}")) == expected


async def test_ordering_in_a_posted_query(places: Api) -> None:
    ordering = {"orderBy": ["location;dist-desc", "id"], "coordinates": [8, 40], "geometry": "Point"}
    query = {"type": "Query", "entities": [{"type": "Thing"}], "ordering": ordering}
    assert ids(await places.post("/entityOperations/query", query)) == ["far", "mid", "near", "word", "zero"]
    query["ordering"] = {"orderBy": ["id;desc"], "collation": "de"}
    assert ids(await places.post("/entityOperations/query?limit=2", query)) == ["zero", "word"]


@pytest.mark.parametrize(
    "order",
    [
        "location;dist-asc",
        "location;dist-asc&orderFrom=8,40",
        "location;dist-asc&orderFrom=[8]",
        "location;dist-asc&orderFrom=[8,40]&orderGeometry=GeometryCollection",
        "location.a;dist-asc&orderFrom=[8,40]",
        "id;dist-asc&orderFrom=[8,40]",
        "name&orderGeometry=Point",
        "name;up",
        "name;",
        "",
        "name,",
        "na me",
        "a{b}",
        "name[",
        "name&collation=!!nope",
        "name&collation=qq",
        "name&collation=de-u-co-none",
        "name&collation=de-u-zz-true",
        "name&collation=de-u-ks",
        "name&collation=",
        "name&after=urn:x:1",
    ],
)
async def test_what_is_refused(people: Api, order: str) -> None:
    answer = await people.get(f"/entities?type=Thing&orderBy={order}")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData"), answer.json


async def test_more_terms_than_are_taken(people: Api) -> None:
    answer = await people.get("/entities?type=Thing&orderBy=" + ",".join(f"a{n}" for n in range(11)))
    assert (answer.status, answer.json["type"]) == (403, ERRORS + "TooComplexQuery")
    assert (await people.get("/entities?type=Thing&orderFrom=[1,2]")).status == 400
