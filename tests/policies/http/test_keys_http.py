"""Access keys over HTTP: made, listed and revoked by their party and by stewards, by programs and on the page."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from tests.fixtures.tokens import TestIssuer
from tests.policies.http.conftest import Client

AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"
WANTED = {"agreement": AGREEMENT, "purpose": "dpv:ServiceProvision", "label": "QGIS", "days": 7}


async def send(client: Client, method: str, path: str, headers: dict[str, str], **given: Any) -> tuple[int, Any, Any]:
    async with client.http.request(method, client.base + path, headers=headers, **given) as answer:
        return answer.status, answer.headers, await answer.text()


@pytest.fixture
def vendor(issuer: TestIssuer) -> dict[str, str]:
    return issuer.bearer("urn:party:rideflow", "vendor")


async def test_a_key_is_made_listed_and_revoked(
    client: Client, conn: asyncpg.Connection, issuer: TestIssuer, vendor: dict[str, str]
) -> None:
    status, headers, text = await send(client, "POST", "/trust/keys", vendor, json=WANTED)
    made = json.loads(text)
    assert (status, headers["Cache-Control"], headers["Location"]) == (201, "no-store", f"/trust/keys/{made['id']}")
    assert made["key"].startswith(f"dpk_{made['id']}_")
    assert (made["agreement"], made["purpose"], made["party"], made["revoked"]) == (
        AGREEMENT,
        "https://w3id.org/dpv#ServiceProvision",
        "urn:party:rideflow",
        None,
    )
    status, _, text = await send(client, "GET", "/trust/keys", vendor)
    assert (status, [one["id"] for one in json.loads(text)["keys"]]) == (200, [made["id"]])
    assert made["key"] not in text
    assert "hash" not in text
    stranger = issuer.bearer("urn:party:uni-air", "researcher")
    assert json.loads((await send(client, "GET", "/trust/keys", stranger))[2]) == {"keys": []}
    assert (await send(client, "DELETE", f"/trust/keys/{made['id']}", stranger))[0] == 404
    elsewhere = issuer.bearer("urn:party:steward", "steward", roles=["steward:environment"])
    assert (await send(client, "DELETE", f"/trust/keys/{made['id']}", elsewhere))[0] == 404
    steward = issuer.bearer("urn:party:steward", "steward", roles=["steward:mobility"])
    assert [one["id"] for one in json.loads((await send(client, "GET", "/trust/keys", steward))[2])["keys"]] == [
        made["id"]
    ]
    assert (await send(client, "DELETE", f"/trust/keys/{made['id']}", steward))[0] == 204
    assert await conn.fetchval("SELECT revoked_by FROM policies.access_keys") == "urn:party:steward"
    used = {"Authorization": f"Bearer {made['key']}"}
    status, headers, text = await send(client, "GET", "/trust/keys", used)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "has been revoked" in json.loads(text)["detail"]


async def test_who_may_not(client: Client, vendor: dict[str, str]) -> None:
    for headers, reason in (({}, "this needs a token"), ({"Authorization": "Bearer x"}, "not a signed JWT")):
        status, _, text = await send(client, "POST", "/trust/keys", headers, json=WANTED)
        assert (status, reason in json.loads(text)["detail"]) == (401, True)
    made = json.loads((await send(client, "POST", "/trust/keys", vendor, json=WANTED))[2])
    status, _, text = await send(client, "POST", "/trust/keys", {"Authorization": f"Bearer {made['key']}"}, json=WANTED)
    assert (status, "an access key is for reading data" in text) == (401, True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "a JSON object of agreement, purpose, label, days"),
        (b'{"agreement": "x", "scope": 1}', "a JSON object of"),
        (b'{"agreement": 7, "purpose": "x", "label": "x"}', "as texts"),
        (b'{"agreement": "urn:x:y", "purpose": "dpv:Marketing", "label": "x", "days": true}', "a whole number"),
        (b'{"agreement": "urn:x:y", "purpose": "dpv:Marketing", "label": "x"}', "has no agreement"),
    ],
)
async def test_bodies_that_are_refused(client: Client, vendor: dict[str, str], body: bytes, reason: str) -> None:
    status, _, text = await send(client, "POST", "/trust/keys", vendor, data=body)
    assert (status, reason in json.loads(text)["detail"]) == (400, True)


async def test_the_page_makes_shows_once_and_revokes(
    client: Client, conn: asyncpg.Connection, vendor: dict[str, str]
) -> None:
    people = {"Accept": "text/html"}
    status, headers, text = await send(client, "GET", "/trust/keys", people)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert "<h1>Access keys</h1>" in text
    token = vendor["authorization"].removeprefix("Bearer ")
    form = {**WANTED, "days": "7", "token": token, "do": "make"}
    status, _, text = await send(client, "POST", "/trust/keys", people, data=form)
    assert (status, "dpk_" in text) == (200, True)
    assert token not in text
    [row] = await conn.fetch("SELECT id, label FROM policies.access_keys")
    assert row["label"] == "QGIS"
    status, _, text = await send(client, "POST", "/trust/keys", people, data={"token": token, "do": "list"})
    assert (status, "dpk_" in text, f"revoke {row['id']}" in text) == (200, False, True)
    form = {"token": token, "do": f"revoke {row['id']}"}
    status, _, text = await send(client, "POST", "/trust/keys", people, data=form)
    assert (status, "revoked</td>" in text) == (200, True)
    status, _, text = await send(client, "POST", "/trust/keys", people, data={"token": "bad", "do": "list"})
    assert (status, "not a signed JWT" in text) == (401, True)
    status, _, text = await send(
        client, "POST", "/trust/keys", people, data={**WANTED, "token": token, "days": "x", "do": "make"}
    )
    assert (status, "from 1 to 365" in text) == (400, True)
