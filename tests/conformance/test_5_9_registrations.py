"""Context source registrations: register, update, delete (CIM 009 V1.9.1, 5.9.2 to 5.9.4, 5.2.9, 4.3.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fixtures.broker import Answer, Api, until

PATH = "/csourceRegistrations"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
VEHICLE = {"entities": [{"type": "Vehicle"}]}
SPEED = {"entities": [{"type": "Vehicle", "id": "urn:v:1"}], "propertyNames": ["speed"]}


def registration(id: str = "urn:r:1", **members: Any) -> dict[str, Any]:
    found = {
        "id": id,
        "type": "ContextSourceRegistration",
        "endpoint": "http://source.example",
        "information": [VEHICLE],
        **members,
    }
    return {name: value for name, value in found.items() if value is not ...}


@pytest.fixture
async def shared(api: Api) -> AsyncIterator[Api]:
    """A client under a tenant that tests share, as making one takes longer than they do; it is empty after each."""
    found = Api(api.http, api.url, "shared")
    yield found
    for one in (await found.get(f"{PATH}?type=*&limit=100")).json:
        assert (await found.call("DELETE", f"{PATH}/{one['id']}")).status == 204
    await found.call("DELETE", "/entities/urn:v:1")


async def put(api: Api, **members: Any) -> Answer:
    return await api.post(PATH, registration(**members))


def moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def problem(answer: Answer) -> tuple[int, str, str]:
    body = answer.json
    assert body["title"]
    return answer.status, body["type"].removeprefix(ERRORS), body["detail"]


async def test_every_member_comes_back_as_it_was_given(api: Api) -> None:
    """Own properties too; output members that are sent are ignored, and nothing else is added."""
    given = registration(
        information=[
            {
                "entities": [
                    {"type": ["Vehicle", "Bus"], "idPattern": "^urn:v:"},
                    {"type": "Car", "id": "urn:c:1"},
                ],
                "propertyNames": ["speed", "https://example.org/x"],
                "relationshipNames": ["owner"],
            },
            {"propertyNames": ["speed"]},
        ],
        contextSourceAlias="datapolis-1",
        contextSourceInfo=[{"key": "accept", "value": "application/ld+json"}, {"key": "X-Key", "value": "k"}],
        datasetId=["urn:d:1", "@none"],
        description="What it is",
        expiresAt="2099-01-01T00:00:00Z",
        location={"type": "Point", "coordinates": [8.5, 41.2]},
        management={"cacheDuration": "PT5M", "cooldown": 500, "timeout": 0.5, "localOnly": True},
        mode="redirect",
        observationInterval={"startAt": "2020-01-01T00:00:00Z", "endAt": "2021-01-01T00:00:00.5Z"},
        managementInterval={"startAt": "2020-01-01T00:00:00Z"},
        observationSpace={"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        operationSpace={"type": "Point", "coordinates": [1, 2, 3]},
        operations=["retrieveOps", "updateAttrs"],
        refreshRate="PT0.5S",
        registrationName="Cars",
        scope=["/Madrid", "/Porto/Centro"],
        tenant="other",
        own={"deep": [1, None, {"a": "b"}]},
        label={"type": "LanguageProperty", "languageMap": {"en": "Cars", "pt": "Carros"}},
    )
    made = await api.post(PATH, {**given, "status": "failed", "timesSent": 7, "createdAt": "2000-01-01T00:00:00Z"})
    assert (made.status, made.body, made.headers["Location"]) == (201, b"", "/ngsi-ld/v1" + PATH + "/urn:r:1")
    found = await api.get(f"{PATH}/urn:r:1")
    assert found.json == given
    assert found.headers["Content-Type"] == "application/json"
    linked = await api.get(f"{PATH}/urn:r:1?options=sysAttrs", Accept="application/ld+json")
    assert linked.json.keys() - given.keys() == {"@context", "createdAt", "modifiedAt"}
    assert linked.json["createdAt"] == linked.json["modifiedAt"] > "2026"


async def test_names_are_expanded_by_the_context_in_force(api: Api) -> None:
    """5.5.7: what comes in under one @context goes out under another as an IRI, or as its own term."""
    context = {
        "Vehicle": "https://example.org/Vehicle",
        "speed": "https://example.org/speed",
        "own": "https://e.org/own",
    }
    body = {**registration(information=[SPEED], own=1), "@context": context}
    made = await api.call("POST", PATH, body, {"Content-Type": "application/ld+json"})
    assert made.status == 201
    found = (await api.get(f"{PATH}/urn:r:1")).json
    assert found["information"] == [
        {
            "entities": [{"type": "https://example.org/Vehicle", "id": "urn:v:1"}],
            "propertyNames": ["https://example.org/speed"],
        }
    ]
    assert found["https://e.org/own"] == 1
    assert "own" not in found
    assert (await api.get(f"{PATH}?type=Vehicle")).json == []
    assert len((await api.get(f"{PATH}?type=https://example.org/Vehicle")).json) == 1


async def test_without_an_id_one_is_made(api: Api) -> None:
    made = await put(api, id=...)
    where = made.headers["Location"].removeprefix("/ngsi-ld/v1")
    found = await api.get(where)
    assert (found.status, found.json["id"]) == (200, where.rpartition("/")[2])


BAD: list[tuple[str, dict[str, Any]]] = [
    ("type", {"type": "Subscription"}),
    ("id", {"id": "no-uri"}),
    ("id", {"id": "urn:ngsi-ld:null"}),
    ("endpoint", {"endpoint": ...}),
    ("endpoint", {"endpoint": "ftp://source.example"}),
    ("endpoint", {"endpoint": "http://"}),
    ("information", {"information": ...}),
    ("information", {"information": []}),
    ("information", {"information": VEHICLE}),
    ("information[0]", {"information": [{}]}),
    ("information[1].color", {"information": [VEHICLE, {"color": ["red"]}]}),
    ("information[0].entities", {"information": [{"entities": []}]}),
    ("information[0].entities[0]", {"information": [{"entities": [{}]}]}),
    ("information[0].entities[0].id", {"information": [{"entities": [{"id": "x"}]}]}),
    ("information[0].entities[0].name", {"information": [{"entities": [{"name": "x"}]}]}),
    ("information[0].entities[0].type", {"information": [{"entities": [{"type": []}]}]}),
    ("information[0].entities[0].type[0]", {"information": [{"entities": [{"type": "a b"}]}]}),
    ("information[0].propertyNames", {"information": [{"propertyNames": []}]}),
    ("information[0].relationshipNames[0]", {"information": [{"relationshipNames": [7]}]}),
    ("contextSourceAlias", {"contextSourceAlias": "a b"}),
    ("contextSourceInfo", {"contextSourceInfo": []}),
    ("contextSourceInfo[0]", {"contextSourceInfo": [{"key": "X"}]}),
    ("contextSourceInfo[0].key", {"contextSourceInfo": [{"key": 5, "value": "v"}]}),
    ("contextSourceInfo[0].key", {"contextSourceInfo": [{"key": "NGSILD-Tenant", "value": "v"}]}),
    ("contextSourceInfo[0].value", {"contextSourceInfo": [{"key": "X", "value": "a\r\nb"}]}),
    ("contextSourceInfo[0].value", {"contextSourceInfo": [{"key": "accept", "value": "text/csv"}]}),
    ("contextSourceInfo[0].value", {"contextSourceInfo": [{"key": "contentType", "value": "text/csv"}]}),
    ("contextSourceInfo[0].value", {"contextSourceInfo": [{"key": "jsonldContext", "value": "x"}]}),
    ("contextSourceInfo[0].value", {"contextSourceInfo": [{"key": "ngsildConformance", "value": "1"}]}),
    ("datasetId[0]", {"datasetId": ["x"]}),
    ("description", {"description": ""}),
    ("expiresAt", {"expiresAt": "2026-13-45T00:00:00Z"}),
    ("expiresAt", {"expiresAt": "2000-01-01T00:00:00Z"}),
    ("location", {"location": {"type": "Point", "coordinates": [200, 0]}}),
    ("observationSpace", {"observationSpace": "here"}),
    ("management", {"management": "yes"}),
    ("management.cacheDuration", {"management": {"cacheDuration": "bogus"}}),
    ("management.cooldown", {"management": {"cooldown": 0}}),
    ("management.timeout", {"management": {"timeout": -5}}),
    ("management.localOnly", {"management": {"localOnly": "yes"}}),
    ("management.speed", {"management": {"speed": 1}}),
    ("managementInterval.startAt", {"managementInterval": {"endAt": "2020-01-01T00:00:00Z"}}),
    (
        "observationInterval.endAt",
        {"observationInterval": {"startAt": "2020-01-01T00:00:01Z", "endAt": "2020-01-01T00:00:00Z"}},
    ),
    ("mode", {"mode": "shared"}),
    ("operations", {"operations": []}),
    ("operations[1]", {"operations": ["retrieveOps", "flyOps"]}),
    ("operations", {"mode": "auxiliary", "operations": ["retrieveEntity", "updateEntity"]}),
    ("information[0].entities", {"mode": "exclusive"}),
    (
        "information[0].entities",
        {"mode": "exclusive", "information": [{"entities": [{"idPattern": "x"}], "propertyNames": ["a"]}]},
    ),
    ("information[0]", {"mode": "exclusive", "information": [{"entities": [{"id": "urn:v:1"}]}]}),
    (
        "information",
        {
            "mode": "exclusive",
            "information": [{"entities": [{"id": "urn:v:1"}, {"id": "urn:v:2"}], "propertyNames": ["a"]}],
        },
    ),
    ("refreshRate", {"refreshRate": "P"}),
    ("scope", {"scope": "/1"}),
    ("scope", {"scope": []}),
    ("tenant", {"tenant": ""}),
    ("own", {"own": None}),
    ("https://uri.etsi.org/ngsi-ld/endpoint", {"https://uri.etsi.org/ngsi-ld/endpoint": "http://x.example"}),
]


@pytest.mark.parametrize(("named", "members"), BAD, ids=[f"{n}-{name}" for n, (name, _) in enumerate(BAD)])
async def test_what_is_wrong_is_named_and_nothing_is_kept(shared: Api, named: str, members: dict[str, Any]) -> None:
    status, kind, detail = await problem(await put(shared, **members))
    assert (status, kind, detail.partition(": ")[0]) == (400, "BadRequestData", named)
    assert (await shared.get(f"{PATH}?type=Vehicle")).json == []


async def test_a_registration_is_bounded(shared: Api) -> None:
    """In depth, in EntityInfos, in bytes, also as patches add to it."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for named, members in (
        ("own", {"own": deep}),
        ("location", {"location": {"type": "Point", "coordinates": [1, 2], "more": deep}}),
        ("information", {"information": [{"entities": [{"type": "A"}] * 200}] * 6}),
    ):
        status, kind, detail = await problem(await put(shared, **members))
        assert (status, kind, detail.partition(": ")[0]) == (400, "BadRequestData", named)
    assert (await put(shared, first="x" * 600_000)).status == 201
    status, _, detail = await problem(await shared.call("PATCH", f"{PATH}/urn:r:1", {"second": "x" * 600_000}))
    assert (status, detail.partition(": ")[0]) == (400, "registration")


