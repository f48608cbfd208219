"""Twin registries: what is hidden of registrations neither shows in what subscribers are told nor makes them told.

The same visible changes are made twice, once with changes in between that the subscriber may not see. What it receives
is the same byte for byte, apart from what is drawn for each notification and when it was sent.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from broker.store import ledger, registrations
from broker.store.registrations import Stored
from docker.local.stack import ROOT
from tests.conformance.test_policy_twins import LINK, VEHICLE, T
from tests.faults.processes import Worker, until, workers
from tests.faults.streams import declare
from tests.fixtures.governed import DEFAULT_SCHEMA, PATIENT, Governed

_OWNER, _PARTY, _PURPOSE = "urn:party:someone", "urn:party:rideflow", "dpv:ServiceProvision"
_AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"
_DRAWN = re.compile(rb'(?<=urn:ngsi-ld:Notification:)[0-9a-f-]{36}|(?<="notifiedAt":")[^"]+|Subscription:[a-z]+-')
_SECRET = "https://example.org/SECRET"
_HIDDEN = T + "fleetVehicleId"

Step = tuple[str, dict[str, Any] | None]
"""The name of a registration, and what becomes of it; None: it is deleted."""

SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "vehicles": {},
    "any": {"entities": [{"type": "*"}]},
    "hidden-type": {"entities": [{"type": _SECRET}]},
    "hidden-attribute": {
        "watchedAttributes": ["fleetVehicleId"],
        "notification": {"attributes": ["fleetVehicleId"]},
    },
    "system-times": {"notification": {"sysAttrs": True}},
}


def _about(*types: str, **members: Any) -> dict[str, Any]:
    return {"entities": [{"type": [one]} for one in types], **members}


def _doc(*information: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"endpoint": "http://127.0.0.1:9", "information": list(information), **members}


def _speeds() -> dict[str, Any]:
    return _about(VEHICLE, propertyNames=[T + "speed"])


def visible() -> list[list[Step]]:
    """What the subscriber may see: sources of vehicles' speeds come, change and go."""
    return [
        [("a", _doc(_speeds()))],
        [("b", _doc(_speeds(), description="b"))],
        [("a", _doc(_speeds(), description="changed"))],
        [("b", None)],
    ]


def hidden_registrations() -> list[list[Step]]:
    """Sources of a type that is not granted come, change and go."""
    steps = visible()
    for at, step in enumerate(steps):
        step[0:0] = [(f"hidden{at}", _doc(_about(_SECRET)))]
        step.append((f"hidden{at}", None if at % 2 else _doc(_about(_SECRET), description="SECRET")))
    return steps


def hidden_information() -> list[list[Step]]:
    """What is seen has parts that are not: types, attributes, and what only the broker is to know."""
    steps = visible()
    for at, step in enumerate(steps):
        name, doc = step[0]
        if doc is None:
            continue
        other = _about(VEHICLE, propertyNames=[T + "speed", _HIDDEN])
        secret = {
            **doc,
            "information": [other, _about(_SECRET)],
            "contextSourceInfo": [{"key": "K", "value": "SECRET"}],
        }
        step[0] = (name, secret)
        step.append((name, {**secret, "information": [_speeds(), _about(_SECRET, propertyNames=[f"{T}x{at}"])]}))
        step.append((name, {**secret, "information": [_speeds()]}))
    return steps


TWINS = [hidden_registrations, hidden_information]


class _Receiver:
    def __init__(self) -> None:
        self.told: dict[str, list[bytes]] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.told.setdefault(request.path, []).append(_DRAWN.sub(b"", await request.read()))
        return web.Response()


async def _take(governed: Governed, name: str, doc: dict[str, Any] | None, at: datetime) -> None:
    id = f"urn:ngsi-ld:ContextSourceRegistration:{name}"
    async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
        was = await registrations.lock(conn, id)
        if doc is None:
            await registrations.delete(conn, "default", id, at)
        elif was is None:
            await registrations.insert(conn, "default", Stored(id, doc, _OWNER, at, at))
        else:
            await registrations.replace(conn, "default", was, Stored(id, doc, _OWNER, was.created_at, at))


