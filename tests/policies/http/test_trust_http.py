"""The public side over HTTP: terms, agreements, and proofs that an outsider checks against the checkpoint."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import asyncpg

from policies.audit import append, prepare, tree
from policies.audit.checkpoint import LogKey, open_note
from policies.audit.seal import seal_once
from policies.store import log
from tests.policies.audit.test_record import record
from tests.policies.http.conftest import Client

VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"


async def test_terms_as_json(client: Client) -> None:
    answer = await client.get("/trust/terms/mobility")
    assert answer.status == 200
    assert answer.headers["vary"] == "Accept, Accept-Language"
    body = answer.json()
    assert body["domain"] == "mobility"
    assert body["licence"] == "https://creativecommons.org/licenses/by/4.0/"
    assert body["types"] == [VEHICLE]
    assert body["how_to_apply"].startswith("Write to mobility@harbour.example and name your organisation")
    agreements = {item["uid"].rpartition(":")[2]: item for item in body["agreements"]}
    assert set(agreements) == {
        "catalog-mobility",
        "mobility-dept-mobility",
        "public-mobility",
        "rideflow-mobility",
        "steward-mobility",
        "uni-air-mobility",
    }
    assert agreements["rideflow-mobility"]["status"] == "active"
    assert agreements["rideflow-mobility"]["permission"][0]["target"]["types"] == [VEHICLE]


HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


async def test_terms_as_a_page(client: Client) -> None:
    for path in ("/trust/terms", "/trust/terms/mobility", "/trust/terms/environment", "/trust/terms/requests"):
        answer = await client.get(path, accept=HTML)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["vary"] == "Accept, Accept-Language"
        assert "<h1>Terms of use" in answer.text
    assert "not named" in answer.text, "the requests domain has no steward"
    page = (await client.get("/trust/terms/mobility", accept="text/html")).text
    assert "RideFlow (journey planner)" in page
    assert "everything but fleet vehicle id" in page
    assert "any purpose except marketing" in page
    for foreign in ("w3id.org/dpv#", "urn:party:", "<style", "<script>", "style="):
        assert foreign not in page
    assert (await client.get("/trust/terms/mobility", accept="application/json, text/html")).json()[
        "domain"
    ] == "mobility"


async def test_every_page_has_its_json(client: Client) -> None:
    uid = "urn:datapolis:agreement:rideflow-mobility"
    for path, heading in (
        ("/trust/domains", "Declared domains"),
        ("/trust/agreements", "Agreements"),
        (f"/trust/agreements/{uid}", "Live vehicles for journey planning"),
    ):
        page = await client.get(path, accept=HTML)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<h1>{heading}</h1>" in page.text
        plain = await client.get(path)
        assert "json" in plain.headers["content-type"]
        assert page.headers["vary"] == plain.headers["vary"] == "Accept, Accept-Language"
    one = (await client.get("/trust/agreements", params={"domain": "requests"}, accept=HTML)).text
    assert "Open figures of service requests" in one
    assert "Live vehicles for journey planning" not in one
    gone = await client.get("/trust/agreements/urn:x:none", accept=HTML)
    assert (gone.status, gone.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no agreement &#39;urn:x:none&#39;" in gone.text


async def test_unknown_domain(client: Client) -> None:
    answer = await client.get("/trust/terms/nowhere")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "there is no domain 'nowhere'; the domains are listed at /trust/domains"


async def test_domains_and_agreements(client: Client, conn: asyncpg.Connection) -> None:
    domains = (await client.get("/trust/domains")).json()["domains"]
    assert [item["name"] for item in domains] == ["environment", "mobility", "platform", "requests"]
    assert domains[3]["steward"] is None
    listed = (await client.get("/trust/agreements", params={"domain": "requests"})).json()["agreements"]
    assert [item["uid"].rpartition(":")[2] for item in listed] == [
        "catalog-requests",
        "public-requests",
        "requests-dept-requests",
        "steward-requests",
    ]
    one = await client.get(listed[1]["url"])
    assert one.headers["content-type"] == "application/ld+json"
    assert one.json()["@context"][0] == "http://www.w3.org/ns/odrl.jsonld"
    await conn.execute("UPDATE policies.agreements SET status = 'applied' WHERE uid = $1", listed[1]["uid"])
    assert (await client.get(listed[1]["url"])).status == 404, "what is only applied for is not public"


async def test_a_receipt_is_proven(client: Client, conn: asyncpg.Connection, tmp_path: Path) -> None:
    key = LogKey.load("log.city.example", tmp_path / "log.pem")
    assert (await client.get("/trust/log/checkpoint")).status == 404
    assert (await client.get("/trust/log/key")).status == 404
    first = prepare(record(entities=1))
    await append(conn, [first])
    unsealed = await client.get("/trust/log/proof", params={"id": first.receipt})
    assert unsealed.status == 404
    await seal_once(conn, key)
    old = open_note((await client.get("/trust/log/checkpoint")).text, key.vkey)
    await append(conn, [prepare(record(entities=n)) for n in range(9)])
    await seal_once(conn, key)
    await log.put_key(conn, key.vkey)
    assert (await client.get("/trust/log/key")).text.strip() == key.vkey
    new = open_note((await client.get("/trust/log/checkpoint")).text, key.vkey)

    proof = (await client.get("/trust/log/proof", params={"id": first.receipt})).json()
    receipt_c = bytes.fromhex(first.receipt.partition(":")[2])
    path = [b64decode(item) for item in proof["path"]]
    assert proof["size"] == new.size
    assert tree.verify_inclusion(tree.leaf_hash(receipt_c), proof["index"], new.size, path, new.root)

    grown = (await client.get("/trust/log/consistency", params={"old": str(old.size)})).json()
    path = [b64decode(item) for item in grown["path"]]
    assert tree.verify_consistency(old.size, new.size, path, old.root, new.root)

    found = (await client.get("/trust/log/leaf", params={"id": first.id})).json()
    assert found == {"id": first.id, "index": proof["index"], "c": receipt_c.hex(), "erased": False}
    assert "rideflow" not in str(found)


async def test_bad_questions_to_the_log(client: Client) -> None:
    for path in ("proof?id=x", "leaf?id=x", "consistency?old=0", "consistency?old=5&new=9"):
        answer = await client.get(f"/trust/log/{path}")
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/problem+json"
