"""Twin stores under writes: what is hidden from a writer is neither told by an answer nor changed.

The writer may read, publish and delete two attributes of buses. Each twin differs from the base in what the writer may
not see. The same requests get the same answers, byte for byte; afterwards the hidden part stands as it stood.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest
import yaml

from broker.store.pool import Pool
from tests.bench.environment import city_in_force
from tests.fixtures.broker import BrokerProcess, broker_process
from tests.fixtures.governed import DEFAULT_SCHEMA, PATIENT, Governed
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
NS = "https://fleet.example/def#"
CAR, OTHER = NS + "Car", NS + "Other"
SPEED, KIND, SECRET = NS + "speed", NS + "kind", NS + "secret"
CONTEXT = {"Car": CAR, "Other": OTHER, "speed": SPEED, "kind": KIND, "secret": SECRET}
LINK = {"Link": '</ngsi-ld/v1/jsonldContexts/city>; rel="http://www.w3.org/ns/json-ld#context"'}
DENIED = "https://datapolis.example/errors/denied"
Doc = dict[str, Any]


def agreement(name: str, party: str, target: Doc) -> Doc:
    actions = ["read", "publish", "delete"]
    return {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", "https://datapolis.example/ns/trust.jsonld", CONTEXT],
        "@type": "Agreement",
        "uid": f"urn:fleet:agreement:{name}",
        "profile": "https://datapolis.example/ns/trust",
        "version": 1,
        "status": "active",
        "domain": "fleet",
        "assigner": "urn:party:fleet",
        "assignee": party,
        "valid": {"from": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z"},
        "permission": [
            {"action": [one], "target": {**target, **({"feeds": ["hand"]} if one == "publish" else {})}}
            for one in actions
        ],
    }


def write_city(city: Path) -> None:
    document: Doc = {"name": "Fleet", "languages": ["en"], "time_zone": "UTC"}
    document["tenants"] = [{"name": "default", "title": {"en": "Fleet"}}]
    document["parties"] = {f"urn:party:{name}": name for name in ("fleet", "steward", "writer", "owner")}
    domain: Doc = {
        "name": "fleet",
        "title": {"en": "Fleet"},
        "owner": "urn:party:fleet",
        "steward": "urn:party:steward",
    }
    domain |= {"tenant": "default", "types": [CAR, OTHER], "classification": "open", "purposes": ["dpv:PublicBenefit"]}
    (city / "city.yaml").write_text(yaml.safe_dump(document))
    (city / "context.jsonld").write_text(json.dumps({"@context": CONTEXT}))
    (city / "domains").mkdir()
    (city / "agreements").mkdir()
    (city / "domains" / "fleet.yaml").write_text(yaml.safe_dump(domain))
    narrow = {"types": ["Car"], "attrs": {"only": ["speed", "kind"]}, "q": 'kind=="bus"'}
    for name, target in (("writer", narrow), ("owner", {"types": ["Car", "Other"]})):
        file = city / "agreements" / f"{name}.jsonld"
        file.write_text(json.dumps(agreement(name, f"urn:party:{name}", target)))


@pytest.fixture(scope="module")
def fleet(pg_module: Database, opa: str, issuer: TestIssuer) -> Iterator[BrokerProcess]:
    with tempfile.TemporaryDirectory() as folder:
        write_city(Path(folder))
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(lambda: city_in_force(pg_module, Path(folder))).result()
        environment = {**issuer.environment(), "DATAPOLIS_OPA_URL": opa, "DATAPOLIS_CITY": folder, **PATIENT}
        with broker_process(pg_module, environment) as running:
            yield running


@pytest.fixture
async def governed(fleet: BrokerProcess, issuer: TestIssuer) -> AsyncIterator[Governed]:
    pool = Pool(fleet.database.dsn("broker"), size=2)
    await pool.open()
    async with aiohttp.ClientSession() as http:
        yield Governed(fleet, issuer, http, pool)
    await pool.close()


def car(number: int, kind: str = "bus", **more: Any) -> Doc:
    return {
        "id": f"urn:x:{number:02}",
        "type": [CAR],
        KIND: {"type": "Property", "value": kind},
        SPEED: {"type": "Property", "value": number},
        **more,
    }


def base() -> list[Doc]:
    return [car(n) for n in range(1, 13)]


def with_secrets() -> list[Doc]:
    """An attribute that the writer may not see, in one instance or in two."""
    docs = base()
    for doc in docs:
        doc[SECRET] = {"type": "Property", "value": "SECRET", "unitCode": "CEL"}
    docs[4][SECRET] = [docs[4][SECRET], {"type": "Property", "value": 1, "datasetId": "urn:d:1"}]
    return docs


def with_another_attribute() -> list[Doc]:
    return [{**doc, NS + "more": {"type": "Relationship", "object": "urn:x:secret"}} for doc in base()]


def with_hidden_entities() -> list[Doc]:
    """Entities that the writer may not see, at ids that the requests name."""
    return [*base(), car(40, "tram"), {**car(41), "type": [OTHER]}, car(42, "tram")]


def requests() -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    for number in (1, 40, 41):
        one = f"/entities/urn:x:{number:02}"
        secret, speed = f"{one}/attrs/secret", f"{one}/attrs/speed"
        found += [
            ("POST", f"{one}/attrs", {"speed": 5}),
            ("POST", f"{one}/attrs?options=noOverwrite", {"speed": 6}),
            ("POST", f"{one}/attrs", {"secret": 7}),
            ("POST", f"{one}/attrs?options=noOverwrite", {"secret": 7, "speed": 7}),
            ("PATCH", f"{one}/attrs", {"secret": "urn:ngsi-ld:null"}),
            ("PATCH", f"{one}/attrs", {"speed": 8, "scope": "/s"}),
            ("PATCH", secret, {"value": 1}),
            ("PATCH", secret, {"object": "urn:x:1"}),
            ("PATCH", secret, {"value": 1, "datasetId": "urn:d:1"}),
            ("PUT", secret, {"value": 1}),
            ("DELETE", secret, None),
            ("DELETE", f"{secret}?deleteAll=true", None),
            ("DELETE", f"{secret}?datasetId=urn:d:1", None),
            ("PATCH", speed, {"unitCode": "KMH"}),
            ("PATCH", speed, {"object": "urn:x:1"}),
            ("PUT", speed, {"value": 9}),
            ("PATCH", one, {"speed": {"value": 10}, "type": "Car"}),
            ("PATCH", one, {"secret": {"unitCode": "urn:ngsi-ld:null"}}),
            ("PATCH", one, {"kind": "tram"}),
            ("PATCH", one, {"type": "Other"}),
            ("PATCH", f"{one}?type=Other", {"speed": 1}),
            ("PUT", one, {"type": "Car", "kind": "bus", "speed": 11}),
            ("PUT", one, {"type": "Car", "kind": "bus", "secret": 11}),
            ("DELETE", f"{one}/attrs/speed", None),
            ("DELETE", one, None),
        ]
    several = ("urn:x:02", "urn:x:40", "urn:x:41")
    batches = [
        ("update", [{"id": one, "speed": 1} for one in several]),
        ("update", [{"id": one, "secret": 1} for one in several]),
        ("update?options=noOverwrite", [{"id": one, "speed": 2} for one in several]),
        ("merge", [{"id": one, "speed": {"value": 3}} for one in several]),
        ("merge", [{"id": one, "secret": "urn:ngsi-ld:null"} for one in several]),
        ("upsert", [{"id": "urn:x:03", "type": "Car", "kind": "bus", "speed": 1}]),
        ("upsert?options=update", [{"id": "urn:x:03", "type": "Car", "secret": 1}]),
        ("create", [{"id": "urn:x:04", "type": "Car", "kind": "bus"}]),
        ("create", [{"id": one, "type": "Car", "kind": "bus"} for one in ("urn:x:04", "urn:x:50")]),
        ("create", [{"id": one, "type": "Car", "kind": "tram"} for one in ("urn:x:51", "urn:x:52")]),
        ("delete", list(several)),
    ]
    found += [("POST", f"/entityOperations/{path}", body) for path, body in batches]
    purges = [
        "drop=secret",
        "type=Car&q=secret",
        "type=Car&id=urn:x:05,urn:x:40&drop=speed",
        "type=Car&id=urn:x:06&keep=kind",
    ]
    purges += ["type=Car&id=urn:x:07,urn:x:40", "type=Other", "type=Car&q=speed>8&drop=speed,secret"]
    return found + [("DELETE", f"/entities?{query}", None) for query in purges]


async def answers(governed: Governed) -> dict[str, tuple[int, Any, bytes]]:
    headers = governed.headers("urn:party:writer", "vendor", "dpv:PublicBenefit") | LINK
    found = {}
    for at, (method, path, body) in enumerate(requests()):
        answer = await governed.api.call(method, path, body, headers)
        assert answer.status < 500, (method, path, answer.body)
        named = [(k.lower(), v) for k, v in answer.headers.items()]
        shown = sorted(one for one in named if one[0] not in ("datapolis-audit", "date"))
        assert "datapolis-audit" in dict(named), (method, path)
        found[f"{at} {method} {path} {orjson.dumps(body).decode()}"] = (answer.status, shown, answer.body)
    return found


async def state(governed: Governed) -> dict[str, dict[str, Any]]:
    async with governed.pool.lend(DEFAULT_SCHEMA) as conn:
        rows = await conn.fetch("SELECT id, types, names, segs FROM entities")
    return {row[0]: {"type": row[1], **dict(zip(row[2], map(orjson.loads, row[3]), strict=True))} for row in rows}


@pytest.mark.parametrize(
    "twin", [with_secrets, with_another_attribute, with_hidden_entities], ids=lambda twin: twin.__name__
)
async def test_twins_get_the_same_answers_and_keep_what_is_hidden(governed: Governed, twin: Any) -> None:
    await governed.store(base(), NOW)
    expected = await answers(governed)
    plain = await state(governed)
    await governed.store(twin(), NOW)
    before = await state(governed)
    found = await answers(governed)
    assert {name: one for name, one in found.items() if one != expected[name]} == {}
    after = await state(governed)
    seen = {CAR, KIND, SPEED, "type"}
    for name, doc in before.items():
        if name not in plain and not name.startswith("urn:x:4"):
            continue
        hidden = {key: value for key, value in doc.items() if name.startswith("urn:x:4") or key not in seen}
        assert {key: after[name].get(key) for key in hidden} == hidden, name
    visible = {name: {key: one for key, one in doc.items() if key in seen} for name, doc in after.items()}
    assert {name: visible[name] for name in plain} == plain
    assert not any(b"SECRET" in body for _, _, body in found.values())


async def test_what_the_requests_came_to(governed: Governed) -> None:
    """The twins' equality means something: writes inside the grant take effect, others are refused or find nothing."""
    await governed.store(with_secrets() + with_hidden_entities()[-3:], NOW)
    found = {name.partition(" ")[2]: one for name, one in (await answers(governed)).items()}
    status = {name: one[0] for name, one in found.items()}
    counts = {code: sum(one == code for one in status.values()) for code in set(status.values())}
    assert counts.keys() == {204, 207, 400, 403, 404}
    assert status['POST /entities/urn:x:01/attrs {"speed":5}'] == 204
    assert status['POST /entities/urn:x:40/attrs {"speed":5}'] == 404
    assert status['POST /entities/urn:x:01/attrs {"secret":7}'] == 403
    assert status['PUT /entities/urn:x:01/attrs/secret {"value":1}'] == 403
    assert status['PATCH /entities/urn:x:01 {"kind":"tram"}'] == 403
    assert status['PUT /entities/urn:x:01 {"type":"Car","kind":"bus","speed":11}'] == 204
    assert status["DELETE /entities/urn:x:01 null"] == 403
    assert status["DELETE /entities/urn:x:40 null"] == 404
    assert status["DELETE /entities?drop=secret null"] == 204
    denied = orjson.loads(found["DELETE /entities/urn:x:01/attrs/secret null"][2])
    assert (denied["type"], denied["detail"]) == (DENIED, f"urn:x:01: no grant covers the attribute {SECRET}")
    after = await state(governed)
    assert after["urn:x:01"][SECRET]["value"] == "SECRET"
    assert after["urn:x:05"].keys() == {"type", KIND, SECRET}
    assert after["urn:x:06"].keys() == {"type", KIND, SECRET}
    assert after["urn:x:40"] == {"type": [CAR], **{key: car(40, "tram")[key] for key in (KIND, SPEED)}}


