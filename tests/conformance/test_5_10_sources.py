"""Discovery of context source registrations over HTTP (CIM 009 V1.9.1, 5.10.1, 5.10.2, 6.8.3.2).

That SQL finds what 5.12 says is proven in tests/broker/store/test_registration_search.py; here it is what is asked how.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.broker import Answer, Api

PATH = "/csourceRegistrations"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
PORTO = {"type": "Point", "coordinates": [-8.61, 41.15]}


def registration(id: str, information: Any, **members: Any) -> dict[str, Any]:
    return {
        "id": f"urn:r:{id}",
        "type": "ContextSourceRegistration",
        "endpoint": f"http://{id}.example",
        "information": information,
        **members,
    }


SOURCES = [
    registration("cars", [{"entities": [{"type": "Car"}], "propertyNames": ["speed"]}], location=PORTO, scope="/p/a"),
    registration("one", [{"entities": [{"type": "Car", "id": "urn:c:1"}]}], rank=1),
    registration("some", [{"entities": [{"type": ["Car", "Bus"], "idPattern": "^urn:c:2"}]}], rank=2, scope="/q"),
    registration("any", [{"relationshipNames": ["owner"]}]),
    registration(
        "bikes", [{"entities": [{"type": "Bike"}]}, {"entities": [{"type": "Van"}], "propertyNames": ["load"]}]
    ),
    registration(
        "past",
        [{"entities": [{"type": "Car"}]}],
        observationInterval={"startAt": "2020-01-01T00:00:00Z", "endAt": "2021-01-01T00:00:00Z"},
    ),
    registration("made", [{"entities": [{"type": "Car"}]}], managementInterval={"startAt": "2022-01-01T00:00:00Z"}),
    registration(
        "told",
        [{"entities": [{"type": "Tram"}]}],
        label={"type": "LanguageProperty", "languageMap": {"en": "Trams", "pt": "Elétricos"}},
    ),
]


@pytest.fixture
async def sources(api: Api) -> Api:
    """A client of a tenant with all of them; it is made once."""
    found = Api(api.http, api.url, "sources")
    if (await found.get(f"{PATH}/urn:r:told")).status == 404:
        for one in SOURCES:
            assert (await found.post(PATH, one)).status == 201
    return found


def ids(answer: Answer) -> list[str]:
    return [one["id"].removeprefix("urn:r:") for one in answer.json]


_TIME = "timerel=before&timeAt=2020-06-01T00:00:00Z"
_NEAR = "georel=near;maxDistance==2000&geometry=Point&coordinates=[-8.62,41.15]"
ASKED = [
    ("type=Car", ["any", "cars", "one", "some"]),
    ("type=Bus", ["any", "some"]),
    ("type=(Car;Bus)", ["any", "some"]),
    ("type=Bike|Tram", ["any", "bikes", "told"]),
    ("type=*", ["any", "bikes", "cars", "one", "some", "told"]),
    ("type=Car&id=urn:c:1", ["any", "cars", "one"]),
    ("type=Car&id=urn:c:22,urn:c:9", ["any", "cars", "some"]),
    ("type=Car&idPattern=c:1$", ["any", "cars", "one", "some"]),
    ("id=urn:c:3", ["any", "bikes", "cars", "told"]),
    ("attrs=speed", ["bikes", "cars", "one", "some", "told"]),
    ("attrs=owner,load&type=Van", ["any", "bikes"]),
    ("type=Car&attrs=load", ["one", "some"]),
    ("q=owner==urn:x:1", ["any", "bikes", "one", "some", "told"]),
    ("type=Car&q=speed>1;load", ["cars", "one", "some"]),
    ("type=Car&q=owner{speed}>1", ["any", "one", "some"]),
    ("pick=speed&type=Car", ["cars", "one", "some"]),
    ("pick=id,speed&type=Car", ["any", "cars", "one", "some"]),
    ("omit=speed&type=Car", ["any", "cars", "one", "some"]),
    ("type=Car&" + _NEAR, []),
    ("type=Car&attrs=speed&" + _NEAR, ["cars"]),
    ("type=Car&attrs=speed&" + _NEAR.replace("2000", "20"), []),
    ("type=Car&attrs=speed&geoproperty=observationSpace&" + _NEAR, []),
    ("type=Car&geoproperty=observationSpace", ["any", "cars", "one", "some"]),
    ("type=Car&csf=rank==1", ["one"]),
    ("type=Car&csf=rank", ["one", "some"]),
    ('type=Car&csf=endpoint=="http://cars.example"', ["cars"]),
    ('type=Car&csf=endpoint~=any|mode=="redirect"', ["any"]),
    ("type=Car&scopeQ=/p/%23", ["cars"]),
    ("type=Car&scopeQ=/q,/p/a", ["cars", "some"]),
    ("type=Car&" + _TIME, ["past"]),
    ("type=Car&timeproperty=createdAt&" + _TIME, []),
    ("type=Car&timeproperty=modifiedAt&timerel=after&timeAt=2020-01-01T00:00:00Z", ["made"]),
    ("type=Car&timerel=between&timeAt=2019-01-01T00:00:00Z&endTimeAt=2020-01-01T00:00:00Z", []),
    ("type=Car&timerel=between&timeAt=2021-01-01T00:00:00Z&endTimeAt=2022-01-01T00:00:00Z", ["past"]),
    ("type=Plane", ["any"]),
    ("type=Car&local=true&lang=en", ["any", "cars", "one", "some"]),
]


@pytest.mark.parametrize(("query", "found"), ASKED, ids=range(len(ASKED)))
async def test_what_is_asked_for_finds_those_that_may_have_it(sources: Api, query: str, found: list[str]) -> None:
    answer = await sources.get(f"{PATH}?{query}&count=true")
    assert (answer.status, ids(answer), answer.headers["NGSILD-Results-Count"]) == (200, found, str(len(found)))


REFUSED = [
    ("", "BadRequestData", "the query is too wide"),
    ("idPattern=x", "BadRequestData", "the query is too wide"),
    ("scopeQ=/a", "BadRequestData", "the query is too wide"),
    ("pick=id", "BadRequestData", "the query is too wide"),
    ("id=invalidUri", "BadRequestData", "id"),
    ("q=(invalid", "BadRequestData", "q"),
    ("georel=within", "BadRequestData", "geometry"),
    ("timerel=before", "BadRequestData", "timeAt"),
    ("type=Car&timeAt=2020-01-01T00:00:00Z", "BadRequestData", "timeAt"),
    ("type=Car&csf=(x", "BadRequestData", "csf"),
    ("type=Car&csf=modifiedAt>2020-01-01T00:00:00Z", "BadRequestData", "csf"),
    ("type=Car&attrs=", "BadRequestData", "attrs"),
    ("type=Car&attrs=a&pick=b", "BadRequestData", "attrs"),
    ("type=Car&idPattern=[", "BadRequestData", "the regular expression '['"),
    ("type=Car&scopeQ=///", "BadRequestData", "scopeQ"),
    ("type=Car&limit=0", "BadRequestData", "limit"),
    ("type=Car&limit=-1", "BadRequestData", "limit"),
    ("type=Car&options=nonsense", "InvalidRequest", "options"),
    ("type=Car&join=inline", "InvalidRequest", "join"),
]


@pytest.mark.parametrize(("query", "kind", "named"), REFUSED, ids=range(len(REFUSED)))
async def test_what_is_wrong_is_named(sources: Api, query: str, kind: str, named: str) -> None:
    answer = await sources.get(f"{PATH}?{query}")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + kind)
    assert answer.json["detail"].startswith(named)


async def test_pages_follow_their_links(sources: Api) -> None:
    """6.3.10: limit and offset last, the list's media type; every registration once."""
    seen, path, pages = [], f"{PATH}?type=Car&limit=2", 0
    while path:
        answer = await sources.get(path)
        seen += ids(answer)
        links = [one for one in answer.headers.getall("Link") if 'rel="next"' in one]
        path = links[0].partition(">")[0].removeprefix("</ngsi-ld/v1") if links else ""
        pages += 1
    assert (seen, pages) == (["any", "cars", "one", "some"], 2)
    last = await sources.get(f"{PATH}?type=Car&limit=3&offset=2&options=sysAttrs")
    assert last.headers.getall("Link")[1:] == [
        f'</ngsi-ld/v1{PATH}?options=sysAttrs&type=Car&limit=3&offset=0>;rel="prev";type="application/ld+json"'
    ]
    none = await sources.get(f"{PATH}?type=Car&limit=0&count=true")
    assert (none.json, none.headers["NGSILD-Results-Count"], len(none.headers.getall("Link"))) == ([], "4", 1)


