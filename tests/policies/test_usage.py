"""Use: counted once from sealed records, by what the request touched; told to everybody only as far as it may be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from policies.audit import AuditRecord, append, prepare
from policies.audit.checkpoint import LogKey
from policies.audit.seal import seal_once
from policies.usage import Use, count, tally
from tests.policies.http.conftest import Client, client

__all__ = ["client"]

RIDEFLOW = "urn:datapolis:agreement:rideflow-mobility"
PUBLIC = "urn:datapolis:agreement:public-environment"
DPV = "https://w3id.org/dpv#"
ASKED = "GET /ngsi-ld/v1/entities?limit=3&type=https%3A%2F%2Fsmartdatamodels.org%2FdataModel.Transportation%2FVehicle"
HOUR = datetime(2026, 11, 22, 5, tzinfo=UTC)


def record(caller: str = "urn:party:rideflow", request: str = ASKED, **changes: object) -> AuditRecord:
    given: dict[str, object] = {
        "door": "ngsi-ld", "action": "read", "tenant": "default", "caller": caller,
        "purpose": DPV + "ServiceProvision", "request": request, "outcome": "allowed", "entities": 3,
        "agreements": ((PUBLIC, 1), (RIDEFLOW, 1)), "tier": "vendor", "at": "2026-11-22T05:17:00.000Z",
    }  # fmt: skip
    return AuditRecord(**{**given, **changes})  # type: ignore[arg-type]  # members by name


def test_only_the_domains_of_the_types_asked_for_are_counted() -> None:
    domains = {RIDEFLOW: "mobility", PUBLIC: "environment"}
    types = {"mobility": {"Vehicle"}, "environment": {"AirQualityObserved"}}
    rest = ("urn:party:rideflow", DPV + "ServiceProvision", "read", "allowed")
    once = Use(HOUR, "default", "mobility", "", *rest)
    under = Use(HOUR, "default", "mobility", RIDEFLOW, *rest)
    requests = (
        ASKED,
        "GET /ngsi-ld/v1/entities?type=Vehicle",
        "GET /ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:7",
        "GET /ngsi-ld/v1/entities/urn%3Angsi-ld%3AVehicle%3A7",
    )
    made = [prepare(record(request=request)).record for request in requests]
    assert tally(made, domains, types) == {once: (4, 12), under: (4, 12)}
    anything = tally([prepare(record(request="GET /ngsi-ld/v1/types")).record], domains, types)
    assert {use.domain for use in anything} == {"mobility", "environment"}
    denied = tally([prepare(record(outcome="denied", agreements=(), entities=0)).record], domains, types)
    assert [(use.domain, use.agreement, use.outcome) for use in denied] == [("", "", "denied")]
    assert tally([prepare(record(door="steward")).record], domains, types) == {}


async def fill(conn: asyncpg.Connection, folder: Path) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    made = [record(at=now) for _ in range(12)]
    made += [record("urn:party:uni-air", at=now, purpose=DPV + "ScientificResearch", tier="researcher")] * 1
    made += [record("public", at=now, purpose=DPV + "Purpose", agreements=((PUBLIC, 1),), tier="public",
                    request="GET /ngsi-ld/v1/entities?type=AirQualityObserved") for _ in range(15)]  # fmt: skip
    await append(conn, [prepare(one) for one in made])
    await seal_once(conn, LogKey.load("log.city.example", folder / "log.pem"))


async def test_counted_once_and_never_twice(conn: asyncpg.Connection, tmp_path: Path) -> None:
    await fill(conn, tmp_path)
    while await count(conn):
        continue
    await count(conn)
    total = "SELECT sum(requests)::int FROM policies.usage WHERE agreement = '' AND domain = 'mobility'"
    assert await conn.fetchval(total) == 13
    await append(conn, [prepare(record(at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))])
    await seal_once(conn, LogKey.load("log.city.example", tmp_path / "log.pem"))
    await asyncio.gather(count(conn))
    assert await conn.fetchval(total) == 14


async def test_what_stewards_and_everybody_see(client: Client, conn: asyncpg.Connection, tmp_path: Path) -> None:
    await fill(conn, tmp_path)
    await count(conn)
    public = (await client.get("/trust/usage")).json()
    assert "stewards" not in public
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert public["public"] == [
        {"domain": "environment", "purpose": DPV + "Purpose", "day": today, "requests": 15},
        {"domain": "mobility", "purpose": DPV + "ScientificResearch", "day": today, "requests": None},
        {"domain": "mobility", "purpose": DPV + "ServiceProvision", "day": today, "requests": None},
    ]
    assert "rideflow" not in str(public), "who used it is not told"
    answer = await client.ask("GET", "/trust/usage", client.steward(domains="mobility"))
    assert "Datapolis-Audit" in answer.headers
    seen = answer.json()["stewards"]
    assert seen["domains"] == ["mobility"]
    assert [(one["key"], one["requests"]) for one in seen["by_agreement"]] == [(RIDEFLOW, 13)]
    assert [(one["key"], one["requests"], one["entities"]) for one in seen["by_party"]] == [
        ("urn:party:rideflow", 12, 36),
        ("urn:party:uni-air", 1, 3),
    ]
    assert [(one["key"], one["requests"]) for one in seen["by_domain"]] == [("mobility", 13)]
    assert sum(one["requests"] for one in seen["by_day"]) == 13
    page = await client.ask("GET", "/trust/usage", {**client.steward(), "Accept": "text/html"})
    assert "<svg" in page.text
    assert "RideFlow (journey planner)" in page.text
    everybody = await client.get("/trust/usage", accept="text/html")
    assert "RideFlow" not in everybody.text
    wrong = await client.get("/trust/usage", {"from": "yesterday"})
    assert wrong.status == 400
