"""From a registration to the notification of its subscribers, over HTTP (CIM 009 V1.9.1, 5.3.2, 5.11.7, 6.3.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.broker.workers.sources import told
from tests.faults.processes import Worker, workers
from tests.faults.streams import declare
from tests.fixtures.broker import Api, BrokerProcess, until
from tests.fixtures.sink import Sink, sink

__all__ = ["sink"]

_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
_CONTEXT = {"Car": "https://example.org/Car", "pace": "https://example.org/pace"}
_SOURCE = "urn:ngsi-ld:ContextSourceRegistration:1"
_ID = "urn:ngsi-ld:Subscription:a"
_SUBSCRIPTIONS = "/csourceSubscriptions"
_REGISTRATIONS = "/csourceRegistrations"


@pytest.fixture
async def notifying(open_broker: BrokerProcess, kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that notifies and sweeps."""
    await declare(kafka, topic_prefix, partitions=1)
    environment = {
        **open_broker.database.environment(),
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_ACCESS": "open",
        "DATAPOLIS_EGRESS_ALLOW": "127.0.0.0/8",
        "DATAPOLIS_BROKER_URL": open_broker.url,
        "DATAPOLIS_EXPIRE_EVERY_S": "0.2",
    }
    worker = Worker("w", ["notify", "expire"], environment, tmp_path / "w.log")
    async with workers(worker):
        worker.start()
        yield worker
        assert worker.stop() == 0


def _registration(*information: Any, **members: Any) -> dict[str, Any]:
    return {
        "id": _SOURCE,
        "type": "ContextSourceRegistration",
        "information": list(information) or [{"entities": [{"type": "Car"}], "propertyNames": ["pace"]}],
        "endpoint": "http://127.0.0.1:9",
        "@context": [_CONTEXT, _CORE],
        **members,
    }


def _subscription(uri: str, **members: Any) -> dict[str, Any]:
    endpoint = {"uri": uri, **members.pop("endpoint", {})}
    found = {"id": _ID, "type": "Subscription", "entities": [{"type": "Car"}], "@context": [_CONTEXT, _CORE]}
    return {**found, **members, "notification": {"endpoint": endpoint}}


async def _ld(api: Api, method: str, path: str, body: Any) -> int:
    return (await api.call(method, path, body, {"Content-Type": "application/ld+json"})).status


async def test_from_registrations_to_notifications(api: Api, notifying: Worker, sink: Sink) -> None:
    assert await _ld(api, "POST", _REGISTRATIONS, _registration()) == 201
    pair = {"key": "Authorization", "value": "Bearer x"}
    body = _subscription(sink.url + "/n", endpoint={"receiverInfo": [pair]})
    assert await _ld(api, "POST", _SUBSCRIPTIONS, body) == 201
    (first,) = await sink.until(1, within_s=60)
    bus = {"entities": [{"type": "Bus"}]}
    cars = {"entities": [{"type": "Car", "idPattern": "urn:.*"}]}
    both = {"information": [bus, cars], "@context": [_CONTEXT, _CORE]}
    assert await _ld(api, "PATCH", f"{_REGISTRATIONS}/{_SOURCE}", both) == 204
    await sink.until(2)
    assert (await api.call("PATCH", f"{_REGISTRATIONS}/{_SOURCE}", {"information": [bus]})).status == 204
    await sink.until(3)
    assert (await api.call("DELETE", f"{_REGISTRATIONS}/{_SOURCE}")).status == 204
    assert await _ld(api, "POST", _REGISTRATIONS, _registration(id=f"{_SOURCE}2")) == 201
    await sink.until(4)
    assert (await api.call("DELETE", f"{_REGISTRATIONS}/{_SOURCE}2")).status == 204
    found = await sink.until(5)
    assert [told(one.body) for one in found] == [
        ("newlyMatching", ["1"]),
        ("updated", ["1"]),
        ("noLongerMatching", ["1"]),
        ("newlyMatching", ["12"]),
        ("noLongerMatching", ["12"]),
    ]
    context = (await api.get(f"{_SUBSCRIPTIONS}/{_ID}")).json["jsonldContext"]
    assert first.headers["link"] == (
        f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    )
    assert (first.headers["content-type"], first.headers["authorization"]) == ("application/json", "Bearer x")
    assert first.headers["ngsild-tenant"] == api.tenant
    assert first.body["data"] == [
        {
            "id": _SOURCE,
            "type": "ContextSourceRegistration",
            "endpoint": "http://127.0.0.1:9",
            "information": [{"entities": [{"type": ["Car"]}], "propertyNames": ["pace"]}],
        }
    ]
    assert found[1].body["data"][0]["information"] == [{"entities": [{"type": ["Car"], "idPattern": "urn:.*"}]}]
    assert found[2].body["data"] == found[1].body["data"]
    assert first.body["notifiedAt"].endswith("Z")

    async def counted() -> bool:
        return bool((await api.get(f"{_SUBSCRIPTIONS}/{_ID}")).json["notification"].get("timesSent") == 5)

    await until(counted)
    shown = (await api.get(f"{_SUBSCRIPTIONS}/{_ID}")).json["notification"]
    assert (shown["status"], shown["timesSent"]) == ("ok", 5)
    assert shown["lastSuccess"] == shown["lastNotification"]
    assert not shown.keys() & {"lastFailure", "timesFailed"}


async def test_an_expired_registration_no_longer_matches(api: Api, notifying: Worker, sink: Sink) -> None:
    body = _subscription(sink.url + "/n", endpoint={"accept": "application/ld+json"})
    assert await _ld(api, "POST", _SUBSCRIPTIONS, body) == 201
    assert await _ld(api, "POST", _REGISTRATIONS, _registration()) == 201
    await sink.until(1, within_s=60)
    soon = (datetime.now(UTC) + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await api.call("PATCH", f"{_REGISTRATIONS}/{_SOURCE}", {"expiresAt": soon})).status == 204
    found = await sink.until(3, within_s=30)
    assert [told(one.body) for one in found] == [
        ("newlyMatching", ["1"]),
        ("updated", ["1"]),
        ("noLongerMatching", ["1"]),
    ]
    assert found[2].headers["content-type"] == "application/ld+json"
    assert "link" not in found[2].headers
    assert found[2].body["data"][0]["@context"].startswith(f"{api.url}/ngsi-ld/v1/jsonldContexts/")
    assert found[2].body["data"][0]["expiresAt"] == soon


async def test_a_failing_receiver_is_told_of_in_the_subscription(api: Api, notifying: Worker, sink: Sink) -> None:
    sink.always["/n"] = 400
    assert await _ld(api, "POST", _SUBSCRIPTIONS, _subscription(sink.url + "/n")) == 201
    assert await _ld(api, "POST", _REGISTRATIONS, _registration()) == 201

    async def failed() -> bool:
        return bool((await api.get(f"{_SUBSCRIPTIONS}/{_ID}")).json["notification"].get("status") == "failed")

    await until(failed, timeout_s=60)
    shown = (await api.get(f"{_SUBSCRIPTIONS}/{_ID}")).json["notification"]
    assert shown["timesFailed"] == shown["timesSent"] >= 1
    assert shown["lastFailure"] == shown["lastNotification"]
    assert "lastSuccess" not in shown
    assert (await api.call("DELETE", f"{_SUBSCRIPTIONS}/{_ID}")).status == 204
