"""What-if says what then happens: predicted over audited requests, observed at the broker's door after activation."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from policies import Caller, PolicySettings, Trust
from policies.agreements import acts
from policies.agreements.desk import Actor, Desk
from policies.agreements.whatif import WhatIfForm, what_if
from policies.city import open_city
from policies.store.connect import open_pool
from policies.trust import ActRefused
from tests.fixtures.governed import Governed, governed, governed_broker
from tests.fixtures.tokens import TestIssuer
from tests.policies.conftest import ROOT

__all__ = ["governed", "governed_broker"]

DPV = "https://w3id.org/dpv#"
TRANSPORT = "https://smartdatamodels.org/dataModel.Transportation/"
VEHICLE = TRANSPORT + "Vehicle"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
RIDEFLOW = "urn:datapolis:agreement:rideflow-mobility"
PUBLIC = "urn:datapolis:agreement:public-mobility"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
STEWARD = Actor(Caller("urn:party:steward", "ada", "steward", ("steward:mobility",)), DPV + "RecordManagement")
ATTRS = [TRANSPORT + name for name in ("speed", "bearing", "vehicleType", "fleetVehicleId", "tripId")] + [LOCATION]
ASKERS: dict[tuple[str, str], tuple[str | None, str]] = {
    ("urn:party:rideflow", DPV + "ServiceProvision"): ("urn:party:rideflow", "vendor"),
    ("urn:party:rideflow", DPV + "Marketing"): ("urn:party:rideflow", "vendor"),
    ("urn:party:uni-air", DPV + "ScientificResearch"): ("urn:party:uni-air", "researcher"),
    ("urn:party:other", DPV + "ServiceProvision"): ("urn:party:other", "vendor"),
    ("public", DPV + "PublicBenefit"): (None, "public"),
}
Seen = dict[str, frozenset[str]]


def vehicle(number: int, kind: str, speed: float, at: tuple[float, float], trip: str) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Vehicle:{number}",
        "type": [VEHICLE],
        TRANSPORT + "speed": {"type": "Property", "value": speed},
        TRANSPORT + "bearing": {"type": "Property", "value": 90},
        TRANSPORT + "vehicleType": {"type": "Property", "value": kind},
        TRANSPORT + "fleetVehicleId": {"type": "Property", "value": str(number)},
        TRANSPORT + "tripId": {"type": "Property", "value": trip},
        LOCATION: {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(at)}},
    }


FLEET = [
    vehicle(n, kind, speed, at, trip)
    for n, (kind, speed, at, trip) in enumerate(
        product(("bus", "tram"), (3, 30), ((-122.33, 47.60), (-122.50, 47.60)), ("open", "school"))
    )
]
"""One of each combination, so that every condition of the drafts parts what every caller sees."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a caller got: whether it was let in, and which entities showed which attribute."""

    allowed: bool
    seen: Seen


@pytest.fixture
async def desk(governed: Governed, opa: str, issuer: TestIssuer) -> AsyncIterator[Desk]:
    """The desk of the trust that the governed broker asks."""
    settings = PolicySettings.model_validate(
        {
            "dsn_policies": governed.running.database.dsn("policies"),
            "opa_url": opa,
            "issuer": issuer.url,
            "jwks_url": issuer.jwks_url,
            "city": ROOT / "city",
        }
    )
    pool = await open_pool(settings.dsn_policies.get_secret_value(), size=3)
    trust = await Trust.open(settings)
    yield Desk(pool, trust, open_city(settings.city), settings)
    await trust.close()
    await pool.close()


async def observe(governed: Governed) -> dict[tuple[str, str], Observed]:
    """Ask the broker as every caller."""
    found = {}
    for (party, purpose), (token, tier) in ASKERS.items():
        answer = await governed.get(f"/entities?type={VEHICLE}&limit=100", governed.headers(token, tier, purpose))
        seen: dict[str, set[str]] = {}
        for entity in answer.json if answer.status == 200 else ():
            for attr in ATTRS:
                if attr in entity or (attr == LOCATION and "location" in entity):
                    seen.setdefault(attr, set()).add(entity["id"])
        found[party, purpose] = Observed(answer.status == 200, {attr: frozenset(ids) for attr, ids in seen.items()})
    return found


def difference(before: Observed, after: Observed) -> dict[str, set[str]]:
    """Tell which attributes were gained and lost, and which are shown of more or fewer entities."""
    found: dict[str, set[str]] = {name: set() for name in ("gains", "loses", "wider", "narrower")}
    for attr in ATTRS:
        old, new = before.seen.get(attr, frozenset()), after.seen.get(attr, frozenset())
        if not old and new:
            found["gains"].add(attr)
        elif old and not new:
            found["loses"].add(attr)
        else:
            if new - old:
                found["wider"].add(attr)
            if old - new:
                found["narrower"].add(attr)
    return {name: attrs for name, attrs in found.items() if attrs}


