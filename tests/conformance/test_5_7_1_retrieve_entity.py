"""Retrieve Entity (CIM 009 V1.9.1, 5.7.1, 6.5.3.1) and representations (4.5.1 to 4.5.4, 6.3.7, 6.3.11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Api

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
BUILDING = {
    "id": "urn:ngsi-ld:Building:1",
    "type": "Building",
    "scope": "/Madrid/Centro",
    "name": {"type": "Property", "value": "Eiffel", "providedBy": {"type": "Relationship", "object": "urn:x:me"}},
    "airQuality": [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:x:d2"},
    ],
    "label": {"type": "LanguageProperty", "languageMap": {"en": "Tower", "fr": "Tour"}},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [13.3, 52.5]}},
    "raw": {"type": "JsonProperty", "json": {"id": "x", "value": None}},
    "isIn": {"type": "Relationship", "object": "urn:ngsi-ld:City:1"},
}
PATH = "/entities/urn:ngsi-ld:Building:1"


@pytest.fixture
async def stored(api: Api) -> Api:
    assert (await api.post("/entities", BUILDING)).status == 201
    return api


async def test_normalized_is_what_was_sent(stored: Api) -> None:
    answer = await stored.get(PATH)
    assert (answer.status, answer.json) == (200, BUILDING)
    assert answer.headers["Content-Type"] == "application/json"
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
    link = f'<{core}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    assert answer.headers.getall("Link") == [link]


async def test_ld_json_carries_the_context_and_no_link(stored: Api) -> None:
    answer = await stored.get(PATH, Accept="application/ld+json")
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert "Link" not in answer.headers
    context = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
    assert answer.json == {**BUILDING, "@context": context}


@pytest.mark.parametrize(
    "query", ["?options=keyValues", "?options=simplified", "?format=simplified", "?format=keyValues"]
)
async def test_simplified(stored: Api, query: str) -> None:
    assert (await stored.get(PATH + query)).json == {
        "id": "urn:ngsi-ld:Building:1",
        "type": "Building",
        "scope": "/Madrid/Centro",
        "name": "Eiffel",
        "airQuality": {"dataset": {"@none": 1, "urn:x:d2": 2}},
        "label": {"languageMap": {"en": "Tower", "fr": "Tour"}},
        "location": {"type": "Point", "coordinates": [13.3, 52.5]},
        "raw": {"json": {"id": "x", "value": None}},
        "isIn": "urn:ngsi-ld:City:1",
    }


async def test_concise(stored: Api) -> None:
    assert (await stored.get(PATH + "?format=concise")).json == {
        "id": "urn:ngsi-ld:Building:1",
        "type": "Building",
        "scope": "/Madrid/Centro",
        "name": {"value": "Eiffel", "providedBy": {"object": "urn:x:me"}},
        "airQuality": [{"value": 1}, {"value": 2, "datasetId": "urn:x:d2"}],
        "label": {"languageMap": {"en": "Tower", "fr": "Tour"}},
        "location": {"type": "Point", "coordinates": [13.3, 52.5]},
        "raw": {"json": {"id": "x", "value": None}},
        "isIn": {"object": "urn:ngsi-ld:City:1"},
    }


async def test_sys_attrs_only_where_asked_for(stored: Api) -> None:
    assert "createdAt" not in (await stored.get(PATH)).body.decode()
    found = (await stored.get(PATH + "?options=sysAttrs")).json
    assert found["createdAt"] == found["modifiedAt"] == found["name"]["createdAt"] == found["name"]["modifiedAt"]
    assert found["createdAt"].endswith("Z")
    assert {one["createdAt"] for one in found["airQuality"]} == {found["createdAt"]}
    both = (await stored.get(PATH + "?options=sysAttrs,concise")).json
    assert both["isIn"] == {
        "object": "urn:ngsi-ld:City:1",
        "createdAt": found["createdAt"],
        "modifiedAt": found["createdAt"],
    }


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ("?attrs=name", ["id", "type", "scope", "name"]),
        ("?attrs=name,nowhere", ["id", "type", "scope", "name"]),
        ("?pick=name", ["name"]),
        ("?pick=id,isIn", ["id", "isIn"]),
        ("?pick=id|type", ["id", "type"]),
        ("?omit=id,scope,raw,label,location", ["type", "name", "airQuality", "isIn"]),
        ("?pick=id,name,isIn&omit=isIn", None),
        ("?attrs=name&omit=scope", None),
        ("?attrs=name&pick=id", None),
        ("?pick=name,name{id}", None),
        ("?pick=name,,id", None),
        ("?pick=id{name}", None),
    ],
)
async def test_projections(stored: Api, query: str, members: list[str] | None) -> None:
    answer = await stored.get(PATH + query)
    if members is None:
        assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    else:
        assert (answer.status, list(answer.json)) == (200, members)


async def test_dataset_and_language(stored: Api) -> None:
    found = (await stored.get(PATH + "?datasetId=urn:x:d2&pick=airQuality,name")).json
    assert found == {"airQuality": {"type": "Property", "value": 2, "datasetId": "urn:x:d2"}}
    found = (await stored.get(PATH + "?lang=fr&pick=label")).json
    assert found == {"label": {"type": "Property", "value": "Tour", "lang": "fr"}}


@pytest.mark.parametrize(
    "query", ["attrs=nowhere", "pick=nowhere", "omit=id,type,scope,name,airQuality,label,location,raw,isIn"]
)
async def test_what_leaves_nothing_is_404(stored: Api, query: str) -> None:
    answer = await stored.get(f"{PATH}?{query}")
    assert (answer.status, answer.json["type"]) == (404, ERRORS + "ResourceNotFound")


async def test_type_must_match(stored: Api) -> None:
    assert (await stored.get(PATH + "?type=Building")).status == 200
    assert (await stored.get(PATH + "?type=Vehicle|Building")).status == 200
    assert (await stored.get(PATH + "?type=Vehicle")).status == 404


async def test_unknown_is_404_and_a_wrong_id_400(stored: Api) -> None:
    answer = await stored.get("/entities/urn:ngsi-ld:Building:2")
    assert (answer.status, answer.reason, answer.json["type"]) == (404, "Not Found", ERRORS + "ResourceNotFound")
    assert "Link" not in answer.headers
    assert (await stored.get("/entities/thisIsNoUri")).status == 400


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("?unknown=1", "InvalidRequest"),
        ("?q=speed", "InvalidRequest"),
        ("?pick=name&pick=id", "InvalidRequest"),
        ("?options=wrong", "InvalidRequest"),
        ("?options=keyValues,concise", "InvalidRequest"),
        ("?format=wrong", "InvalidRequest"),
        ("?format=keyValues&options=wrong", "InvalidRequest"),
        ("?local=maybe", "BadRequestData"),
        ("?pick=a{b}", "BadRequestData"),
        ("?attrs=", "BadRequestData"),
        ("?%zz", "InvalidRequest"),
    ],
)
async def test_wrong_parameters_are_400(stored: Api, path: str, name: str) -> None:
    answer = await stored.get(PATH + path)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + name)


async def test_a_parameter_this_broker_lacks_says_so(stored: Api) -> None:
    answer = await stored.get(PATH + "?entityMap=true")
    assert (answer.status, answer.json["type"]) == (422, ERRORS + "OperationNotSupported")
    assert "entityMap" in answer.json["detail"]
    assert (await stored.get(PATH + "?entityMap=false")).status == 200


async def test_format_takes_precedence_over_options(stored: Api) -> None:
    found = (await stored.get(PATH + "?format=keyValues&options=normalized,sysAttrs&pick=isIn,name")).json
    assert found.keys() == {"name", "isIn", "createdAt", "modifiedAt"}
    assert (found["name"], found["isIn"]) == ("Eiffel", "urn:ngsi-ld:City:1")


async def test_an_earlier_version_is_given_where_preferred(stored: Api) -> None:
    """Said as that version knows it, with 203; what needs no change comes as it is (4.3.6.8, 6.3.6)."""
    found = await stored.get(PATH, Prefer="ngsi-ld=1.2")
    assert (found.status, found.headers["Preference-Applied"]) == (203, "ngsi-ld=1.2")
    assert found.json == {
        "id": "urn:ngsi-ld:Building:1",
        "type": "Building",
        "name": {"type": "Property", "value": "Eiffel", "providedBy": {"type": "Relationship", "object": "urn:x:me"}},
        "airQuality": {"type": "Property", "value": 1},
        "label": {"type": "Property", "value": {"en": "Tower", "fr": "Tour"}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [13.3, 52.5]}},
        "raw": {"type": "Property", "value": {"id": "x", "value": None}},
        "isIn": {"type": "Relationship", "object": "urn:ngsi-ld:City:1"},
    }
    for wish, applied in (("ngsi-ld=1.9", "1.9"), ("ngsi-ld=2.0", "1.9"), ('ngsi-ld="1.8"', "1.8")):
        found = await stored.get(PATH, Prefer=wish)
        assert (found.status, found.headers["Preference-Applied"], found.json) == (200, f"ngsi-ld={applied}", BUILDING)
    found = await stored.get(PATH, Prefer="respond-async, ngsi-ld=x")
    assert (found.status, "Preference-Applied" in found.headers) == (200, False)


async def test_names_are_compacted_by_the_context_of_each_request(stored: Api) -> None:
    await stored.post(
        "/entities",
        {
            "@context": {"Building": "https://a.example/Building", "name": "https://a.example/name"},
            "id": "urn:x:own",
            "type": "Building",
            "name": {"type": "Property", "value": 1, "name": {"type": "Property", "value": {"name": 2}}},
        },
        Content_Type="application/ld+json",
    )
    found: dict[str, Any] = (await stored.get("/entities/urn:x:own")).json
    assert found == {
        "id": "urn:x:own",
        "type": "https://a.example/Building",
        "https://a.example/name": {
            "type": "Property",
            "value": 1,
            "https://a.example/name": {"type": "Property", "value": {"https://a.example/name": 2}},
        },
    }


async def test_the_citys_context_serves_by_link(stored: Api) -> None:
    hosted = "/ngsi-ld/v1/jsonldContexts/city"
    served = await stored.get("/jsonldContexts/city")
    assert (served.status, served.headers["Content-Type"]) == (200, "application/json")
    as_linked_data = await stored.get("/jsonldContexts/city", Accept="application/ld+json")
    assert (as_linked_data.headers["Content-Type"], as_linked_data.body) == ("application/ld+json", served.body)
    iri = served.json["@context"]["Vehicle"]
    link = f'<{stored.url}{hosted}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    await stored.post("/entities", {"id": "urn:x:v", "type": "Vehicle"}, Link=link)
    assert (await stored.get("/entities/urn:x:v")).json == {"id": "urn:x:v", "type": iri}
    for _ in range(2):
        answer = await stored.get("/entities/urn:x:v", Link=link)
        assert answer.json == {"id": "urn:x:v", "type": "Vehicle"}
        assert answer.headers.getall("Link") == [link]