async def test_an_auxiliary_registration_is_accepted_over_anything(api: Api) -> None:
    """4.3.6.2: there can never be a conflict."""
    await api.post("/entities", {"id": "urn:v:1", "type": "Vehicle", "speed": {"type": "Property", "value": 1}})
    assert (await put(api, mode="auxiliary", information=[SPEED])).status == 201
    assert (await put(api, id="urn:r:2", mode="auxiliary", operations=["queryEntity"])).status == 201


async def test_an_id_is_taken_once(api: Api) -> None:
    assert (await put(api)).status == 201
    status, kind, detail = await problem(await put(api, endpoint="http://other.example"))
    assert (status, kind) == (409, "AlreadyExists")
    assert "urn:r:1" in detail
    assert (await api.get(f"{PATH}/urn:r:1")).json["endpoint"] == "http://source.example"


CONFLICTS = [
    ("exclusive", "exclusive", SPEED, 409),
    ("exclusive", "redirect", SPEED, 409),
    ("redirect", "exclusive", SPEED, 409),
    ("redirect", "redirect", SPEED, 201),
    ("exclusive", "inclusive", SPEED, 201),
    ("inclusive", "exclusive", SPEED, 201),
    ("exclusive", "redirect", VEHICLE, 409),
    ("exclusive", "redirect", {"entities": [{"type": "Bus"}]}, 201),
    ("exclusive", "redirect", {"entities": [{"type": "Bus", "id": "urn:v:1"}]}, 409),
    ("exclusive", "redirect", {"entities": [{"type": "Vehicle", "idPattern": "1$"}]}, 409),
    ("exclusive", "redirect", {"entities": [{"type": "Vehicle", "idPattern": "2$"}]}, 201),
    ("exclusive", "redirect", {"entities": [{"type": "Vehicle"}], "propertyNames": ["color"]}, 201),
    ("exclusive", "redirect", {"relationshipNames": ["speed"]}, 409),
    ("exclusive", "exclusive", {**SPEED, "propertyNames": ["color"]}, 201),
    ("exclusive", "exclusive", {**SPEED, "entities": [{"id": "urn:v:2", "type": "Vehicle"}]}, 201),
]


