"""The register and the roadmap of the running catalog: entries joined to audited use, gates judged from entities."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import orjson

from catalog.enter import enter_systems
from catalog.register import registration_schema
from catalog.settings import Settings
from catalog.store.connect import open_pool
from policies.store.connect import open_pool as open_trust
from tests.catalog.cases import cases
from tests.catalog.conftest import VEHICLE, City


def _fetch(city: City, statement: str, *values: Any) -> list[Any]:
    async def run() -> list[Any]:
        conn = await asyncpg.connect(city.database.dsn("policies"))
        try:
            return list(await conn.fetch(statement, *values))
        finally:
            await conn.close(timeout=5)

    return asyncio.run(run())


def _enter(city: City) -> list[str]:
    async def run() -> list[str]:
        pool = await open_pool(city.database.dsn("catalog"))
        trust = await open_trust(city.database.dsn("policies"), size=1)
        try:
            return await enter_systems(Settings(city=Path(city.environment["DATAPOLIS_CITY"])), pool, trust)
        finally:
            await pool.close()
            await trust.close()

    return asyncio.run(run())


def test_entries_are_versioned_audited_and_valid(governed: City) -> None:
    """Entered when the catalog starts; a change is a new version with an audit record; no change is none."""
    assert _enter(governed) == []
    (found,) = governed.get("/register")["systems"]
    assert (found["id"], found["version"], found["risk"], found["reads"]) == (
        "bus-arrivals",
        1,
        "minimal risk",
        ["mobility"],
    )
    assert found["owner"] == {"party": "urn:party:mobility-dept", "name": "Department of Mobility"}
    assert found["appeal"] == "mailto:mobility@harbour.example"
    assert (len(found["biasTests"]), len(found["monitoring"])) == (1, 1)
    jsonschema.Draft202012Validator(orjson.loads(registration_schema())).validate(found["registration"])
    path = Path(governed.environment["DATAPOLIS_CITY"]) / "systems" / "bus-arrivals.yaml"
    text = path.read_text()
    path.write_text(text.replace("status: operational", "status: evaluation"))
    assert _enter(governed) == ["bus-arrivals version 2"]
    path.write_text(text)
    assert _enter(governed) == ["bus-arrivals version 3"]
    versions = governed.get("/register/bus-arrivals")["versions"]
    statuses = [(v["version"], v["entry"]["registration"]["status"]) for v in versions]
    assert statuses == [(3, "operational"), (2, "evaluation"), (1, "operational")]
    records = _fetch(governed, "SELECT record FROM policies.audit_pending WHERE record LIKE '%bus-arrivals%'")
    said = sorted(json.loads(r["record"])["request"].rpartition(" ")[0] for r in records)
    assert said == [f"enter system bus-arrivals version {n}" for n in (1, 2, 3)]


def test_an_entry_is_joined_to_what_the_audit_log_shows(governed: City) -> None:
    """The party's reads by domain; what it read undeclared is named; the dashboard counts without naming who."""
    governed.in_good_order()
    secret = json.loads((Path(governed.environment["DATAPOLIS_STATE"]) / "clients.json").read_text())["rideflow"]
    form = f"grant_type=client_credentials&client_id=rideflow&client_secret={secret}".encode()
    issuer = governed.environment["DATAPOLIS_ISSUER"]
    with urllib.request.urlopen(f"{issuer}/token", form, timeout=10) as answer:  # noqa: S310 - our own process
        token = json.load(answer)["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceProvision"}
    url = f"{governed.broker}/ngsi-ld/v1/entities?type={VEHICLE}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
        assert len(json.load(answer)) == 20
    governed.seal()
    time.sleep(3.1)  # counts of the log are shared for three seconds
    (found,) = governed.get("/register")["systems"]
    assert [a["domain"] for a in found["audited"]] == ["mobility"]
    (audited,) = found["audited"]
    assert (audited["allowed"], audited["entities"]) == (1, 20)
    assert found["undeclared"] == []
    used = governed.get("/use")["use"]
    assert any(u["domain"] == "mobility" and u["purpose"].endswith("ServiceProvision") for u in used)
    assert "rideflow" not in json.dumps(used)


def test_the_roadmap_is_judged_from_entities_and_its_baseline_is_frozen(governed: City) -> None:
    """Requests before and after the pilot's start; later changes of old requests move the baseline no more."""
    start = datetime(2025, 1, 2, tzinfo=UTC)

    governed.put(cases(0, 120, start, 4))
    governed.put(cases(200, 120, start + timedelta(days=40), 3))
    governed.in_good_order()
    governed.assess()
    pilot = governed.get("/pilots/request-routing")
    assert (pilot["baseline"]["medianSeconds"], pilot["baseline"]["closed"]) == (14400.0, 120)
    assert (pilot["now"]["medianSeconds"], pilot["now"]["closed"]) == (10800.0, 120)
    frozen = pilot["baseline"]["at"]
    quarters = {q["quarter"]: q for q in governed.get("/roadmap")["quarters"]}
    gates = {g["id"]: g for q in quarters.values() for g in q["gates"]}
    assert (gates["faster-closing"]["status"], gates["faster-closing"]["value"]) == ("pass", 0.25)
    assert gates["two-domains"]["status"] == "hold"
    assert gates["two-domains"]["reason"] == "Environment is not yet at governed readiness."
    assert quarters["2027-Q1"]["over"] is False
    governed.put(cases(0, 120, start, 400))
    governed.assess()
    again = governed.get("/pilots/request-routing")["baseline"]
    assert (again["medianSeconds"], again["at"]) == (14400.0, frozen)
    assert gates["faster-closing"]["history"][0]["status"] == "pass"
    assert quarters["2027-Q1"]["adherence"][-1]["share"] >= 0.5
