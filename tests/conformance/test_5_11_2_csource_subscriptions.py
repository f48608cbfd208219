"""Context source registration subscriptions as resources (CIM 009 V1.9.1, 5.11.2 to 5.11.6, 6.12, 6.13)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.broker import Api

_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
_PATH = "/csourceSubscriptions"
_ID = "urn:ngsi-ld:Subscription:a"
_FULL = {
    "subscriptionName": "weather",
    "description": "who has weather",
    "watchedAttributes": ["speed", "temperature"],
    "q": "speed>1",
    "csf": 'quality=="good"',
    "scopeQ": "/Madrid/#",
    "geoQ": {"georel": "within", "geometry": "Point", "coordinates": [1, 2], "geoproperty": "observationSpace"},
    "temporalQ": {"timerel": "between", "timeAt": "2026-01-01T00:00:00Z", "endTimeAt": "2026-02-01T00:00:00Z"},
    "datasetId": ["@none", "urn:ngsi-ld:Dataset:1"],
    "notificationTrigger": ["entityDeleted"],
    "lang": "fr",
    "expandValues": "category",
    "jsonKeys": "raw",
    "splitEntities": True,
    "expiresAt": "2100-01-01T00:00:00Z",
    "isActive": False,
}


def _subscription(**members: Any) -> dict[str, Any]:
    notification = {"endpoint": {"uri": "http://127.0.0.1:9/x"}, **members.pop("notification", {})}
    return {"type": "Subscription", "entities": [{"type": "Vehicle"}], **members, "notification": notification}


async def test_create_retrieve_and_delete(api: Api) -> None:
    created = await api.post(_PATH, _subscription(id=_ID))
    assert (created.status, created.body) == (201, b"")
    assert created.headers["Location"] == f"/ngsi-ld/v1/csourceSubscriptions/{_ID}"
    assert created.headers["Datapolis-Audit"]
    found = await api.get(f"{_PATH}/{_ID}")
    assert (found.status, found.json) == (200, _subscription(id=_ID) | {"status": "active"})
    assert found.headers["Link"] == (
        f'<{_CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    )
    again = await api.post(_PATH, _subscription(id=_ID))
    assert (again.status, again.json["type"]) == (409, "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists")
    assert (await api.call("DELETE", f"{_PATH}/{_ID}")).status == 204
    gone = await api.get(f"{_PATH}/{_ID}")
    assert (gone.status, gone.json["type"]) == (404, "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound")
    assert (await api.call("DELETE", f"{_PATH}/{_ID}")).status == 404
    assert (await api.get(_PATH)).json == []


async def test_every_member_comes_back_as_it_was_sent(api: Api) -> None:
    notification = {"attributes": ["temperature"], "format": "keyValues", "sysAttrs": True}
    sent = _subscription(id=_ID, **_FULL, notification=notification)
    assert (await api.post(_PATH, sent)).status == 201
    assert (await api.get(f"{_PATH}/{_ID}")).json == sent | {"status": "paused"}
    periodic = _subscription(timeInterval=2.5)
    made = await api.post(_PATH, periodic)
    assert made.status == 201
    id = made.headers["Location"].removeprefix("/ngsi-ld/v1/csourceSubscriptions/")
    assert id.startswith("urn:ngsi-ld:Subscription:")
    assert (await api.get(f"{_PATH}/{id}")).json == periodic | {"id": id, "status": "active"}


async def test_names_are_kept_in_full_and_shown_in_the_context_asked_with(api: Api) -> None:
    context = {"Car": "https://example.org/Car", "pace": "https://example.org/pace"}
    sent = _subscription(id=_ID, entities=[{"type": "Car"}], watchedAttributes=["pace"], csf="pace>1")
    sent["@context"] = [context, _CORE]
    assert (await api.call("POST", _PATH, sent, {"Content-Type": "application/ld+json"})).status == 201
    found = (await api.get(f"{_PATH}/{_ID}")).json
    assert found["entities"] == [{"type": "https://example.org/Car"}]
    assert found["watchedAttributes"] == ["https://example.org/pace"]
    assert found["csf"] == "<https://example.org/pace>>1"
    assert found["jsonldContext"].rpartition("/")[0].endswith("/ngsi-ld/v1/jsonldContexts")
    ld = await api.get(f"{_PATH}/{_ID}", Accept="application/ld+json")
    assert (ld.json["@context"], ld.headers["Content-Type"]) == (_CORE, "application/ld+json")
    assert "Link" not in ld.headers


async def test_pages(api: Api) -> None:
    for name in "abc":
        assert (await api.post(_PATH, _subscription(id=f"urn:ngsi-ld:Subscription:{name}"))).status == 201
    page = await api.get(f"{_PATH}?limit=1&offset=1&count=true")
    assert [one["id"] for one in page.json] == ["urn:ngsi-ld:Subscription:b"]
    assert page.headers["NGSILD-Results-Count"] == "3"
    links = page.headers.getall("Link")[1:]
    path = "/ngsi-ld/v1/csourceSubscriptions?count=true&limit=1&offset="
    assert links == [
        f'<{path}2>;rel="next";type="application/ld+json"',
        f'<{path}0>;rel="prev";type="application/ld+json"',
    ]
    whole = await api.get(f"{_PATH}/")
    assert len(whole.json) == 3
    assert len(whole.headers.getall("Link")) == 1
    assert "NGSILD-Results-Count" not in whole.headers
    for query in ("limit=-5", "limit=2&offset=-3", "limit=0&offset=-1", "count=maybe"):
        answer = await api.get(f"{_PATH}?{query}")
        assert (answer.status, answer.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/BadRequestData")
    assert (await api.get(f"{_PATH}?q=x")).json["type"] == "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest"


async def test_change(api: Api) -> None:
    await api.post(_PATH, _subscription(id=_ID, csf="quality==1", lang="fr", scopeQ="/a"))
    fragment = {"type": "Subscription", "isActive": False, "csf": None, "scopeQ": "urn:ngsi-ld:null", "lang": "de"}
    changed = await api.call("PATCH", f"{_PATH}/{_ID}", fragment)
    assert (changed.status, changed.body) == (204, b"")
    expected = _subscription(id=_ID, lang="de") | {"isActive": False, "status": "paused"}
    assert (await api.get(f"{_PATH}/{_ID}")).json == expected
    notification = {"endpoint": {"uri": "http://127.0.0.1:9/other"}, "format": "concise"}
    assert (await api.call("PATCH", f"{_PATH}/{_ID}", {"notification": notification})).status == 204
    assert (await api.get(f"{_PATH}/{_ID}")).json["notification"] == notification
    for wrong, member in (
        ({"type": None}, "type"),
        ({"id": "urn:ngsi-ld:Subscription:b"}, "id"),
        ({"notification": {"format": "keyValues"}}, "notification.endpoint"),
        ({"notification": None}, "notification"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"timeInterval": 1, "watchedAttributes": ["speed"]}, "timeInterval"),
    ):
        answer = await api.call("PATCH", f"{_PATH}/{_ID}", wrong)
        assert (answer.status, answer.json["detail"].partition(":")[0]) == (400, member)
    assert (await api.call("PATCH", f"{_PATH}/urn:ngsi-ld:Subscription:none", {"isActive": True})).status == 404
    assert (await api.call("PATCH", f"{_PATH}/nonsense", {"isActive": True})).status == 400
    broken = await api.call("PATCH", f"{_PATH}/{_ID}", raw=b'{"isActive": ,}')
    assert broken.json["type"] == "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest"
    assert (await api.get(f"{_PATH}/{_ID}")).json["status"] == "paused"


@pytest.mark.parametrize(
    ("members", "detail"),
    [
        ({"type": "Random"}, "type: must be Subscription"),
        ({"notification": {"endpoint": {}}}, "notification.endpoint.uri: "),
        ({"q": "speed>"}, "q: "),
        ({"watchedAttributes": []}, "watchedAttributes: must be an array of 1 to 200 items"),
        ({"expiresAt": "2018-08-01T22:07:00Z"}, "expiresAt: lies in the past"),
        ({"unheard": 1}, "unheard: a Subscription has no such member"),
        ({"entities": [{"id": "urn:a:1"}]}, "entities[0].type: missing"),
        ({"csf": 5}, "csf: must be a string"),
        ({"temporalQ": {"timeAt": "2026-01-01T00:00:00Z"}}, "temporalQ.timerel: missing"),
        ({"temporalQ": {"timerel": "during", "timeAt": "2026-01-01T00:00:00Z"}}, "temporalQ.timerel: expected before"),
        ({"temporalQ": {"timerel": "after"}}, "temporalQ.timeAt: missing"),
        ({"temporalQ": {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z", "x": 1}}, "temporalQ.x: "),
        ({"temporalQ": {"timerel": "after", "timeAt": "yesterday"}}, "temporalQ.timeAt: 'yesterday' is not"),
        ({"datasetId": "urn:a"}, "datasetId: must be an array"),
        ({"datasetId": ["none"]}, "datasetId[0]: "),
        ({"timeInterval": 0}, "timeInterval: must be a number of seconds greater than 0"),
        ({"timeInterval": True}, "timeInterval: must be a number of seconds greater than 0"),
        ({"timeInterval": 1, "watchedAttributes": ["speed"]}, "timeInterval: cannot stand beside"),
        ({"notificationTrigger": ["entityMoved"]}, "notificationTrigger: 'entityMoved' is none of"),
        ({"notification": {"format": "xml"}}, "notification.format: must be"),
        ({"notification": {"sysAttrs": 1}}, "notification.sysAttrs: must be true or false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_is_wrong_is_named(api: Api, members: dict[str, Any], detail: str) -> None:
    answer = await api.post(_PATH, _subscription(id=_ID) | members)
    assert (answer.status, answer.json["type"]) == (400, "https://uri.etsi.org/ngsi-ld/errors/BadRequestData")
    assert answer.json["detail"].startswith(detail)
    assert (await api.get(_PATH)).json == []


async def test_what_cannot_be_acted_on_is_refused_by_name(api: Api) -> None:
    geo = {"uri": "http://a.example", "accept": "application/geo+json"}
    for members, name in (
        ({"throttling": 5}, "throttling"),
        ({"ngsildConformance": "1.3"}, "ngsildConformance"),
        ({"notification": {"join": "flat"}}, "notification.join"),
        (
            {"notification": {"endpoint": geo}},
            "notification.endpoint.accept",
        ),
        ({"notification": {"endpoint": {"uri": "mqtt://127.0.0.1/x"}}}, "notification.endpoint.uri"),
    ):
        answer = await api.post(_PATH, _subscription(**members))
        assert (answer.status, answer.json["detail"].partition(":")[0]) == (422, name)
        assert answer.json["type"] == "https://uri.etsi.org/ngsi-ld/errors/OperationNotSupported"
    assert (await api.get(_PATH)).json == []


async def test_without_notification_and_without_anything_watched(api: Api) -> None:
    bare = {"type": "Subscription", "entities": [{"type": "Vehicle"}]}
    assert (await api.post(_PATH, bare)).json["detail"] == "notification: missing"
    unwatched = _subscription()
    del unwatched["entities"]
    assert (await api.post(_PATH, unwatched)).json["detail"].startswith("entities: at least one of")
    assert (await api.post(_PATH, unwatched | {"watchedAttributes": ["speed"]})).status == 201


async def test_the_binding_is_as_elsewhere(api: Api) -> None:
    await api.post(_PATH, _subscription(id=_ID))
    assert (await api.call("PUT", _PATH, {})).status == 405
    allowed = await api.call("OPTIONS", f"{_PATH}/{_ID}")
    assert {one.strip() for one in allowed.headers["Allow"].split(",")} >= {"GET", "PATCH", "DELETE"}
    for path in (_PATH, f"{_PATH}/{_ID}"):
        answer = await api.get(path, Accept="text/html")
        assert (answer.status, answer.headers["NGSILD-Tenant"]) == (406, api.tenant)
    assert (await api.call("POST", _PATH, raw=b"x", headers={"Content-Type": "text/plain"})).status == 415
    assert (await api.get(f"{_PATH}/nonsense")).status == 400
    assert (await api.call("DELETE", f"{_PATH}/nonsense")).status == 400


async def test_other_subscriptions_and_other_tenants_are_apart(api: Api) -> None:
    assert (await api.post(_PATH, _subscription(id=_ID))).status == 201
    assert (await api.get(f"/subscriptions/{_ID}")).status == 404
    assert (await api.post("/subscriptions", _subscription(id=_ID))).status == 201
    assert (await api.call("DELETE", f"/subscriptions/{_ID}")).status == 204
    assert (await api.get(f"{_PATH}/{_ID}")).status == 200
    other = Api(api.http, api.url, f"t{uuid4().hex[:12]}")
    assert (await other.post(_PATH, _subscription(id="urn:ngsi-ld:Subscription:b"))).status == 201
    assert [one["id"] for one in (await other.get(_PATH)).json] == ["urn:ngsi-ld:Subscription:b"]
    assert (await other.get(f"{_PATH}/{_ID}")).status == 404
