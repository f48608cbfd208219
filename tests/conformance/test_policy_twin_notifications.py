"""Twin stores under subscriptions: what is hidden from a subscriber neither shows in what it is told nor makes it told.

The same visible changes are made twice, once with changes in between that the subscriber may not see. What it receives
is the same byte for byte, apart from what is drawn for each notification and when it was sent.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from broker.core.patch import Change
from broker.store.ledger import balance
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.conformance.test_policy_twins import LINK, LOCATION, VEHICLE, T, base, link, vehicle
from tests.faults.processes import Worker, until, workers
from tests.faults.streams import declare
from tests.fixtures.governed import DEFAULT_SCHEMA, PATIENT, Governed

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
_PARTY, _PURPOSE = "urn:party:rideflow", "dpv:ServiceProvision"
_DRAWN = re.compile(rb'(?<=urn:ngsi-ld:Notification:)[0-9a-f-]{36}|(?<="notifiedAt":")[^"]+|Subscription:[a-z]+-')
_HIDDEN_BY_NAME = T + "fleetVehicleId"

SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "any": {},
    "watched": {"watchedAttributes": ["speed"]},
    "watched-hidden": {"watchedAttributes": ["fleetVehicleId"]},
    "watched-both": {"watchedAttributes": ["fleetVehicleId", "speed"]},
    "q": {"q": "speed>20"},
    "q-hidden": {"q": 'fleetVehicleId=="SECRET"'},
    "q-not-hidden": {"q": 'fleetVehicleId!="SECRET"'},
    "attributes": {"notification": {"attributes": ["fleetVehicleId"]}},
    "simplified": {"notification": {"format": "keyValues"}},
    "concise": {"notification": {"format": "concise"}},
    "ld": {"notification": {"endpoint": {"accept": "application/ld+json"}}},
    "another-type": {"entities": [{"type": "https://example.org/Secret"}]},
    "pattern": {"entities": [{"type": "Vehicle", "idPattern": ".*:00[1-4]$"}]},
}
"""Kinds of subscription, by what they add."""

Written = list[tuple[str, dict[str, Any]]]


def visible_changes() -> list[Written]:
    """What the subscriber may see: speeds, in steps."""
    speeds = [(1, 10), (2, 40), (1, 30), (3, 25), (5, 99)]
    return [[("upsert_update", _speed(number, value))] for number, value in speeds]


def _speed(number: int, value: int) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Vehicle:{number:03}",
        "type": [VEHICLE],
        T + "speed": {"type": "Property", "value": value, "observedAt": "2026-11-22T06:00:00Z"},
    }


def _secret(number: int, value: object) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Vehicle:{number:03}",
        "type": [VEHICLE],
        _HIDDEN_BY_NAME: {"type": "Property", "value": value},
    }


def hidden_values() -> list[Written]:
    """An attribute that is not granted changes between the visible steps, and goes along with them."""
    steps = visible_changes()
    for at, written in enumerate(steps):
        written[0][1][_HIDDEN_BY_NAME] = {"type": "Property", "value": "SECRET" if at % 2 else f"S{at}"}
        written.insert(0, ("upsert_update", _secret(at + 1, "SECRET")))
        written.append(("upsert_update", _secret(1, at)))
    return steps


def hidden_instances() -> list[Written]:
    """Instances of it come, some of them as a Relationship, in the same change as what is told and in others."""
    steps = visible_changes()
    for at, written in enumerate(steps):
        several = [{"type": "Property", "value": "SECRET", "datasetId": f"urn:x:{n}"} for n in range(at + 1)]
        written[0][1][_HIDDEN_BY_NAME] = several
        written.append(("upsert_update", {**_secret(at + 1, 0), _HIDDEN_BY_NAME: link(f"urn:x:{at}")}))
    return steps


def hidden_entities() -> list[Written]:
    """Entities of a type that is not granted are made, changed and deleted."""
    steps = visible_changes()
    for at, written in enumerate(steps):
        doc = {**vehicle(60 + at, kind="SECRET"), "type": ["https://example.org/Secret"], LOCATION: link("urn:x:1")}
        written[0:0] = [("create", doc), ("delete", {"id": doc["id"]})]
        written.append(("create", {**doc, "id": f"urn:ngsi-ld:Vehicle:{70 + at}"}))
    return steps


TWINS = [hidden_values, hidden_instances, hidden_entities]


class _Receiver:
    def __init__(self) -> None:
        self.told: dict[str, list[tuple[list[tuple[str, str]], bytes]]] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        kept = ("content-type", "link", "ngsild-tenant")
        headers = sorted((name.lower(), value) for name, value in request.headers.items() if name.lower() in kept)
        body = _DRAWN.sub(b"", await request.read())
        self.told.setdefault(request.path, []).append((headers, body))
        return web.Response()


async def _told(governed: Governed, worker: Worker, receiver: _Receiver, steps: list[Written]) -> dict[str, Any]:
    """Subscribe in every way, make the changes, and give what each subscriber received, in the entities' order."""
    await governed.store(base(), NOW)
    headers = governed.headers(_PARTY, purpose=_PURPOSE) | {"Link": LINK}
    receiver.told.clear()
    run = f"run{len(steps)}{sum(map(len, steps))}".translate(str.maketrans("0123456789", "abcdefghij"))
    for name, more in SUBSCRIPTIONS.items():
        notification = more.get("notification", {})
        endpoint = {"uri": f"{receiver.url}/{name}", **notification.get("endpoint", {})}
        body = {
            "id": f"urn:ngsi-ld:Subscription:{run}-{name}",
            "type": "Subscription",
            "entities": [{"type": "Vehicle"}],
            **more,
            "notification": {**notification, "endpoint": endpoint},
        }
        answer = await governed.api.call("POST", "/subscriptions", body, headers)
        assert answer.status == 201, answer.body
    # the last change is told after all others: they are in one partition
    for written in [*steps, [("upsert_update", _speed(8, 1))]]:
        now = datetime.now(UTC)
        async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
            for kind, doc in written:
                change = Change(kind, doc["id"], None if kind == "delete" else doc)  # type: ignore[arg-type]  # a listed kind
                (outcome,) = await apply(conn, "default", [change], now)
                assert outcome.error is None

    async def settled() -> bool:
        async with governed.pool.lend(None) as conn:
            waits = await conn.fetchval("SELECT count(*) FROM broker.outbox") or (await balance(conn)).waiting
        return not waits and len(receiver.told.get("/any", ())) > len(steps)

    await until(settled, within_s=60, what="end of the notifications", worker=worker)
    for name in SUBSCRIPTIONS:
        await governed.api.call("DELETE", f"/subscriptions/urn:ngsi-ld:Subscription:{run}-{name}", None, headers)
    return {path: sorted(told) for path, told in receiver.told.items()}


@pytest.mark.timeout(120)
async def test_hidden_changes_make_no_difference_to_what_is_told(
    governed: Governed, kafka: str, topic_prefix: str, opa: str, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix, partitions=1)
    environment = {
        **governed.running.database.environment(),
        **governed.issuer.environment(),
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_CITY": str(ROOT / "city"),
        **PATIENT,
    }
    receiver = _Receiver()
    app = web.Application()
    app.add_routes([web.post("/{tail:.*}", receiver.take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    try:
        async with workers(worker):
            worker.start()
            expected = await _told(governed, worker, receiver, visible_changes())
            several = dict.fromkeys(("any", "watched", "watched-both", "attributes", "simplified", "concise", "ld"), 6)
            counts = {f"/{name}": count for name, count in {**several, "q": 4, "pattern": 4}.items()}
            assert {path: len(told) for path, told in expected.items()} == counts
            for twin in TWINS:
                found = await _told(governed, worker, receiver, twin())
                assert {path: one for path, one in found.items() if one != expected.get(path)} == {}, twin.__name__
                assert found.keys() == expected.keys(), twin.__name__
            assert not any(b"SECRET" in body for told in found.values() for _, body in told)
    finally:
        await runner.cleanup()