@pytest.mark.parametrize(("first", "second", "info", "status"), CONFLICTS, ids=range(len(CONFLICTS)))
async def test_proxied_registrations_do_not_overlap(
    shared: Api, first: str, second: str, info: dict[str, Any], status: int
) -> None:
    """4.3.6.3, 5.9.2.4: nothing exclusive or redirected on what is exclusive, nothing exclusive on what is either."""
    assert (await put(shared, mode=first, information=[SPEED])).status == 201
    answer = await put(shared, id="urn:r:2", mode=second, information=[info])
    assert answer.status == status
    if status == 409:
        assert (await problem(answer))[1] == "Conflict"
        assert (await shared.get(f"{PATH}/urn:r:2")).status == 404


HELD = [
    ("exclusive", SPEED, 409),
    ("exclusive", {**SPEED, "entities": [{"type": "Bus", "id": "urn:v:1"}]}, 409),
    ("exclusive", {**SPEED, "propertyNames": ["color"]}, 201),
    ("exclusive", {**SPEED, "entities": [{"type": "Vehicle", "id": "urn:v:2"}]}, 201),
    ("redirect", VEHICLE, 409),
    ("redirect", {"entities": [{"type": "Bus"}]}, 201),
    ("redirect", {"entities": [{"type": "Bus", "id": "urn:v:1"}]}, 201),
    ("redirect", {"entities": [{"type": "Vehicle", "idPattern": "v:1$"}]}, 409),
    ("redirect", {"entities": [{"type": "Vehicle", "idPattern": "v:2$"}]}, 201),
    ("redirect", {"entities": [{"type": "Vehicle"}], "propertyNames": ["color"]}, 201),
    ("redirect", {"propertyNames": ["speed"]}, 409),
    ("inclusive", SPEED, 201),
]


