"""Governance at the door: refusals with reason, writes under grants, receipts, and what a lost engine means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
import orjson

from docker.local.stack import ROOT
from tests.fixtures.broker import Answer, Api, broker_process, free_port
from tests.fixtures.governed import Governed
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
E = "https://smartdatamodels.org/dataModel.Environment/"
AIR = E + "AirQualityObserved"
BATTERY = orjson.loads((ROOT / "city" / "context.jsonld").read_bytes())["@context"]["batteryLevel"]
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
LINK = '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'
SERVICE = "dpv:ServiceManagement"
ROUTE = "application/json, */*;q=0.1"
"""An Accept that asks for the same and that the hot path leaves to the route."""


def air(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:AirQualityObserved:{number}",
        "type": [AIR],
        E + "no2": {"type": "Property", "value": number},
        BATTERY: {"type": "Property", "value": 0.5},
        **more,
    }


def department(governed: Governed) -> dict[str, str]:
    return governed.headers("urn:party:env-dept", "department", SERVICE)


async def records(governed: Governed, receipt: str) -> list[dict[str, Any]]:
    conn = await asyncpg.connect(governed.running.database.dsn("admin"))
    found = await conn.fetch(
        "SELECT record, c FROM policies.audit_pending WHERE id = $1::uuid", receipt.partition(":")[0]
    )
    await conn.close()
    assert [row["c"].hex() for row in found] == [receipt.partition(":")[2]]
    return [orjson.loads(row["record"]) for row in found]


async def test_the_public_reads_what_is_public_and_no_more(governed: Governed) -> None:
    await governed.store([air(1)], NOW)
    answer = await governed.get("/entities/urn:ngsi-ld:AirQualityObserved:1", {"Link": LINK})
    assert (answer.status, answer.json) == (
        200,
        {
            "id": "urn:ngsi-ld:AirQualityObserved:1",
            "type": "AirQualityObserved",
            "no2": {"type": "Property", "value": 1},
        },
    )
    (record,) = await records(governed, answer.headers["Datapolis-Audit"])
    assert record | {"id": "", "at": "", "revision": 0} == {
        "v": 1,
        "id": "",
        "at": "",
        "door": "ngsi-ld",
        "action": "read",
        "tenant": "default",
        "caller": "public",
        "purpose": "https://w3id.org/dpv#Purpose",
        "agreements": record["agreements"],
        "request": "GET /ngsi-ld/v1/entities/urn:ngsi-ld:AirQualityObserved:1",
        "outcome": "allowed",
        "reason": None,
        "entities": 1,
        "roles": [],
        "subjects": [],
        "tier": "public",
        "revision": 0,
    }
    assert ["urn:datapolis:agreement:public-environment", 1] in record["agreements"]


async def test_401_without_token_where_nothing_is_public(governed: Governed) -> None:
    answer = await governed.api.post("/entities", {"id": "urn:x:1", "type": "T"})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json["type"] == "https://datapolis.example/errors/unauthenticated"
    (record,) = await records(governed, answer.headers["Datapolis-Audit"])
    assert (record["outcome"], record["caller"], record["entities"]) == ("denied", "public", 0)


async def test_401_for_a_token_that_is_none(governed: Governed) -> None:
    answer = await governed.get("/entities?type=T", {"Authorization": "Bearer abc"})
    assert (answer.status, answer.json["title"]) == (401, "The token is not accepted")
    assert "abc" not in answer.json["detail"]


async def test_403_names_reason_and_where_to_apply(governed: Governed) -> None:
    headers = governed.headers("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
    answer = await governed.api.call("DELETE", "/entities/urn:ngsi-ld:AirQualityObserved:1", headers=headers)
    assert (answer.status, answer.json["type"]) == (403, "https://datapolis.example/errors/denied")
    assert answer.json["reason"] == "no_agreement"
    assert answer.json["apply_at"].startswith("http")
    assert set(answer.json) == {"type", "title", "detail", "status", "reason", "apply_at"}


async def test_a_type_that_is_not_granted_is_as_if_there_were_none(governed: Governed) -> None:
    await governed.store([air(1), {"id": "urn:x:secret", "type": ["https://example.org/Secret"]}], NOW)
    headers = governed.headers("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
    answer = await governed.get("/entities?type=https:%2F%2Fexample.org%2FSecret&count=true", headers)
    assert (answer.status, answer.json, answer.headers["NGSILD-Results-Count"]) == (200, [], "0")
    hidden = await governed.get("/entities/urn:x:secret", headers)
    missing = await governed.get("/entities/urn:x:nosuch", headers)
    assert (hidden.status, hidden.body.replace(b"urn:x:secret", b"")) == (
        404,
        missing.body.replace(b"urn:x:nosuch", b""),
    )


async def test_a_write_needs_a_grant_for_type_and_attributes(governed: Governed) -> None:
    await governed.store([], NOW)
    headers = {**department(governed), "Link": LINK}
    mine = {"id": "urn:ngsi-ld:AirQualityObserved:9", "type": "AirQualityObserved", "no2": {"value": 1}}
    created = await governed.api.call("POST", "/entities", mine, headers)
    assert created.status == 201
    (record,) = await records(governed, created.headers["Datapolis-Audit"])
    assert (record["action"], record["outcome"], record["entities"]) == ("publish", "allowed", 1)
    foreign = {"id": "urn:ngsi-ld:Vehicle:9", "type": "Vehicle"}
    refused = await governed.api.call("POST", "/entities", foreign, headers)
    assert (refused.status, refused.json["type"]) == (403, "https://datapolis.example/errors/denied")
    (record,) = await records(governed, refused.headers["Datapolis-Audit"])
    assert (record["outcome"], record["entities"]) == ("denied", 0)
    both = await governed.api.call("POST", "/entityOperations/upsert", [mine, foreign], headers)
    assert (both.status, both.json["success"]) == (207, ["urn:ngsi-ld:AirQualityObserved:9"])
    assert [(one["entityId"], one["error"]["status"]) for one in both.json["errors"]] == [
        ("urn:ngsi-ld:Vehicle:9", 403)
    ]
    assert (await governed.get("/entities?type=Vehicle&count=true", headers)).headers["NGSILD-Results-Count"] == "0"
    gone = await governed.api.call("DELETE", "/entities/urn:ngsi-ld:AirQualityObserved:9", headers=headers)
    assert gone.status == 204


async def test_what_a_deleter_may_not_see_is_missing(governed: Governed) -> None:
    await governed.store([{"id": "urn:x:v", "type": [VEHICLE]}], NOW)
    answer = await governed.api.call("DELETE", "/entities/urn:x:v", headers=department(governed))
    assert answer.status == 404
    reader = governed.headers("urn:party:mobility-dept", "department", SERVICE)
    assert (await governed.get("/entities/urn:x:v", reader)).status == 200


def comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    kept = sorted((k.lower(), v) for k, v in answer.headers.items() if k.lower() not in ("datapolis-audit", "date"))
    return answer.status, kept, answer.body


async def test_the_hot_path_answers_byte_for_byte_what_the_route_answers(governed: Governed) -> None:
    with_names = {E + "no2": {"type": "Property", "value": {"a": 1}, E + "o3": {"type": "Property", "value": 2}}}
    await governed.store([air(1, scope=["/a"]), air(2, **with_names), air(3, scope=["/a", "/b"])], NOW)
    more = {E + "o3": {"type": "Property", "value": "a b"}}
    await governed.store([air(n, **more) if n < 15 else air(n) for n in range(10, 20)], NOW)
    page = f"/entities?type={AIR.replace('/', '%2F')}&limit=2"
    for caller in (
        {},
        department(governed),
        governed.headers("urn:party:uni-air", "researcher", "dpv:AcademicResearch"),
    ):
        for context in ({}, {"Link": LINK}):
            for tenant in ({}, {"NGSILD-Tenant": "default"}):
                headers = {**caller, **context, **tenant}
                for path in (*(f"/entities/urn:ngsi-ld:AirQualityObserved:{n}" for n in (1, 2, 3, 4)), page, page[:-8]):
                    route = await governed.get(path, {**headers, "Accept": ROUTE})
                    for _ in range(3):
                        hot = await governed.get(path, headers)
                        assert comparable(hot) == comparable(route), (path, headers)


async def test_every_request_has_one_record_and_its_own(governed: Governed) -> None:
    await governed.store([air(1)], NOW)
    conn = await asyncpg.connect(governed.running.database.dsn("admin"))
    before = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
    paths = [
        "/entities/urn:ngsi-ld:AirQualityObserved:1",
        "/entities/urn:x:none",
        "/entities?type=T",
        "/entities?bad=1",
    ]
    receipts = [(await governed.get(paths[n % 4], department(governed))).headers["Datapolis-Audit"] for n in range(40)]
    assert len(set(receipts)) == 40
    assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == before + 40
    await conn.close()


async def test_without_the_policy_engine_everything_is_503(pg_module: Database, issuer: TestIssuer) -> None:
    environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": f"http://127.0.0.1:{free_port()}"}
    with broker_process(pg_module, environment) as running:
        async with aiohttp.ClientSession() as http:
            api = Api(http, running.url, None)
            for method, path in (
                ("GET", "/entities?type=T"),
                ("GET", "/entities/urn:x:1"),
                ("DELETE", "/entities/urn:x:1"),
            ):
                answer = await api.call(method, path)
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
                assert answer.json["type"] == "https://datapolis.example/errors/unavailable"


async def test_what_cannot_be_audited_is_not_answered(governed: Governed) -> None:
    await governed.store([air(1)], NOW)
    path = "/entities/urn:ngsi-ld:AirQualityObserved:1"
    assert (await governed.get(path, {})).status == 200
    conn = await asyncpg.connect(governed.running.database.dsn("admin"))
    await conn.execute("ALTER TABLE policies.audit_pending RENAME TO audit_away")
    try:
        for accept in ("*/*", ROUTE):
            answer = await governed.get(path, {"Accept": accept})
            assert answer.status == 503
            assert b"no2" not in answer.body
        written = await governed.api.call(
            "POST", "/entities", {"id": "urn:x:n", "type": "AirQualityObserved"}, {**department(governed), "Link": LINK}
        )
        assert written.status in (500, 503)
    finally:
        await conn.execute("ALTER TABLE policies.audit_away RENAME TO audit_pending")
        await conn.close()
    assert (await governed.get(path, {})).status == 200
    assert (await governed.get("/entities/urn:x:n", department(governed))).status == 404
