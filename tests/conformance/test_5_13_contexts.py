"""Storing, listing, serving, deleting and reloading @contexts (CIM 009 V1.9.1, 5.13, 6.29, 6.30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from policies.store.connect import connect
from tests.fixtures.broker import Api, BrokerProcess
from tests.fixtures.governed import Governed
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
PATH = "/jsonldContexts"
HOSTED = {"@context": {"speed": "https://a.example/speed"}}
REL = 'rel="http://www.w3.org/ns/json-ld#context"'


class Site:
    """A web server of one context, which counts what is asked of it."""

    def __init__(self, base: str) -> None:
        self.url = f"{base}/{uuid4().hex}.jsonld"
        self.hits = 0
        self.body: Any = {"@context": {"speed": "https://a.example/speed"}}

    async def answer(self, _: web.Request) -> web.StreamResponse:
        self.hits += 1
        return web.json_response(self.body) if self.body is not None else web.Response(status=500)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    app = web.Application()
    runner = web.AppRunner(app)
    found = Site("")
    app.router.add_get("/{path:.*}", found.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}{found.url}"
    yield found
    await runner.cleanup()


async def add(api: Api, document: Any = HOSTED) -> str:
    answer = await api.post(PATH, document)
    assert (answer.status, answer.body) == (201, b"")
    location: str = answer.headers["Location"]
    assert location.startswith("/ngsi-ld/v1/jsonldContexts/")
    return location.rsplit("/", 1)[1]


async def use(api: Api, url: str, number: int) -> None:
    entity = {"id": f"urn:x:{number}", "type": "T", "speed": {"value": number}}
    assert (await api.post("/entities", entity, Link=f"<{url}>; {REL}")).status == 201


async def about(api: Api, name: str) -> Any:
    answer = await api.get(f"{PATH}/{quote(name, safe='')}?details=true")
    return answer.json if answer.status == 200 else answer.status


async def test_a_hosted_context_is_served_and_described(api: Api) -> None:
    local_id = await add(api, {**HOSTED, "other": 1})
    answer = await api.get(f"{PATH}/{local_id}")
    assert (answer.status, answer.json) == (200, HOSTED)
    assert answer.headers["Content-Type"] == "application/json"
    linked = await api.get(f"{PATH}/{local_id}", Accept="application/ld+json")
    assert (linked.json, linked.headers["Content-Type"]) == (HOSTED, "application/ld+json")
    found = await about(api, local_id)
    assert found.pop("createdAt").endswith("Z")
    assert found == {"URL": f"{api.url}/ngsi-ld/v1{PATH}/{local_id}", "localId": local_id, "kind": "Hosted"}
    assert (await about(api, f"{api.url}/ngsi-ld/v1{PATH}/{local_id}"))["localId"] == local_id


async def test_a_hosted_context_is_used_by_its_url(api: Api) -> None:
    local_id = await add(api)
    url = f"{api.url}/ngsi-ld/v1{PATH}/{local_id}"
    await use(api, url, 1)
    assert "https://a.example/speed" in (await api.get("/entities/urn:x:1")).json
    assert (await api.get("/attributes/speed", Link=f"<{url}>; {REL}")).json["id"] == "https://a.example/speed"
    assert (await api.call("DELETE", f"{PATH}/{local_id}")).status == 204
    gone = await api.get("/attributes/speed", Link=f"<{url}>; {REL}")
    assert (gone.status, gone.json["type"]) == (504, ERRORS + "LdContextNotAvailable")


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"@context": 5}, "BadRequestData"),
        ({"@context": True}, "BadRequestData"),
        ({"@context": ["http://a.example/c", 5]}, "BadRequestData"),
        ({"@context": {"a": {"@context": {}}}}, "BadRequestData"),
        ({"other": {}}, "InvalidRequest"),
        ([HOSTED], "InvalidRequest"),
    ],
)
async def test_what_cannot_be_stored(api: Api, document: Any, name: str) -> None:
    answer = await api.post(PATH, document)
    assert (answer.status, answer.json["type"]) == (400, ERRORS + name)
    assert "Location" not in answer.headers
    assert (await api.get(f"{PATH}?kind=Hosted")).json == []


async def test_lists(api: Api, site: Site) -> None:
    first, second = await add(api), await add(api)
    await use(api, site.url, 1)
    own = [f"{api.url}/ngsi-ld/v1{PATH}/{one}" for one in (first, second)]
    assert (await api.get(f"{PATH}?kind=Hosted")).json == own
    everything = (await api.get(f"{PATH}/")).json
    assert [one for one in everything if one in (*own, site.url)] == [*own, site.url]
    cached = (await api.get(f"{PATH}?kind=Cached&details=false")).json
    assert site.url in cached
    assert not set(own) & set(cached)
    assert (await api.get(f"{PATH}?kind=ImplicitlyCreated")).json == []
    details = (await api.get(f"{PATH}?kind=Hosted&details=true")).json
    assert [(one["localId"], one["kind"]) for one in details] == [(first, "Hosted"), (second, "Hosted")]
    assert CORE not in everything


@pytest.mark.parametrize("query", ["?kind=other", "?details=2", "?limit=1"])
async def test_lists_of_nothing_known(api: Api, query: str) -> None:
    assert (await api.get(PATH + query)).status == 400


async def test_a_cached_context_is_described_and_counted_not_served(api: Api, site: Site) -> None:
    await use(api, site.url, 1)
    first = await about(api, site.url)
    assert (first["URL"], first["kind"], first["numberOfHits"]) == (site.url, "Cached", 1)
    assert {"createdAt", "expiresAt", "lastUsage"} < first.keys()
    await use(api, site.url, 2)
    assert (await about(api, first["localId"]))["numberOfHits"] == 3
    assert site.hits == 1
    served = await api.get(f"{PATH}/{first['localId']}")
    assert (served.status, served.json["type"]) == (422, ERRORS + "OperationNotSupported")


async def test_a_cached_context_is_deleted_and_fetched_again_when_needed(api: Api, site: Site) -> None:
    await use(api, site.url, 1)
    name = quote(site.url, safe="")
    assert (await api.call("DELETE", f"{PATH}/{name}")).status == 204
    assert await about(api, site.url) == 404
    assert (await api.call("DELETE", f"{PATH}/{name}")).status == 404
    await use(api, site.url, 2)
    assert (site.hits, (await about(api, site.url))["kind"]) == (2, "Cached")


async def test_reload_replaces_the_cached_copy_or_leaves_it(api: Api, site: Site) -> None:
    await use(api, site.url, 1)
    name = quote(site.url, safe="")
    site.body = {"@context": {"speed": "https://b.example/speed"}}
    assert (await api.call("DELETE", f"{PATH}/{name}?reload=true")).status == 204
    link = f"<{site.url}>; {REL}"
    await use(api, site.url, 2)
    assert (await api.get("/attributes/speed", Link=link)).json["id"] == "https://b.example/speed"
    for body in (None, {"@context": 5}, {"nothing": 1}):
        site.body = body
        failed = await api.call("DELETE", f"{PATH}/{name}?reload=true")
        assert (failed.status, failed.json["type"]) == (504, ERRORS + "LdContextNotAvailable")
    assert (await api.get("/attributes/speed", Link=link)).json["id"] == "https://b.example/speed"
    assert (await api.call("DELETE", f"{PATH}/{name}")).status == 204


async def test_only_what_is_cached_is_reloaded(api: Api) -> None:
    local_id = await add(api)
    for name in (local_id, "none", "urn:x:none"):
        answer = await api.call("DELETE", f"{PATH}/{name}?reload=true")
        assert (answer.status, answer.json["type"]) == (400, ERRORS + "BadRequestData")
    assert (await api.get(f"{PATH}/{local_id}")).status == 200


async def test_the_core_context_stays(api: Api) -> None:
    await add(api)
    name = quote(CORE, safe="")
    assert (await about(api, CORE))["kind"] == "Cached"
    assert (await api.get(f"{PATH}/{name}")).status == 422
    refused = await api.call("DELETE", f"{PATH}/{name}")
    assert (refused.status, refused.json["type"]) == (400, ERRORS + "BadRequestData")
    assert (await api.call("DELETE", f"{PATH}/{name}?reload=true")).status == 204
    assert (await about(api, CORE))["kind"] == "Cached"


async def test_what_is_not_there(api: Api) -> None:
    await add(api)
    for method, query in (("GET", ""), ("GET", "?details=true"), ("DELETE", "")):
        answer = await api.call(method, f"{PATH}/none{query}")
        assert (answer.status, answer.json["type"]) == (404, ERRORS + "ResourceNotFound")
    assert (await api.call("GET", f"{PATH}/a%00b")).status == 404
    assert (await api.call("PATCH", f"{PATH}/none", {})).status == 405


async def test_a_hosted_context_belongs_to_its_tenant(api: Api, open_broker: BrokerProcess) -> None:
    local_id = await add(api)
    other = Api(api.http, open_broker.url, f"t{uuid4().hex[:12]}")
    assert (await other.get(f"{PATH}/{local_id}")).status == 404
    assert (await other.get(f"{PATH}/{local_id}?details=true")).status == 404
    listed = await other.get(f"{PATH}?details=true")
    assert (listed.status, local_id in str(listed.json)) == (200, False)
    assert (await other.call("DELETE", f"{PATH}/{local_id}")).status == 404
    assert (await api.get(f"{PATH}/{local_id}")).json == HOSTED


async def test_a_context_brought_along_by_a_query_can_be_had_from_the_link(api: Api) -> None:
    await use(api, f"{api.url}/ngsi-ld/v1{PATH}/{await add(api)}", 1)
    context = [{"v": "https://a.example/speed", "T": "https://uri.etsi.org/ngsi-ld/default-context/T"}, CORE]
    query = {"type": "Query", "entities": [{"type": "T"}], "@context": context}
    links = []
    for _ in range(2):
        answer = await api.post("/entityOperations/query", query, Content_Type="application/ld+json")
        assert answer.json[0]["v"] == {"type": "Property", "value": 1}
        links += answer.headers.getall("Link")
    url = links[0][1:].partition(">")[0]
    assert links == [f'<{url}>; {REL}; type="application/ld+json"'] * 2
    local_id = url.rsplit("/", 1)[1]
    assert url == f"{api.url}/ngsi-ld/v1{PATH}/{local_id}"
    assert (await api.get(f"{PATH}/{local_id}")).json == {"@context": context}
    found = await about(api, local_id)
    assert (found["kind"], "expiresAt" in found) == ("ImplicitlyCreated", True)
    await use(api, url, 2)
    plain = await api.post("/entityOperations/query", {"type": "Query", "q": "v"}, Link=f"<{url}>; {REL}")
    assert plain.headers.getall("Link") == [f'<{url}>; {REL}; type="application/ld+json"']


async def test_a_subscription_with_a_context_of_its_own_names_it(api: Api, sink: Sink) -> None:
    await add(api)
    context = ["https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld", {"v": "https://a.example/v"}]
    body = {
        "id": "urn:s:1",
        "type": "Subscription",
        "entities": [{"type": "T"}],
        "notification": {"endpoint": {"uri": sink.url}},
        "@context": context,
    }
    assert (await api.post("/subscriptions", body, Content_Type="application/ld+json")).status == 201
    url = (await api.get("/subscriptions/urn:s:1")).json["jsonldContext"]
    assert (await api.get(f"{PATH}?kind=ImplicitlyCreated")).json == [url]
    found = await about(api, url)
    assert (found["kind"], "expiresAt" in found) == ("ImplicitlyCreated", False)
    assert (await api.get(f"{PATH}/{found['localId']}")).json == {"@context": context}


def steward_of(governed: Governed) -> dict[str, str]:
    token = governed.issuer.token("urn:party:steward", "steward", ["steward:mobility"])
    return {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:PublicBenefit"}


async def test_who_may_what(governed: Governed) -> None:
    """The department publishes and so stores; the steward manages; the public reads what is hosted."""
    department = governed.headers("urn:party:mobility-dept", "department", "dpv:ServiceManagement")
    steward = steward_of(governed)
    vendor = governed.headers("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
    other = governed.headers("urn:party:env-dept", "department", "dpv:ServiceManagement")
    public = governed.headers(None)

    async def call(method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
        return await governed.api.call(method, PATH + path, body, headers=headers)

    for refused in (vendor, public):
        assert (await call("POST", "", refused, HOSTED)).status in (401, 403)
    made = await call("POST", "", department, HOSTED)
    assert made.status == 201
    assert "Datapolis-Audit" in made.headers
    local_id = made.headers["Location"].rsplit("/", 1)[1]
    for reader in (vendor, public, other, steward):
        assert (await call("GET", f"/{local_id}", reader)).json == HOSTED
        assert any(local_id in one for one in (await call("GET", "", reader)).json)
    assert (await call("DELETE", f"/{local_id}", other)).status == 404
    for refused in (vendor, public):
        assert (await call("DELETE", f"/{local_id}", refused)).status in (401, 403)
    assert (await call("DELETE", f"/{local_id}?reload=true", department)).status == 403
    assert (await call("DELETE", f"/{local_id}", department)).status == 204
    again = await call("POST", "", department, HOSTED)
    local_id = again.headers["Location"].rsplit("/", 1)[1]
    assert (await call("DELETE", f"/{local_id}", steward)).status == 204
    assert (await call("GET", f"/{local_id}", public)).status == 404


async def test_what_is_cached_shows_to_those_who_manage_it(governed: Governed, site: Site) -> None:
    public = governed.headers(None)
    steward = steward_of(governed)
    read = await governed.get("/types", {**public, "Link": f"<{site.url}>; {REL}"})
    assert read.status == 200
    name = quote(site.url, safe="")
    assert (await governed.get(f"{PATH}/{name}?details=true", public)).status == 404
    assert (await governed.get(f"{PATH}/{name}", public)).status == 404
    assert site.url not in (await governed.get(PATH, public)).json
    described = await governed.get(f"{PATH}/{name}?details=true", steward)
    assert (described.status, described.json["kind"]) == (200, "Cached")
    assert "Datapolis-Audit" in described.headers
    assert site.url in (await governed.get(f"{PATH}?kind=Cached", steward)).json
    city = await governed.get(f"{PATH}/city?details=true", public)
    assert (city.status, city.json["kind"], city.json["localId"]) == (200, "Hosted", "city")
    assert "@context" in (await governed.get(f"{PATH}/city", public)).json


async def test_other_workers_notice_within_seconds(open_broker: BrokerProcess, site: Site) -> None:
    """What another process does to the table is what this one sees: here the test is the other process."""
    async with aiohttp.ClientSession() as http:
        api = Api(http, open_broker.url, f"t{uuid4().hex[:12]}")
        await use(api, site.url, 1)
        site.body = {"@context": {"speed": "https://b.example/speed"}}
        conn = await connect(open_broker.database.dsn("broker"))
        await conn.execute("UPDATE broker.contexts SET expires_at = now() WHERE url = $1", site.url)
        await conn.close()
        await asyncio.sleep(1.5)
        await use(api, site.url, 2)
        assert (await api.get("/entities/urn:x:2")).json.keys() == {"id", "type", "https://b.example/speed"}
        assert site.hits == 2