@pytest.mark.parametrize(("mode", "info", "status"), HELD, ids=range(len(HELD)))
async def test_nothing_is_proxied_that_is_held_here(shared: Api, mode: str, info: dict[str, Any], status: int) -> None:
    """5.9.2.4: exclusive over the attributes of an entity, redirect over an entity that matches."""
    await shared.post("/entities", {"id": "urn:v:1", "type": "Vehicle", "speed": {"type": "Property", "value": 1}})
    answer = await put(shared, mode=mode, information=[info])
    assert answer.status == status
    if status == 409:
        kind, detail = (await problem(answer))[1:]
        assert kind == "Conflict"
        assert "urn:v:1" in detail


async def test_a_patch_changes_what_it_names_and_null_removes(api: Api) -> None:
    await put(api, description="old", expiresAt="2099-01-01T00:00:00Z", own=1, other=2, scope="/a")
    fragment = {
        "endpoint": "https://new.example/base",
        "expiresAt": None,
        "own": "urn:ngsi-ld:null",
        "other": 3,
        "status": "failed",
        "information": [SPEED],
    }
    answer = await api.call("PATCH", f"{PATH}/urn:r:1", fragment)
    assert (answer.status, answer.body) == (204, b"")
    assert (await api.get(f"{PATH}/urn:r:1")).json == {
        "id": "urn:r:1",
        "type": "ContextSourceRegistration",
        "endpoint": "https://new.example/base",
        "information": [SPEED],
        "description": "old",
        "scope": "/a",
        "other": 3,
    }
    assert (await api.get(f"{PATH}?type=Vehicle&id=urn:v:2")).json == []
    merged = await api.call(
        "PATCH", f"{PATH}/urn:r:1", {"scope": None}, {"Content-Type": "application/merge-patch+json"}
    )
    assert merged.status == 204
    assert "scope" not in (await api.get(f"{PATH}/urn:r:1")).json


@pytest.mark.parametrize(
    ("fragment", "status", "named"),
    [
        ({"type": "Building"}, 400, "type"),
        ({"id": "urn:r:2"}, 400, "id"),
        ({"information": None}, 400, "information"),
        ({"endpoint": "urn:ngsi-ld:null"}, 400, "endpoint"),
        ({"type": None}, 400, "type"),
        ({"expiresAt": "2000-01-01T00:00:00Z"}, 400, "expiresAt"),
        ({"mode": "exclusive"}, 400, "information[0].entities"),
        ({"mode": "auxiliary", "operations": ["updateOps"]}, 400, "operations"),
        ({"mode": "redirect"}, 409, "information"),
        ([], 400, "registration"),
    ],
)
async def test_a_patch_is_checked_with_what_it_makes(shared: Api, fragment: Any, status: int, named: str) -> None:
    """5.9.3.4: the rules of the modes hold for the registration as it becomes; a refused patch changes nothing."""
    await shared.post("/entities", {"id": "urn:v:1", "type": "Vehicle"})
    await put(shared)
    before = (await shared.get(f"{PATH}/urn:r:1?options=sysAttrs")).json
    found = await problem(await shared.call("PATCH", f"{PATH}/urn:r:1", fragment))
    assert (found[0], found[2].partition(": ")[0]) == (status, named)
    assert (await shared.get(f"{PATH}/urn:r:1?options=sysAttrs")).json == before