def predicted(change: Mapping[str, Any]) -> dict[str, set[str]]:
    """Read a prediction over the attributes that the entities have."""
    found: dict[str, set[str]] = {}
    for one in change["types"]:
        assert one["type"] == VEHICLE
        others = set(ATTRS) - set(one.get("other_than", ()))
        for name in ("gains", "loses", "wider", "narrower"):
            attrs = {attr for each in one.get(name, ()) for attr in (others if each == "*" else {each})}
            if attrs & set(ATTRS):
                found[name] = attrs & set(ATTRS)
    return found


def _narrow(source: dict[str, Any]) -> None:
    source["permission"][0]["target"] = {
        "types": ["Vehicle"],
        "attrs": {"only": ["location", "speed", TRANSPORT + "tripId"]},
    }
    source["prohibition"] = []


def _only_slow(source: dict[str, Any]) -> None:
    source["permission"][0]["target"] = {
        "types": ["Vehicle"],
        "attrs": {"except": [TRANSPORT + "tripId"]},
        "q": "speed<10",
    }


def _area(source: dict[str, Any]) -> None:
    ring = [[-122.4, 47.5], [-122.3, 47.5], [-122.3, 47.7], [-122.4, 47.7], [-122.4, 47.5]]
    source["permission"][0]["target"] = {"types": ["Vehicle"], "area": {"type": "Polygon", "coordinates": [ring]}}


def _hide_from_everybody(source: dict[str, Any]) -> None:
    target = {"types": ["Vehicle"], "attrs": {"only": ["speed"]}, "q": f'<{TRANSPORT}tripId>=="school"'}
    source["prohibition"] = [{"action": ["read"], "target": target}]


def _marketing_too(source: dict[str, Any]) -> None:
    source["permission"][0]["constraint"] = []
    source["permission"][0]["target"] = {"types": ["Vehicle"]}


def _close(source: dict[str, Any]) -> None:
    source["prohibition"] = [{"action": ["read"], "target": {"types": ["Vehicle"]}}]


STEPS = [
    (RIDEFLOW, _narrow),
    (RIDEFLOW, _only_slow),
    (PUBLIC, _hide_from_everybody),
    (RIDEFLOW, _area),
    (RIDEFLOW, _marketing_too),
    (PUBLIC, _close),
]


async def _predict(desk: Desk, form: WhatIfForm) -> dict[tuple[str, str], dict[str, Any]]:
    result = (await what_if(desk, STEWARD, form)).result
    assert result["askers"] == len(ASKERS)
    return {(one["party"], one["purpose"]): one for one in result["changes"]}


def _compare(
    changes: Mapping[tuple[str, str], dict[str, Any]],
    before: Mapping[tuple[str, str], Observed],
    after: Mapping[tuple[str, str], Observed],
) -> int:
    """Hold every prediction, and the absence of one, against what was observed; how many changed."""
    for asker in ASKERS:
        actual = difference(before[asker], after[asker])
        change = changes.get(asker)
        assert (predicted(change) if change else {}) == actual, asker
        if change:
            assert (change["before"] == "allowed") == before[asker].allowed
            assert (change["after"] == "allowed") == after[asker].allowed
            up, down = "gains" in change["effect"], "loses" in change["effect"]
            assert up == bool(actual.keys() & {"gains", "wider"})
            assert down == bool(actual.keys() & {"loses", "narrower"})
    return len(changes)


async def test_predictions_come_true(governed: Governed, desk: Desk) -> None:
    await governed.store(FLEET, NOW)
    before = await observe(governed)
    assert before["urn:party:rideflow", DPV + "ServiceProvision"].seen[TRANSPORT + "speed"], (
        "there is something to lose"
    )
    changed = []
    for uid, edit in STEPS:
        async with desk.pool.acquire() as conn:
            found = await conn.fetchrow(
                "SELECT source, version FROM policies.agreements WHERE uid = $1 AND current", uid
            )
        assert found is not None
        draft = {**copy.deepcopy(found["source"]), "version": found["version"] + 1}
        edit(draft)
        changes = await _predict(desk, WhatIfForm(draft=draft))
        await acts.amend(desk, STEWARD, uid, draft)
        assert await _predict(desk, WhatIfForm(agreement=uid)) == changes, "the proposal is what was tried out"
        assert await observe(governed) == before, "trying out changes nothing"
        await acts.approve(desk, STEWARD, uid)
        await asyncio.sleep(0.5)
        after = await observe(governed)
        changed.append(_compare(changes, before, after))
        before = after
    assert all(changed), changed
    changes = await _predict(desk, WhatIfForm(agreement=PUBLIC, status="suspended"))
    await acts.sanction(desk, STEWARD, PUBLIC, "suspend", "trial")
    await asyncio.sleep(0.5)
    assert _compare(changes, before, await observe(governed)) > 0


async def test_only_the_domain_s_steward_may_ask(desk: Desk) -> None:
    for roles in ((), ("steward:environment",)):
        other = Actor(Caller("urn:party:steward", "eve", "steward", roles), DPV + "RecordManagement")
        with pytest.raises(ActRefused) as refused:
            await what_if(desk, other, WhatIfForm(agreement=RIDEFLOW, status="revoked"))
        assert refused.value.reasons[0][0] == "not_steward"
        assert refused.value.receipt
