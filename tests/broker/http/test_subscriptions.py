"""/subscriptions over HTTP, and from a write to its notification (CIM 009 V1.9.1, 5.8, 6.10, 6.11)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.faults.processes import Worker, workers
from tests.faults.streams import declare
from tests.fixtures.broker import Api, BrokerProcess
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

_VEHICLE = {"id": "urn:ngsi-ld:Vehicle:1", "type": "Vehicle", "speed": {"type": "Property", "value": 1}}


def _subscription(uri: str = "http://127.0.0.1:9/x", **members: Any) -> dict[str, Any]:
    return {
        "type": "Subscription",
        "entities": [{"type": "Vehicle"}],
        "notification": {"endpoint": {"uri": uri}},
        **members,
    }


async def _tenant(api: Api) -> None:
    assert (await api.post("/entities", _VEHICLE)).status == 201


async def test_create_retrieve_and_delete(api: Api) -> None:
    await _tenant(api)
    id = "urn:ngsi-ld:Subscription:a"
    created = await api.post("/subscriptions", _subscription(id=id, watchedAttributes=["speed"], q="speed>1"))
    assert (created.status, created.body) == (201, b"")
    assert created.headers["Location"] == f"/ngsi-ld/v1/subscriptions/{id}"
    assert created.headers["Datapolis-Audit"]
    found = await api.get(f"/subscriptions/{id}")
    assert found.status == 200
    assert found.json == _subscription(id=id, watchedAttributes=["speed"], q="speed>1") | {
        "notificationTrigger": ["attributeCreated", "attributeUpdated"],
        "status": "active",
    }
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in found.headers["Link"]
    again = await api.post("/subscriptions", _subscription(id=id))
    assert (again.status, again.json["title"]) == (409, "The element already exists")
    assert (await api.call("DELETE", f"/subscriptions/{id}")).status == 204
    gone = await api.get(f"/subscriptions/{id}")
    assert (gone.status, gone.json["type"]) == (404, "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound")
    assert (await api.call("DELETE", f"/subscriptions/{id}")).status == 404


async def test_pages_with_count(api: Api) -> None:
    await _tenant(api)
    for name in "abc":
        assert (await api.post("/subscriptions", _subscription(id=f"urn:ngsi-ld:Subscription:{name}"))).status == 201
    page = await api.get("/subscriptions?limit=2&count=true")
    assert [one["id"][-1] for one in page.json] == ["a", "b"]
    assert page.headers["NGSILD-Results-Count"] == "3"
    assert page.headers["Link"].endswith(
        ', </ngsi-ld/v1/subscriptions?count=true&limit=2&offset=2>;rel="next";type="application/json"'
    )
    last = await api.call("GET", "/subscriptions?limit=2&offset=2", None, {"Prefer": "respond-async, NGSI-LD=1.6; a=b"})
    assert 'limit=2&offset=0>;rel="prev"' in last.headers["Link"]
    assert 'rel="next"' not in last.headers["Link"]
    assert last.headers["Preference-Applied"] == "ngsi-ld=1.6"
    assert [one["id"][-1] for one in (await api.get("/subscriptions?limit=2&offset=2")).json] == ["c"]
    assert (await api.get("/subscriptions?q=x")).status == 400


async def test_change(api: Api) -> None:
    await _tenant(api)
    id = "urn:ngsi-ld:Subscription:a"
    await api.post("/subscriptions", _subscription(id=id, q="speed>1"))
    changed = await api.call("PATCH", f"/subscriptions/{id}", {"type": "Subscription", "isActive": False, "q": None})
    assert (changed.status, changed.body) == (204, b"")
    found = (await api.get(f"/subscriptions/{id}")).json
    triggers = ["attributeCreated", "attributeUpdated"]
    assert found == _subscription(id=id) | {"isActive": False, "status": "paused", "notificationTrigger": triggers}
    assert (await api.call("PATCH", "/subscriptions/urn:a:none", {"isActive": True})).status == 404
    assert (await api.call("PATCH", f"/subscriptions/{id}", {"csf": "a==1"})).status == 422


async def test_refusals_name_the_member(api: Api) -> None:
    await _tenant(api)
    wrong = await api.post("/subscriptions", _subscription(entities=[{"id": "urn:a:1"}]))
    assert (wrong.status, wrong.json["detail"]) == (400, "entities[0].type: missing")
    later = await api.post("/subscriptions", _subscription(csf="a==1"))
    assert (later.status, later.json["type"]) == (422, "https://uri.etsi.org/ngsi-ld/errors/OperationNotSupported")
    assert later.json["detail"].startswith("csf: ")
    assert (await api.get("/subscriptions")).json == []


async def test_another_tenant_has_other_subscriptions(api: Api, open_broker: BrokerProcess) -> None:
    await _tenant(api)
    await api.post("/subscriptions", _subscription(id="urn:ngsi-ld:Subscription:a"))
    other = Api(api.http, open_broker.url, None)
    assert (await other.get("/subscriptions/urn:ngsi-ld:Subscription:a")).status == 404
    assert (await other.get("/subscriptions")).json == []


async def test_from_a_write_to_its_notification(
    api: Api, open_broker: BrokerProcess, kafka: str, topic_prefix: str, sink: Sink, tmp_path: Path
) -> None:
    await _tenant(api)
    await declare(kafka, topic_prefix)
    environment = {
        **open_broker.database.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_ACCESS": "open",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    async with workers(worker):
        worker.start()
        id = "urn:ngsi-ld:Subscription:a"
        body = _subscription(sink.url + "/n", id=id, watchedAttributes=["speed"])
        assert (await api.post("/subscriptions", body)).status == 201
        changed = {**_VEHICLE, "speed": {"type": "Property", "value": 2}}
        assert (await api.post("/entityOperations/upsert", [changed])).status == 204
        (found,) = await sink.until(1)
        assert found.body["data"] == [changed]
        assert found.body["subscriptionId"] == id
        assert found.headers["ngsild-tenant"] == api.tenant
        assert (await api.call("DELETE", f"/subscriptions/{id}")).status == 204
        periodic = _subscription(sink.url + "/p", id="urn:ngsi-ld:Subscription:p", timeInterval=1)
        assert (await api.post("/subscriptions", periodic)).status == 201
        first, second = await sink.until(2, "/p")
        assert first.body["data"] == second.body["data"] == [changed]
        assert first.body["id"] != second.body["id"]
        assert second.headers["ngsild-tenant"] == api.tenant
        kept: dict[str, Any] = {"notification": {}}
        async with asyncio.timeout(15):
            while kept["notification"].get("timesSent", 0) < 2:
                kept = (await api.get("/subscriptions/urn:ngsi-ld:Subscription:p")).json
        assert (kept["timeInterval"], kept["status"], kept["notification"]["status"]) == (1, "active", "ok")
        assert kept["notification"]["lastNotification"] == kept["notification"]["lastSuccess"]
        assert (await api.call("DELETE", "/subscriptions/urn:ngsi-ld:Subscription:p")).status == 204
        assert worker.stop() == 0
    assert len(sink.of("/n")) == 1
