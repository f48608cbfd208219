"""Writing the register over HTTP: who may, what is kept of it, and what is refused and why."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest
import yaml

from catalog.enter import enter_systems
from catalog.settings import Settings
from catalog.store.connect import open_pool
from policies.store.connect import open_pool as open_trust
from tests.catalog.conftest import City
from tests.catalog.harvesting import Answer, ask

DENIED = "https://datapolis.example/errors/denied"


def _send(city: City, method: str, path: str, given: Any, token: str | None, **headers: str) -> Answer:
    said = {"Content-Type": "application/json", "Accept": "application/json"}
    said |= {"Authorization": f"Bearer {token}"} if token else {}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    request = urllib.request.Request(city.catalog + path, body, said, method=method)  # noqa: S310 - our own process
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def _entry(city: City, **changes: Any) -> dict[str, Any]:
    path = Path(city.environment["DATAPOLIS_CITY"]) / "systems" / "bus-arrivals.yaml"
    given: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    return {**given, "id": "noise-alerts", "reads": ["mobility", "environment"], **changes}


def _audited(city: City, like: str) -> list[tuple[str, str, str | None]]:
    async def run() -> list[Any]:
        conn = await asyncpg.connect(city.database.dsn("policies"))
        try:
            return list(await conn.fetch("SELECT record FROM policies.audit_pending WHERE record LIKE $1", like))
        finally:
            await conn.close(timeout=5)

    records = [json.loads(row["record"]) for row in asyncio.run(run())]
    return sorted((r["caller"], r["outcome"], r.get("reason")) for r in records)


def test_a_steward_enters_changes_and_is_named(governed: City) -> None:
    """Created, changed, left as it is; each version with who, when, why and its receipt, as JSON and on the page."""
    schema = governed.get("/register/schemas/system.json")
    first = _entry(governed)
    jsonschema.Draft202012Validator(schema).validate(first)
    made = _send(governed, "POST", "/register", first | {"note": "First entry."}, governed.token)
    assert (made.status, made.headers["etag"], made.headers["location"]) == (201, '"1"', "/register/noise-alerts")
    said = json.loads(made.body)
    assert (said["id"], said["version"], said["by"]) == ("noise-alerts", 1, "urn:party:steward")
    retired = first | {"registration": first["registration"] | {"status": "retired"}}
    changed = _send(
        governed, "PUT", "/register/noise-alerts", retired | {"note": "It is over."}, governed.token, If_Match='"1"'
    )
    assert (changed.status, json.loads(changed.body)["version"]) == (200, 2)
    same = _send(governed, "PUT", "/register/noise-alerts", retired, governed.token)
    assert (same.status, json.loads(same.body)["version"]) == (200, 2)
    found = governed.get("/register/noise-alerts")
    assert (found["version"], found["newest"], found["status"]) == (2, 2, "retired")
    kept = [(v["version"], v["by"]["name"], v["source"], v["note"]) for v in found["versions"]]
    assert kept == [(2, "Data Trust Stewards", "api", "It is over."), (1, "Data Trust Stewards", "api", "First entry.")]
    assert [v["receipt"] for v in found["versions"]] == [
        changed.headers["datapolis-audit"],
        made.headers["datapolis-audit"],
    ]
    assert found["versions"][1]["entry"] == found["versions"][0]["entry"] | {
        "registration": found["versions"][1]["entry"]["registration"]
    }
    assert _audited(governed, "%enter system noise-alerts%") == [("urn:party:steward", "allowed", None)] * 3
    shown = ask(f"{governed.catalog}/register/noise-alerts", "text/html").body.decode()
    assert "Version 1" in shown
    assert "First entry." in shown
    older = ask(f"{governed.catalog}/register/noise-alerts?version=1", "text/html").body.decode()
    assert "It is an older one." in older
    assert governed.get("/register/noise-alerts?version=1")["status"] == "operational"
    assert ask(f"{governed.catalog}/register/noise-alerts?version=9").status == 404


def test_a_file_that_stays_as_it_is_undoes_nothing(governed: City) -> None:
    """What was entered by the API outlives a start of the catalog; what the files say is said once."""
    given = governed.get("/register/bus-arrivals")["versions"][0]["entry"]
    given["registration"]["remark"] = "Looked at again."
    changed = _send(governed, "PUT", "/register/bus-arrivals", given, governed.token)
    assert changed.status == 200
    stands = json.loads(changed.body)["version"]

    async def start_again() -> list[str]:
        pool = await open_pool(governed.database.dsn("catalog"))
        trust = await open_trust(governed.database.dsn("policies"), size=1)
        try:
            return await enter_systems(Settings(city=Path(governed.environment["DATAPOLIS_CITY"])), pool, trust)
        finally:
            await pool.close()
            await trust.close()

    assert asyncio.run(start_again()) == []
    assert governed.get("/register/bus-arrivals")["version"] == stands


def test_whoever_is_no_steward_is_refused_and_the_refusal_is_kept(governed: City) -> None:
    """Nobody without a token; a vendor with one; a department that publishes but does not steward."""
    given = _entry(governed, id="refused")
    for method, path in (("POST", "/register"), ("PUT", "/register/refused")):
        nobody = _send(governed, method, path, given, None)
        assert (nobody.status, nobody.headers["www-authenticate"]) == (401, "Bearer")
    for client in ("rideflow", "mobility-dept"):
        token = governed.run("policies", "token", "--client", client).strip().splitlines()[-1]
        denied = _send(governed, "PUT", "/register/refused", given, token, Data_Purpose="dpv:ServiceProvision")
        problem = json.loads(denied.body)
        assert (denied.status, problem["type"], problem["reason"]) == (403, DENIED, "not_steward")
        assert denied.headers["datapolis-audit"]
    assert ask(f"{governed.catalog}/register/refused").status == 404
    assert [a[:2] for a in _audited(governed, "%enter system refused%")][-2:] == [
        ("urn:party:mobility-dept", "denied"),
        ("urn:party:rideflow", "denied"),
    ]


REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown member": ({"colour": "red"}, 400, "colour: "),
    "no appeal": ({"appeal": "by shouting"}, 400, "appeal: "),
    "purpose unknown": ({"purpose": "dpv:Mischief"}, 400, "purpose: "),
    "reads nothing": ({"reads": []}, 400, "reads: "),
    "reads a stranger": ({"reads": ["mobility", "moon"]}, 400, "reads: moon is no domain of the city"),
    "owner a stranger": ({"owner": "urn:party:nobody"}, 400, "urn:party:nobody is no party"),
    "another id": ({"id": "others"}, 400, "id: is 'others', but the address says 'refusals'"),
    "long note": ({"note": "x" * 501}, 400, "note: must be text of at most 500 characters"),
}


@pytest.mark.parametrize("case", sorted(REFUSALS))
def test_what_is_wrong_is_named(governed: City, case: str) -> None:
    """And nothing is entered."""
    changes, status, detail = REFUSALS[case]
    answer = _send(governed, "PUT", "/register/refusals", _entry(governed, id="refusals") | changes, governed.token)
    problem = json.loads(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert problem["detail"].startswith(detail)
    assert ask(f"{governed.catalog}/register/refusals").status == 404


def test_two_who_write_at_once_are_told(governed: City) -> None:
    """If-Match of a version that no longer stands, and a second POST."""
    given = _entry(governed, id="twice")
    assert _send(governed, "POST", "/register", given, governed.token).status == 201
    again = _send(governed, "POST", "/register", given, governed.token)
    assert (again.status, json.loads(again.body)["title"]) == (409, "Already in the register")
    moved = _send(governed, "PUT", "/register/twice", given, governed.token, If_Match='"7"')
    assert (moved.status, json.loads(moved.body)["detail"]) == (
        412,
        "Version 7 was seen, but 1 stands; read it again and merge.",
    )
    assert _send(governed, "PUT", "/register/twice", given, governed.token, If_Match="new").status == 400
    assert _send(governed, "PUT", "/register/twice", b"{", governed.token).status == 400
    assert governed.get("/register/twice")["version"] == 1
