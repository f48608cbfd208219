"""What holds for all operations (CIM 009 V1.9.1, 6.3.2 to 6.3.6, 6.3.14, 5.5.10)."""

from __future__ import annotations

import pytest

from tests.fixtures.broker import Api
from tests.fixtures.governed import Governed

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
ENTITY = {"id": "urn:x:1", "type": "T"}
LINK = '<https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld>; rel="http://www.w3.org/ns/json-ld#context"'


async def test_415_has_no_body(api: Api) -> None:
    answer = await api.call("POST", "/entities", raw=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (415, b"")
    assert "Content-Type" not in answer.headers


async def test_411_without_content_length(api: Api) -> None:
    async def chunks() -> object:
        yield b"{}"

    async with api.http.post(
        f"{api.url}/ngsi-ld/v1/entities",
        data=chunks(),
        headers={"Content-Type": "application/json", "NGSILD-Tenant": str(api.tenant)},
    ) as answer:
        assert (answer.status, await answer.read()) == (411, b"")


async def test_411_comes_before_the_tenant_and_the_decision(governed: Governed) -> None:
    """Whatever the request targets; it is on record like every other (6.3.2, 6.3.4)."""

    async def chunks() -> object:
        yield b"{}"

    for tenant in (None, "nosuchtenant"):
        named = {} if tenant is None else {"NGSILD-Tenant": tenant}
        async with governed.api.http.post(
            f"{governed.api.url}/ngsi-ld/v1/entities",
            data=chunks(),
            headers={"Content-Type": "application/json", **named},
        ) as answer:
            assert (answer.status, await answer.read()) == (411, b"")
            assert "Datapolis-Audit" in answer.headers
        refused = await governed.api.call("POST", "/entities", ENTITY, named)
        assert refused.status == 401


async def test_413_for_a_body_that_is_too_long(api: Api) -> None:
    answer = await api.call("POST", "/entities", raw=b'{"id":"' + b"x" * (8 * 1024 * 1024) + b'"}')
    assert answer.status == 413


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0"])
async def test_406_lists_what_there_is(api: Api, accept: str) -> None:
    await api.post("/entities", ENTITY)
    for path in ("/entities/urn:x:1", "/entities?type=T"):
        answer = await api.get(path, Accept=accept)
        assert answer.status == 406
        assert answer.json["available"] == ["application/json", "application/ld+json", "application/geo+json"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/ld+json, application/json", "application/json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("text/html, application/ld+json;q=0.1", "application/ld+json"),
        ("*/*;q=0.1, application/ld+json", "application/ld+json"),
        ("application/ld+json;q=nonsense", "application/ld+json"),
        ("application/geo+json;q=0.9, application/json;q=0.8, text/plain", "application/geo+json"),
        ("application/ld+json;q=0.2, application/*;q=0.5", "application/json"),
    ],
)
async def test_accept(api: Api, accept: str, media: str) -> None:
    await api.post("/entities", ENTITY)
    assert (await api.get("/entities/urn:x:1", Accept=accept)).headers["Content-Type"] == media


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/types", {"GET"}),
        ("POST", "/entities/urn:x:1", {"GET", "DELETE"}),
        ("GET", "/entityOperations/upsert", {"POST"}),
        ("PUT", "/entityOperations/delete", {"POST"}),
    ],
)
async def test_405_names_the_methods(api: Api, method: str, path: str, allow: set[str]) -> None:
    answer = await api.call(method, path)
    assert answer.status == 405
    assert allow | {"OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert method not in answer.headers["Allow"].split(", ")
    assert (answer.json["type"], answer.json["status"]) == (ERRORS + "InvalidRequest", 405)
    assert answer.headers["NGSILD-Tenant"] == api.tenant
    options = await api.call("OPTIONS", path)
    assert (options.status, options.body, options.headers["Allow"]) == (204, b"", answer.headers["Allow"])


async def test_options_of_nothing_is_404(api: Api) -> None:
    assert (await api.call("OPTIONS", "/nowhere")).status == 404


async def test_an_unknown_resource_is_404_with_problem_details(api: Api) -> None:
    answer = await api.get("/nowhere")
    assert (answer.status, answer.json["type"]) == (404, ERRORS + "ResourceNotFound")
    assert answer.headers["NGSILD-Tenant"] == api.tenant


async def test_context_in_body_and_by_link_do_not_mix(api: Api) -> None:
    context = {"@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"}
    for body, headers in (
        ({**ENTITY, **context}, {}),
        ({**ENTITY, **context}, {"Content-Type": "application/ld+json", "Link": LINK}),
        (ENTITY, {"Content-Type": "application/ld+json"}),
    ):
        answer = await api.call("POST", "/entities", body, headers)
        assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData"), (body, headers)
    assert (
        await api.call("POST", "/entities", {**ENTITY, **context}, {"Content-Type": "application/ld+json"})
    ).status == 201


async def test_a_context_that_cannot_be_had_is_504(api: Api) -> None:
    body = {**ENTITY, "@context": "http://127.0.0.1:1/none.jsonld"}
    answer = await api.call("POST", "/entities", body, {"Content-Type": "application/ld+json"})
    assert (answer.status, answer.reason) == (504, "Gateway Timeout")
    assert answer.json["type"] == ERRORS + "LdContextNotAvailable"


async def test_the_tenant_is_echoed_on_errors_too_and_absent_where_not_sent(api: Api) -> None:
    await api.post("/entities", ENTITY)
    assert (await api.get("/entities/urn:x:none")).headers["NGSILD-Tenant"] == api.tenant
    default = Api(api.http, api.url, None)
    assert "NGSILD-Tenant" not in (await default.get("/entities/urn:x:none")).headers


async def test_an_unknown_tenant_is_404_for_all_but_create(api: Api) -> None:
    for method, path in (("GET", "/entities/urn:x:1"), ("GET", "/entities?type=T"), ("DELETE", "/entities/urn:x:1")):
        answer = await api.call(method, path)
        assert (answer.status, answer.json["type"]) == (404, ERRORS + "NonexistentTenant")
    assert (await api.post("/entities", ENTITY)).status == 201
    assert (await api.get("/entities/urn:x:1")).status == 200


async def test_tenants_see_nothing_of_each_other(api: Api) -> None:
    other = Api(api.http, api.url, f"{api.tenant}b")
    await api.post("/entities", ENTITY)
    await other.post("/entities", {"id": "urn:x:2", "type": "T"})
    assert [one["id"] for one in (await api.get("/entities?type=T")).json] == ["urn:x:1"]
    assert [one["id"] for one in (await other.get("/entities?type=T")).json] == ["urn:x:2"]
    assert (await other.get("/entities/urn:x:1")).status == 404


async def test_a_tenant_name_that_is_none_is_400(api: Api) -> None:
    answer = await Api(api.http, api.url, "a b").get("/entities?type=T")
    assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")


async def test_open_access_says_so_and_every_answer_has_a_receipt(api: Api) -> None:
    answers = [
        await api.post("/entities", ENTITY),
        await api.get("/entities/urn:x:1"),
        await api.get("/entities?type=T"),
        await api.get("/entities/urn:x:none"),
        await api.call("DELETE", "/entities/urn:x:1"),
    ]
    receipts = {answer.headers["Datapolis-Audit"] for answer in answers}
    assert len(receipts) == len(answers)
    assert {answer.headers["Datapolis-Access"] for answer in answers} == {"open"}


@pytest.mark.parametrize("path", ["/entities?type=T", "/entities/urn:x:1", "/types", "/subscriptions"])
async def test_head_is_no_operation(api: Api, path: str) -> None:
    """No resource of clause 6 has it, so it is answered as any wrong verb is (6.3.2), without a body."""
    await api.post("/entities", ENTITY)
    answer = await api.call("HEAD", path)
    assert (answer.status, answer.body) == (405, b"")
    assert "GET" in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize(
    "link",
    [
        '<https://uri.etsi.org/ngsi-ld/profile/1.8>; rel="profile"',
        f'<https://uri.etsi.org/ngsi-ld/profile/1.8>; rel="profile", {LINK}',
        f'{LINK}, <https://uri.etsi.org/ngsi-ld/profile/1.8>; rel="profile"',
        f'{LINK}; profile="https://uri.etsi.org/ngsi-ld/profile/1.8"',
    ],
    ids=["alone", "before", "after", "parameter"],
)
async def test_a_profile_of_an_earlier_version_is_taken_note_of_and_does_no_harm(api: Api, link: str) -> None:
    """6.3.21 is for those that know a part of the datatypes; all versions' are known here, so nothing is amended."""
    body = {"id": "urn:x:1", "type": "T", "n": {"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00Z"}}
    assert (await api.post("/entities", body, Link=link)).status == 201
    answer = await api.get("/entities/urn:x:1", Link=link)
    assert (answer.status, answer.json) == (200, body)