async def _settled(governed: Governed, worker: Worker) -> None:
    async def quiet() -> bool:
        async with governed.pool.lend(DEFAULT_SCHEMA) as conn:
            untold = await conn.fetchval("SELECT count(*) FROM csource_subscriptions WHERE told < revision")
        async with governed.pool.lend(None) as conn:
            left = await conn.fetchval("SELECT count(*) FROM broker.registration_changes")
            return not untold and not left and not (await ledger.balance(conn)).waiting

    await until(quiet, within_s=60, what="end of the notifications", worker=worker)


async def _told(governed: Governed, worker: Worker, receiver: _Receiver, steps: list[list[Step]]) -> dict[str, Any]:
    async with governed.pool.lend(DEFAULT_SCHEMA) as conn:
        await conn.execute("DELETE FROM registrations")
    headers = governed.headers(_PARTY, purpose=_PURPOSE) | {"Link": LINK}
    await _settled(governed, worker)
    receiver.told.clear()
    run = f"run{len(steps)}{sum(map(len, steps))}".translate(str.maketrans("0123456789", "abcdefghij"))
    now = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    await _take(governed, "first", _doc(_speeds()), now)
    for name, more in SUBSCRIPTIONS.items():
        notification = {"endpoint": {"uri": f"{receiver.url}/{name}"}, **more.get("notification", {})}
        body = {"type": "Subscription", "entities": [{"type": "Vehicle"}], **more, "notification": notification}
        body["id"] = f"urn:ngsi-ld:Subscription:{run}-{name}"
        answer = await governed.api.call("POST", "/csourceSubscriptions", body, headers)
        assert answer.status == 201, answer.body
    await _settled(governed, worker)
    for step in steps:
        for source, doc in step:
            await _take(governed, source, doc, now)
    await _settled(governed, worker)
    for name in SUBSCRIPTIONS:
        path = f"/csourceSubscriptions/urn:ngsi-ld:Subscription:{run}-{name}"
        assert (await governed.api.call("DELETE", path, None, headers)).status == 204
    return dict(receiver.told)


@pytest.mark.timeout(150)
async def test_hidden_registrations_make_no_difference_and_an_agreement_s_end_ends_it(
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
    worker = Worker("w", ["notify"], environment, tmp_path / "w.log")
    try:
        async with workers(worker):
            worker.start()
            expected = await _told(governed, worker, receiver, visible())
            reasons = [orjson.loads(one)["triggerReason"] for one in expected["/vehicles"]]
            assert reasons == ["newlyMatching", "newlyMatching", "newlyMatching", "updated", "noLongerMatching"]
            assert expected.keys() == {"/vehicles", "/any", "/system-times"}
            for twin in TWINS:
                found = await _told(governed, worker, receiver, twin())
                assert {path: one for path, one in found.items() if one != expected.get(path)} == {}, twin.__name__
                assert found.keys() == expected.keys(), twin.__name__
            assert not any(b"SECRET" in body for told in found.values() for body in told)
            await _ends(governed, worker, receiver)
            assert worker.stop() == 0
    finally:
        await runner.cleanup()


async def _ends(governed: Governed, worker: Worker, receiver: _Receiver) -> None:
    """With the agreement the notifications end, those that wait as well."""
    headers = governed.headers(_PARTY, purpose=_PURPOSE) | {"Link": LINK}
    body = {
        "type": "Subscription",
        "entities": [{"type": "Vehicle"}],
        "notification": {"endpoint": {"uri": f"{receiver.url}/ends"}},
    }
    other = governed.headers("urn:party:env-dept", "department", "dpv:PublicBenefit")
    created = await governed.api.call("POST", "/csourceSubscriptions", body, headers)
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    assert (await governed.api.call("GET", path, None, other)).status in (403, 404)
    assert (await governed.api.call("POST", "/csourceSubscriptions", body)).status in (401, 403)
    await _settled(governed, worker)
    told = len(receiver.told["/ends"])
    await governed.suspend(_AGREEMENT)
    await _take(governed, "late", _doc(_speeds()), datetime.now(UTC))
    await _settled(governed, worker)
    await asyncio.sleep(0.2)
    assert len(receiver.told["/ends"]) == told == 1