async def test_a_taken_id_is_refused_as_any_entity_that_no_grant_covers(governed: Governed) -> None:
    await governed.store(with_hidden_entities(), NOW)
    headers = governed.headers("urn:party:writer", "vendor", "dpv:PublicBenefit") | LINK
    taken = {"id": "urn:x:40", "type": "Car", "kind": "bus"}
    uncovered = {"id": "urn:x:99", "type": "Car", "kind": "tram"}
    for path, wrap in (("/entities", False), ("/entityOperations/create", True), ("/entityOperations/upsert", True)):
        first, second = [
            await governed.api.call("POST", path, [one] if wrap else one, headers) for one in (taken, uncovered)
        ]
        assert first.status == (207 if wrap else 403)
        assert first.body.replace(b"urn:x:40", b"") == second.body.replace(b"urn:x:99", b"")
    seen = await governed.api.call("POST", "/entities", {"id": "urn:x:01", "type": "Car", "kind": "bus"}, headers)
    assert seen.status == 409


async def test_each_write_has_one_record_committed_before_its_answer(governed: Governed) -> None:
    await governed.store(with_secrets(), NOW)
    headers = governed.headers("urn:party:writer", "vendor", "dpv:PublicBenefit") | LINK
    conn = await asyncpg.connect(governed.running.database.dsn("admin"), timeout=10)
    query = "SELECT record FROM policies.audit_pending WHERE id = $1::uuid"
    outcomes: dict[str, set[str]] = {}
    for method, path, body in requests():
        before = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
        answer = await governed.api.call(method, path, body, headers)
        assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == before + 1
        record = json.loads(await conn.fetchval(query, answer.headers["Datapolis-Audit"].partition(":")[0]))
        deletes = path == "/entityOperations/delete" or (method == "DELETE" and "/attrs/" not in path)
        action = "delete" if deletes else "publish"
        assert (record["action"], record["caller"]) == (action, "urn:party:writer")
        outcomes.setdefault(str(answer.status), set()).add(record["outcome"])
    await conn.close(timeout=5)
    assert outcomes["204"] == {"allowed"}
    assert outcomes["403"] == {"denied"}
    assert outcomes["404"] == outcomes["400"] == {"error"}


async def test_the_owner_may_all_of_it(governed: Governed) -> None:
    await governed.store(with_secrets(), NOW)
    headers = governed.headers("urn:party:owner", "department", "dpv:PublicBenefit") | LINK
    for method, path, body in [
        ("PATCH", "/entities/urn:x:01/attrs/secret", {"value": 2}),
        ("DELETE", "/entities/urn:x:02/attrs/secret", None),
        ("PUT", "/entities/urn:x:03", {"type": "Car", "kind": "tram"}),
        ("DELETE", "/entities/urn:x:04", None),
        ("DELETE", "/entities?type=Car&q=speed>4", None),
    ]:
        assert (await governed.api.call(method, path, body, headers)).status == 204, path
    after = await state(governed)
    assert after.keys() == {"urn:x:01", "urn:x:02", "urn:x:03"}
    assert after["urn:x:01"][SECRET]["value"] == 2
    assert SECRET not in after["urn:x:02"]
    assert after["urn:x:03"].keys() == {"type", KIND}