async def test_information_is_shown_whole_and_system_times_on_demand(sources: Api) -> None:
    """SPEC 5.10.2.5: the RegistrationInfos that do not match stay, as ETSI's own tests want them."""
    [_, found] = (await sources.get(f"{PATH}?type=Van&attrs=load,owner")).json
    assert found == SOURCES[4]
    timed = (await sources.get(f"{PATH}?type=Van&attrs=load&options=sysAttrs")).json[0]
    assert timed.keys() - SOURCES[4].keys() == {"createdAt", "modifiedAt"}


async def test_a_language_is_chosen_of_own_texts(sources: Api) -> None:
    [_, found] = (await sources.get(f"{PATH}?type=Tram&lang=pt")).json
    assert found["label"] == {"type": "Property", "value": "Elétricos", "lang": "pt"}


async def test_the_context_goes_where_the_media_type_has_it(sources: Api) -> None:
    plain = await sources.get(f"{PATH}?type=Tram")
    assert plain.headers["Content-Type"] == "application/json"
    assert not any("@context" in one for one in plain.json)
    linked = await sources.get(f"{PATH}?type=Tram", Accept="application/ld+json")
    assert linked.headers["Content-Type"] == "application/ld+json"
    assert all(one["@context"].endswith("v1.9.jsonld") for one in linked.json)
    assert "Link" not in linked.headers
    with_slash = await sources.get(f"{PATH}/?type=Tram")
    assert with_slash.json == plain.json


async def test_an_unknown_tenant_has_no_registrations(api: Api) -> None:
    answer = await api.get(f"{PATH}?type=Car")
    assert (answer.status, answer.json["type"]) == (404, ERRORS + "NonexistentTenant")