async def test_a_registration_does_not_stand_in_its_own_way(api: Api) -> None:
    assert (await put(api, mode="exclusive", information=[SPEED])).status == 201
    assert (await api.call("PATCH", f"{PATH}/urn:r:1", {"description": "still"})).status == 204


async def test_deleted_is_gone_and_what_is_not_there_is_told(api: Api) -> None:
    await put(api)
    assert (await api.call("DELETE", f"{PATH}/urn:r:1", None)).status == 204
    for method, body in (("GET", None), ("PATCH", {"description": "x"}), ("DELETE", None)):
        status, kind, detail = await problem(await api.call(method, f"{PATH}/urn:r:1", body))
        assert (status, kind, detail) == (404, "ResourceNotFound", "id: there is no registration urn:r:1")
        assert (await problem(await api.call(method, f"{PATH}/nouri", body)))[:2] == (400, "BadRequestData")
    assert (await put(api)).status == 201


async def test_an_expired_registration_is_gone_at_once_and_its_id_is_free(api: Api) -> None:
    """5.9.2.4: whether or not the sweeper has been."""
    assert (await put(api, expiresAt=moment(0.7))).status == 201

    async def gone() -> bool:
        return (await api.get(f"{PATH}/urn:r:1")).status == 404

    await until(gone)
    assert (await api.get(f"{PATH}?type=Vehicle&count=true")).headers["NGSILD-Results-Count"] == "0"
    assert (await api.call("PATCH", f"{PATH}/urn:r:1", {"expiresAt": None})).status == 404
    assert (await api.call("DELETE", f"{PATH}/urn:r:1", None)).status == 404
    assert (await put(api)).status == 201


async def test_registrations_belong_to_a_tenant(api: Api) -> None:
    """4.14: another tenant neither sees nor conflicts."""
    other = Api(api.http, api.url, f"{api.tenant}x")
    for one in (api, other):
        assert (await put(one, mode="exclusive", information=[SPEED])).status == 201
    await api.call("DELETE", f"{PATH}/urn:r:1", None)
    assert (await api.get(f"{PATH}/urn:r:1")).status == 404
    assert (await other.get(f"{PATH}/urn:r:1")).status == 200


async def test_of_two_exclusive_ones_made_at_once_one_is_kept(api: Api) -> None:
    await put(api, id="urn:r:0")
    answers = await asyncio.gather(
        *(put(api, id=f"urn:r:{n}", mode="exclusive", information=[SPEED]) for n in range(1, 6))
    )
    assert sorted(one.status for one in answers) == [201, 409, 409, 409, 409]


async def test_entities_are_answered_and_written_as_if_there_were_no_registration(api: Api) -> None:
    """Nothing is forwarded yet: what is held here is answered, a local write is local (ops.registrations)."""
    await put(api, mode="redirect")
    entity = {"id": "urn:v:9", "type": "Vehicle", "speed": {"type": "Property", "value": 1}}
    assert (await api.post("/entities", entity)).status == 201
    assert (await api.get("/entities?type=Vehicle")).json == [entity]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", PATH, 405), ("DELETE", PATH + "/", 405), ("PATCH", PATH + "/", 405), ("POST", PATH + "/urn:r:1", 405)],
)
async def test_other_methods_are_refused_with_those_there_are(api: Api, method: str, path: str, status: int) -> None:
    answer = await api.call(method, path, {})
    assert answer.status == status
    assert answer.headers["Allow"] == ("GET, OPTIONS, POST" if "urn" not in path else "DELETE, GET, OPTIONS, PATCH")


async def test_media_types_are_those_of_the_other_resources(api: Api) -> None:
    await put(api)
    assert (await api.call("OPTIONS", PATH, None)).headers["Allow"] == "GET, OPTIONS, POST"
    for path in (f"{PATH}?type=Vehicle", f"{PATH}/urn:r:1"):
        assert (await api.get(path, Accept="text/csv")).status == 406
    text = await api.call("POST", PATH, registration(), {"Content-Type": "text/csv"})
    assert (text.status, text.body) == (415, b"")
    inside = await api.call("POST", PATH, {**registration(), "@context": {}}, {"Content-Type": "application/json"})
    assert (await problem(inside))[:2] == (400, "BadRequestData")
