"""Registrations under policies: who may register what, and what others learn of it (5.9, 5.10; ops.registrations).

`maker` may register two attributes of cars and read buses; `reader` may read one attribute of cars; `filtered` has a
grant to register that looks at entities; `owner` may everything with every type there is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import yaml

from broker.store import registrations
from broker.store.pool import Pool
from broker.store.registrations import Stored
from tests.bench.environment import city_in_force
from tests.fixtures.broker import Answer, BrokerProcess, broker_process
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
PATH = "/csourceRegistrations"
Doc = dict[str, Any]

BOTH: Doc = {"types": ["Car"], "attrs": {"only": ["speed", "kind"]}}
GRANTS: dict[str, list[tuple[list[str], Doc]]] = {
    "maker": [(["register"], BOTH), (["read"], {**BOTH, "q": 'kind=="bus"'}), (["read"], {"types": ["Other"]})],
    "reader": [(["read"], {"types": ["Car"], "attrs": {"only": ["speed"]}}), (["register"], {"types": ["Other"]})],
    "filtered": [(["register", "read"], {**BOTH, "q": 'kind=="bus"'})],
    "owner": [(["register", "read"], {"types": ["Car", "Other"]})],
    "spared": [(["register", "read"], {"types": ["Car"]})],
}
PROHIBITED: dict[str, tuple[list[str], Doc]] = {
    "spared": (["register", "read"], {"types": ["Car"], "attrs": {"only": ["secret"]}, "q": 'kind=="bus"'}),
}


def write_city(city: Path) -> None:
    document: Doc = {"name": "Fleet", "languages": ["en"], "time_zone": "UTC"}
    document["tenants"] = [{"name": "default", "title": {"en": "Fleet"}}]
    document["parties"] = {f"urn:party:{name}": name for name in ("fleet", "steward", *GRANTS)}
    domain: Doc = {
        "name": "fleet",
        "title": {"en": "Fleet"},
        "owner": "urn:party:fleet",
        "steward": "urn:party:steward",
        "tenant": "default",
        "types": [CAR, OTHER],
        "classification": "open",
        "purposes": ["dpv:PublicBenefit"],
    }
    (city / "city.yaml").write_text(yaml.safe_dump(document))
    (city / "context.jsonld").write_text(json.dumps({"@context": CONTEXT}))
    (city / "domains").mkdir()
    (city / "agreements").mkdir()
    (city / "domains" / "fleet.yaml").write_text(yaml.safe_dump(domain))
    for name, grants in GRANTS.items():
        agreement = {
            "@context": ["http://www.w3.org/ns/odrl.jsonld", "https://datapolis.example/ns/trust.jsonld", CONTEXT],
            "@type": "Agreement",
            "uid": f"urn:fleet:agreement:{name}",
            "profile": "https://datapolis.example/ns/trust",
            "version": 1,
            "status": "active",
            "domain": "fleet",
            "assigner": "urn:party:fleet",
            "assignee": f"urn:party:{name}",
            "valid": {"from": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z"},
            "permission": [{"action": actions, "target": target} for actions, target in grants],
        }
        if name in PROHIBITED:
            actions, target = PROHIBITED[name]
            agreement["prohibition"] = [{"action": actions, "target": target}]
        (city / "agreements" / f"{name}.jsonld").write_text(json.dumps(agreement))


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
    """The broker, without entities and registrations."""
    pool = Pool(fleet.database.dsn("broker"), size=2)
    await pool.open()
    async with aiohttp.ClientSession() as http:
        found = Governed(fleet, issuer, http, pool)
        await found.store([], NOW)
        await keep(found, [])
        yield found
    await pool.close()


async def keep(governed: Governed, stored: list[Stored]) -> None:
    """Let there be these registrations and no others."""
    async with governed.pool.tx(DEFAULT_SCHEMA) as conn:
        for one in await registrations.every(conn, NOW):
            await registrations.delete(conn, "default", one.id, NOW)
        for one in stored:
            assert await registrations.insert(conn, "default", one)


def stored(id: str, information: list[Doc], party: str = "owner", at: datetime = NOW, **more: Any) -> Stored:
    doc = {"endpoint": f"http://{id}.example", "information": information, **more}
    return Stored(f"urn:r:{id}", doc, f"urn:party:{party}", NOW, at, None)


def given(id: str, information: list[Doc], **more: Any) -> Doc:
    return {
        "id": f"urn:r:{id}",
        "type": "ContextSourceRegistration",
        "endpoint": "http://source.example",
        "information": information,
        **more,
    }


async def call(governed: Governed, party: str | None, method: str, path: str, body: Any = None) -> Answer:
    name = None if party is None else f"urn:party:{party}"
    headers = governed.headers(name, "vendor", "dpv:PublicBenefit") | LINK
    return await governed.api.call(method, path, body, headers)


CARS = {"entities": [{"type": "Car"}]}
NAMED = {**CARS, "propertyNames": ["speed"]}
REGISTERED: list[tuple[str, Doc, int, str]] = [
    ("maker", NAMED, 201, ""),
    ("maker", {**NAMED, "relationshipNames": ["kind"]}, 201, ""),
    ("maker", {"entities": [{"type": "Car", "idPattern": "x"}], "propertyNames": ["kind"]}, 201, ""),
    ("maker", CARS, 403, f"all attributes of the type {CAR}"),
    ("maker", {**CARS, "propertyNames": ["speed", "secret"]}, 403, f"the attribute {SECRET} of the type {CAR}"),
    (
        "maker",
        {"entities": [{"type": ["Car", "Other"]}], "propertyNames": ["speed"]},
        403,
        f"the attribute {SPEED} of the type {CAR}",
    ),
    ("maker", {"propertyNames": ["speed"]}, 403, f"the attribute {SPEED} of entities of any type"),
    ("maker", {"entities": [{"id": "urn:x:1"}], "propertyNames": ["speed"]}, 403, "any type"),
    ("filtered", NAMED, 403, f"the attribute {SPEED} of the type {CAR}"),
    ("reader", NAMED, 403, f"the attribute {SPEED} of the type {CAR}"),
    ("reader", {"entities": [{"type": "Other"}]}, 201, ""),
    ("owner", CARS, 201, ""),
    ("owner", {"entities": [{"type": ["Car", "Other"]}]}, 201, ""),
    ("owner", {"propertyNames": ["speed"]}, 403, "any type"),
    ("spared", NAMED, 201, ""),
    ("spared", {**CARS, "propertyNames": ["speed", "secret"]}, 403, f"the attribute {SECRET} of the type {CAR}"),
    ("spared", CARS, 403, f"all attributes of the type {CAR}"),
]


@pytest.mark.parametrize(("party", "info", "status", "detail"), REGISTERED, ids=range(len(REGISTERED)))
async def test_what_a_party_may_register_is_what_its_grants_cover(
    governed: Governed, party: str, info: Doc, status: int, detail: str
) -> None:
    answer = await call(governed, party, "POST", PATH, given("a", [info]))
    assert answer.status == status
    if status == 403:
        assert (answer.json["type"], answer.json["reason"]) == (DENIED, "no_agreement")
        assert detail in answer.json["detail"]
        assert "apply_at" in answer.json
        assert (await call(governed, "owner", "GET", f"{PATH}/urn:r:a")).status == 404
        # nor may one that is covered be changed into it
        covered = {"entities": [{"type": "Other"}]} if party == "reader" else NAMED
        if (await call(governed, party, "POST", PATH, given("b", [covered]))).status == 201:
            changed = await call(governed, party, "PATCH", f"{PATH}/urn:r:b", {"information": [info]})
            assert (changed.status, changed.json["detail"]) == (403, answer.json["detail"].replace("r:a", "r:b"))


async def test_what_a_prohibition_covers_is_not_shown(governed: Governed) -> None:
    """Whatever its filter: of entities held elsewhere it cannot be known."""
    cars: Doc = {"entities": [{"type": [CAR]}]}
    both, one = {**cars, "propertyNames": [SPEED, SECRET]}, {**cars, "propertyNames": [SECRET]}
    await keep(governed, [stored("both", [both]), stored("one", [one])])
    found = await call(governed, "spared", "GET", f"{PATH}?type=Car")
    assert [(one["id"], one["information"]) for one in found.json] == [("urn:r:both", [NAMED])]
    assert (await call(governed, "spared", "GET", f"{PATH}?type=Car&attrs=secret")).json == []
    assert (await call(governed, "spared", "GET", f"{PATH}/urn:r:one")).status == 404
    assert len((await call(governed, "owner", "GET", f"{PATH}?type=Car&attrs=secret")).json) == 2


async def test_without_a_token_or_a_grant_nothing_is_registered(governed: Governed) -> None:
    assert (await call(governed, None, "POST", PATH, given("a", [NAMED]))).status == 401
    nobody = await call(governed, "stranger", "POST", PATH, given("a", [NAMED]))
    assert (nobody.status, nobody.json["type"]) == (403, DENIED)
    assert (await call(governed, "stranger", "GET", f"{PATH}?type=Car")).status == 403


async def test_only_its_party_changes_a_registration(governed: Governed) -> None:
    """For others it is not there, whether or not they see it."""
    assert (await call(governed, "maker", "POST", PATH, given("a", [NAMED]))).status == 201
    assert (await call(governed, "owner", "GET", f"{PATH}/urn:r:a")).status == 200
    for party in ("owner", "reader"):
        for method, body in (("PATCH", {"description": "mine"}), ("DELETE", None)):
            answer = await call(governed, party, method, f"{PATH}/urn:r:a", body)
            absent = await call(governed, party, method, f"{PATH}/urn:r:b", body)
            assert (answer.status, answer.body) == (404, absent.body.replace(b"r:b", b"r:a"))
    assert (await call(governed, "maker", "PATCH", f"{PATH}/urn:r:a", {"description": "mine"})).status == 204
    assert (await call(governed, "maker", "DELETE", f"{PATH}/urn:r:a")).status == 204


# ---- twins

SEEN: Doc = {"entities": [{"type": [CAR], "idPattern": "^urn:x:"}], "propertyNames": [SPEED]}


def base() -> list[Stored]:
    return [stored("a", [SEEN]), stored("b", [{"entities": [{"type": [CAR]}]}]), stored("mine", [SEEN], "reader")]


def hidden_registrations() -> list[Stored]:
    more = [
        stored("0", [{"entities": [{"type": [OTHER]}]}]),
        stored("aa", [{"entities": [{"type": [CAR]}], "propertyNames": [KIND, SECRET]}]),
        stored("ab", [{"propertyNames": [SPEED]}]),
        stored("c", [{"entities": [{"type": [CAR, OTHER]}], "relationshipNames": [SPEED]}]),
    ]
    return [*base(), *more]


def hidden_attributes() -> list[Stored]:
    first = {**SEEN, "propertyNames": [SECRET, SPEED, KIND], "relationshipNames": [SECRET]}
    return [stored("a", [first]), *base()[1:]]


def hidden_entities() -> list[Stored]:
    first = {**SEEN, "entities": [{"type": [OTHER]}, *SEEN["entities"], {"type": [CAR, OTHER]}, {"id": "urn:x:secret"}]}
    return [stored("a", [{"entities": [{"type": [OTHER]}]}, first, {"propertyNames": [SECRET]}]), *base()[1:]]


def hidden_keys_and_times() -> list[Stored]:
    later, keys = NOW + timedelta(minutes=5), [{"key": "Authorization", "value": "SECRET"}]
    return [stored("a", [SEEN], at=later, contextSourceInfo=keys), *base()[1:]]


_COUNT = "&count=true&options=sysAttrs"
READS = [
    *(f"{PATH}/urn:r:{id}?options=sysAttrs" for id in ("0", "a", "aa", "b", "c", "mine", "none")),
    f"{PATH}?type=Car{_COUNT}",
    f"{PATH}?type=Other{_COUNT}",
    f"{PATH}?type=*{_COUNT}",
    f"{PATH}?type=(Car;Other){_COUNT}",
    f"{PATH}?type=*&limit=1{_COUNT}",
    f"{PATH}?type=*&limit=1&offset=1{_COUNT}",
    f"{PATH}?attrs=speed{_COUNT}",
    f"{PATH}?attrs=secret{_COUNT}",
    f"{PATH}?attrs=kind,secret{_COUNT}",
    f"{PATH}?q=secret==1{_COUNT}",
    f"{PATH}?id=urn:x:secret{_COUNT}",
    f"{PATH}?id=urn:y:1{_COUNT}",
    f"{PATH}?type=Car&csf=contextSourceInfo{_COUNT}",
    f"{PATH}?type=Car&csf=contextSourceInfo~=SECRET{_COUNT}",
    f"{PATH}?type=Car&csf=modifiedAt>2026-11-22T06:01:00Z",
    f'{PATH}?type=*&csf=endpoint~="r:c"{_COUNT}',
]


async def answers(governed: Governed) -> dict[str, tuple[int, Any, bytes]]:
    found = {}
    for path in READS:
        answer = await call(governed, "reader", "GET", path)
        shown = sorted(
            (k.lower(), v) for k, v in answer.headers.items() if k.lower() not in ("datapolis-audit", "date")
        )
        found[path] = (answer.status, shown, answer.body)
    return found


@pytest.mark.parametrize(
    "twin",
    [hidden_registrations, hidden_attributes, hidden_entities, hidden_keys_and_times],
    ids=lambda twin: twin.__name__,
)
async def test_twins_are_answered_byte_for_byte_the_same(governed: Governed, twin: Any) -> None:
    await keep(governed, base())
    expected = await answers(governed)
    await keep(governed, twin())
    found = await answers(governed)
    assert {path: one for path, one in found.items() if one != expected[path]} == {}
    assert not any(b"SECRET" in body or b"secret" in body for path, (_, _, body) in found.items() if "id=" not in path)


async def test_what_the_reads_came_to(governed: Governed) -> None:
    """The twins' equality means something: what may be read is found, and a party's own is shown to it whole."""
    keys = [{"key": "Authorization", "value": "SECRET"}]
    mine = stored(
        "mine", [{"entities": [{"type": [CAR]}], "propertyNames": [SECRET]}], "reader", contextSourceInfo=keys
    )
    await keep(governed, [*hidden_registrations()[:2], *hidden_registrations()[3:], mine])
    everything = (await call(governed, "reader", "GET", f"{PATH}?type=*&options=sysAttrs")).json
    assert [one["id"][6:] for one in everything] == ["a", "b", "mine"]
    assert everything[0]["information"] == [
        {"entities": [{"type": "Car", "idPattern": "^urn:x:"}], "propertyNames": ["speed"]}
    ]
    assert everything[2]["contextSourceInfo"] == keys
    assert ["modifiedAt" in one for one in everything] == [False, False, True]
    assert [one["id"][6:] for one in (await call(governed, "reader", "GET", f"{PATH}?attrs=secret")).json] == [
        "b",
        "mine",
    ]
    owners = (await call(governed, "owner", "GET", f"{PATH}?type=*")).json
    assert [one["id"][6:] for one in owners] == ["0", "a", "aa", "ab", "b", "c", "mine"]
    assert "contextSourceInfo" not in owners[-1]


async def test_a_filter_that_looks_at_entities_shows_no_registration(governed: Governed) -> None:
    await keep(governed, base())
    assert (await call(governed, "filtered", "GET", f"{PATH}?type=*")).json == []


# ---- conflicts


def car(number: int, kind: str) -> Doc:
    return {
        "id": f"urn:x:{number}",
        "type": [CAR],
        KIND: {"type": "Property", "value": kind},
        SPEED: {"type": "Property", "value": number},
    }


def exclusive(number: int, *names: str) -> Doc:
    return {"entities": [{"type": "Car", "id": f"urn:x:{number}"}], "propertyNames": [*names]}


async def test_a_conflict_is_told_to_who_may_read_what_stands_in_the_way(governed: Governed) -> None:
    """Of an entity and of a registration that the party may not read, the refusal is one and the same, and no 409."""
    taken = {"entities": [{"type": [CAR], "id": "urn:x:3"}], "propertyNames": [SPEED]}
    await keep(governed, [stored("hidden", [taken], mode="exclusive")])
    await governed.store([car(1, "bus"), car(2, "tram")], NOW)
    seen = await call(governed, "maker", "POST", PATH, given("a", [exclusive(1, "speed")], mode="exclusive"))
    assert (seen.status, seen.json["type"].rpartition("/")[2]) == (409, "Conflict")
    refused = [
        await call(governed, "maker", "POST", PATH, given("a", [exclusive(number, "speed")], mode="exclusive"))
        for number in (2, 3)
    ]
    refused.append(await call(governed, "maker", "POST", PATH, given("hidden", [exclusive(4, "speed")])))
    detail = "urn:r:{}: no grant covers this registration as written"
    for answer, id in zip(refused, ("a", "a", "hidden"), strict=True):
        assert (answer.status, answer.json["type"]) == (403, DENIED)
        assert answer.json["detail"] == detail.format(id)
    assert refused[0].body == refused[1].body
    free = await call(governed, "maker", "POST", PATH, given("a", [exclusive(4, "speed")], mode="exclusive"))
    assert free.status == 201
    for id, status in (("a", 409), ("b", 409)):
        again = await call(governed, "maker", "POST", PATH, given(id, [exclusive(4, "speed")], mode="exclusive"))
        assert again.status == status
    owner = await call(governed, "owner", "POST", PATH, given("b", [exclusive(3, "speed")], mode="redirect"))
    assert (owner.status, "urn:r:hidden" in owner.json["detail"]) == (409, True)


async def test_each_request_has_one_record(governed: Governed) -> None:
    conn = await asyncpg.connect(governed.running.database.dsn("admin"), timeout=10)
    query = "SELECT record FROM policies.audit_pending WHERE id = $1::uuid"
    found = []
    for party, method, path, body in [
        ("maker", "POST", PATH, given("a", [NAMED])),
        ("maker", "POST", PATH, given("b", [CARS])),
        ("maker", "POST", PATH, given("a", [NAMED])),
        ("maker", "GET", f"{PATH}/urn:r:a", None),
        ("owner", "GET", f"{PATH}?type=Car", None),
        ("maker", "PATCH", f"{PATH}/urn:r:a", {"description": "x"}),
        ("reader", "DELETE", f"{PATH}/urn:r:a", None),
        ("maker", "DELETE", f"{PATH}/urn:r:a", None),
    ]:
        before = await conn.fetchval("SELECT count(*) FROM policies.audit_pending")
        answer = await call(governed, party, method, path, body)
        assert await conn.fetchval("SELECT count(*) FROM policies.audit_pending") == before + 1
        record = json.loads(await conn.fetchval(query, answer.headers["Datapolis-Audit"].partition(":")[0]))
        assert record["caller"] == f"urn:party:{party}"
        found.append((answer.status, record["action"], record["outcome"]))
    await conn.close(timeout=5)
    assert found == [
        (201, "register", "allowed"),
        (403, "register", "denied"),
        (409, "register", "error"),
        (200, "read", "allowed"),
        (200, "read", "allowed"),
        (204, "register", "allowed"),
        (404, "register", "error"),
        (204, "register", "allowed"),
    ]
