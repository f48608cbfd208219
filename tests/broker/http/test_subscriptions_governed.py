"""Subscriptions under agreements: who may have one, what it shows, and that it ends with it (contracts 5)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from broker.core.patch import Change
from broker.store.ledger import balance
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.faults.processes import Worker, workers
from tests.faults.streams import declare
from tests.fixtures.governed import DEFAULT_SCHEMA, PATIENT, Governed, governed, governed_broker
from tests.fixtures.sink import Sink, sink
from tests.fixtures.tokens import issuer

__all__ = ["governed", "governed_broker", "issuer", "sink"]

_TERMS = orjson.loads((ROOT / "city" / "context.jsonld").read_bytes())["@context"]
_RIDEFLOW = "urn:party:rideflow"
_PURPOSE = "dpv:ServiceProvision"
_VEHICLE = "urn:ngsi-ld:Vehicle:1"
_AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"


def _iri(term: str) -> str:
    found = _TERMS[term]
    named: str = found if isinstance(found, str) else found["@id"]
    prefix, _, rest = named.partition(":")
    return _TERMS[prefix] + rest if isinstance(_TERMS.get(prefix), str) else named


def _subscription(uri: str, id: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "Subscription",
        "entities": [{"type": _iri("Vehicle")}],
        "notification": {"endpoint": {"uri": uri}},
    }


async def _move(governed: Governed, speed: int) -> None:
    doc = {
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": [_iri("Vehicle")],
        _iri("speed"): {"type": "Property", "value": speed},
        _iri("fleetVehicleId"): {"type": "Property", "value": f"plate-{speed}"},
    }
    async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
        await apply(conn, "default", [Change("upsert_update", _VEHICLE, doc)], datetime.now(UTC))


async def test_a_subscription_is_its_party_s_own(governed: Governed, sink: Sink) -> None:
    id = "urn:ngsi-ld:Subscription:own"
    headers = governed.headers(_RIDEFLOW, purpose=_PURPOSE)
    created = await governed.api.call("POST", "/subscriptions", _subscription(sink.url, id), headers)
    assert created.status == 201
    other = governed.headers("urn:party:env-dept", "department", "dpv:PublicBenefit")
    assert (await governed.get(f"/subscriptions/{id}", headers)).json["id"] == id
    assert (await governed.get(f"/subscriptions/{id}", other)).status in (403, 404)
    assert (await governed.api.call("DELETE", f"/subscriptions/{id}", headers=other)).status in (403, 404)
    assert (await governed.get(f"/subscriptions/{id}", headers)).status == 200
    assert (await governed.api.call("DELETE", f"/subscriptions/{id}", headers=headers)).status == 204


async def test_a_wrong_purpose_and_no_token_are_refused(governed: Governed, sink: Sink) -> None:
    body = _subscription(sink.url, "urn:ngsi-ld:Subscription:x")
    wrong = await governed.api.call(
        "POST", "/subscriptions", body, governed.headers(_RIDEFLOW, purpose="dpv:DirectMarketing")
    )
    assert (wrong.status, wrong.json["reason"]) == (403, "purpose_not_covered")
    assert (await governed.api.call("POST", "/subscriptions", body)).status in (401, 403)


async def test_notifications_show_what_the_agreement_shows_and_end_with_it(
    governed: Governed, kafka: str, topic_prefix: str, opa: str, sink: Sink, tmp_path: Path
) -> None:
    await declare(kafka, topic_prefix)
    database = governed.running.database
    environment = {
        **database.environment(),
        **governed.issuer.environment(),
        "DATAPOLIS_OPA_URL": opa,
        "DATAPOLIS_KAFKA": kafka,
        "DATAPOLIS_TOPIC_PREFIX": topic_prefix,
        "DATAPOLIS_CITY": str(ROOT / "city"),
        **PATIENT,
    }
    worker = Worker("w", ["relay", "notify"], environment, tmp_path / "w.log")
    body = _subscription(sink.url + "/n", "urn:ngsi-ld:Subscription:n")
    headers = governed.headers(_RIDEFLOW, purpose=_PURPOSE)
    assert (await governed.api.call("POST", "/subscriptions", body, headers)).status == 201
    async with workers(worker):
        worker.start()
        await _move(governed, 1)
        await _move(governed, 2)
        found = await sink.until(2)
        assert [one.body["data"] for one in found] == [
            [
                {
                    "id": "urn:ngsi-ld:Vehicle:1",
                    "type": _iri("Vehicle"),
                    _iri("speed"): {"type": "Property", "value": speed},
                }
            ]
            for speed in (1, 2)
        ]
        await governed.suspend(_AGREEMENT)
        await _move(governed, 3)
        await asyncio.sleep(1.5)
        assert worker.stop() == 0
    assert len(sink.received) == 2
    async with governed.pool.lend(None) as conn:
        sums = await balance(conn)
    assert (sums.due, sums.delivered, sums.waiting) == (2, 2, 0)
