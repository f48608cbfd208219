"""How an agreement lives, over HTTP: from an offer to an application, its approval, amendment, sanctions and end."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from policies import Action, Caller, Trust
from policies.clerk.rounds import settle_time
from tests.policies.http.conftest import Answer, Client

Asked = tuple[Caller, str, Action, str]

OFFER = "urn:datapolis:offer:journey-planning"
PERSONAL = "urn:datapolis:offer:requests-research"
RIDEFLOW = "urn:datapolis:agreement:rideflow-mobility"
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"
DPV = "https://w3id.org/dpv#"
NEWCOMER = "urn:party:newcomer"
FORM = {
    "offer": OFFER,
    "purpose": "dpv:ServiceProvision",
    "organisation": "Wayfinder Maps",
    "description": "We show travellers when the next bus comes to their stop.",
}
ASSESSMENT = {
    "domain": "requests",
    "title": "Research on service requests",
    "summary": "Researchers see what was asked for and when it was answered, never who asked.",
    "reviewer": "Data protection officer",
    "expires": "2030-01-01T00:00:00Z",
    "risks": [{"risk": "Somebody is recognised", "likelihood": "low", "severity": "high", "measure": "No addresses"}],
}


async def applied(client: Client, **changes: Any) -> str:
    headers = client.party(NEWCOMER, changes.pop("tier", "vendor"))
    answer = await client.post("/trust/applications", {**FORM, **changes}, headers)
    assert answer.status == 201, answer.text
    found: str = answer.json()["agreement"]
    return found


async def records(conn: asyncpg.Connection, answer: Answer) -> dict[str, Any]:
    text = await conn.fetchval(
        "SELECT record FROM policies.audit_pending WHERE id = $1::uuid", answer.headers["Datapolis-Audit"].split(":")[0]
    )
    found: dict[str, Any] = json.loads(text)
    return found


async def test_from_application_to_an_agreement_in_force(
    client: Client, trust: Trust, conn: asyncpg.Connection
) -> None:
    caller = Caller(NEWCOMER, "bo", "vendor")
    asked: Asked = (caller, DPV + "ServiceProvision", "subscribe", "default")
    uid = await applied(client)
    await asyncio.sleep(0.4)
    assert not (await trust.decide(*asked)).allow
    assert (await client.get(f"/trust/agreements/{uid}")).status == 404, "what is only applied for is not public"
    assert (await client.get(f"/trust/agreements/{uid}/history")).status == 404
    mine = await client.ask("GET", f"/trust/agreements/{uid}/history", client.party(NEWCOMER, "vendor"))
    assert [event["act"] for event in mine.json()["events"]] == ["apply"]
    other = await client.ask("GET", f"/trust/agreements/{uid}/history", client.party("urn:party:other", "vendor"))
    assert other.status == 404
    desk = (await client.ask("GET", "/trust/desk", client.steward())).json()
    assert [item["uid"] for item in desk["proposals"]] == [uid]
    assert desk["applications"][0]["organisation"] == "Wayfinder Maps"
    shown = await client.ask("GET", "/trust/desk", {**client.steward(), "Accept": "text/html"})
    assert (shown.status, "We show travellers" in shown.text) == (200, True)

    answer = await client.post(f"/trust/agreements/{uid}/approve", {"reason": "as offered"}, client.steward())
    assert (answer.status, answer.json()) == (200, {"uid": uid, "version": 1, "status": "active"})
    record = await records(conn, answer)
    assert (record["caller"], record["outcome"], record["agreements"]) == ("urn:party:steward", "allowed", [[uid, 1]])
    assert record["request"] == f"agreement {uid} version 1 approve: as offered"
    await asyncio.sleep(0.4)
    decision = await trust.decide(*asked)
    assert decision.allow
    [grant] = [grant for grant in decision.access.grants if grant.agreement == uid]
    assert grant.types == frozenset({VEHICLE})
    assert grant.window_max_age == "P30D"
    broader = await trust.decide(caller, DPV + "PublicBenefit", "subscribe", "default")
    assert not broader.allow, "the offer covers this purpose, the application did not state it"

    public = (await client.get(f"/trust/agreements/{uid}")).json()
    assert (public["status"], public["@type"], public["assignee"]) == ("active", "Agreement", NEWCOMER)
    seen = (await client.get(f"/trust/agreements/{uid}/history")).json()
    assert [(event["act"], event["status"]) for event in seen["events"]] == [
        ("apply", "applied"),
        ("approve", "active"),
    ]
    assert not any("person" in event or "reason" in event for event in seen["events"])
    inside = (await client.ask("GET", f"/trust/agreements/{uid}/history", client.steward())).json()
    assert [event["person"] for event in inside["events"]] == ["bo", "ada"]
    assert {duty["kind"] for duty in inside["duties"]} == {"attribution", "delete_after"}
    assert {notice["kind"] for notice in inside["notices"]} == {"application.received", "agreement.active"}
    states = (await client.ask("GET", "/trust/applications", client.party(NEWCOMER, "vendor"))).json()
    assert [(one["agreement"], one["status"]) for one in states["applications"]] == [(uid, "granted")]


UNFIT: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"tier": "researcher"}, 403, "These terms are offered to tier:vendor; your tier is researcher."),
    ({"purpose": "dpv:Marketing"}, 409, "offers nothing for the purpose https://w3id.org/dpv#Marketing"),
    ({"purpose": "dpv:Profit"}, 400, "purpose: Value error, dpv:Profit is no purpose of DPV"),
    ({"purpose": "dpv:Purpose"}, 400, "purpose: Value error, dpv:Purpose is no purpose of DPV"),
    ({"offer": "urn:x:none"}, 404, "there is no offer 'urn:x:none'"),
    ({"until": "2020-01-01"}, 409, "`until` must lie in the future"),
    ({"colour": "red"}, 400, "colour: Extra inputs are not permitted"),
    ({"description": "short"}, 400, "description: String should have at least 20 characters"),
)


async def test_applications_that_do_not_fit(client: Client) -> None:
    for changes, status, said in UNFIT:
        body = {**FORM, **changes}
        headers = client.party(NEWCOMER, body.pop("tier", "vendor"))
        answer = await client.post("/trust/applications", body, headers)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert said in answer.json()["detail"]


async def test_who_may_not(client: Client, conn: asyncpg.Connection) -> None:
    nobody = await client.post("/trust/applications", FORM)
    assert (nobody.status, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    uid = await applied(client)
    for headers in (client.party(NEWCOMER, "vendor"), client.steward("eve", "environment"), None):
        for act in ("approve", "refuse", "suspend", "warn", "revoke", "resume"):
            target = uid if act in ("approve", "refuse") else RIDEFLOW
            answer = await client.post(f"/trust/agreements/{target}/{act}", {"reason": "because"}, headers)
            assert answer.status == (401 if headers is None else 403), (act, answer.text)
            assert "not_steward" in answer.json()["reasons"]
            record = await records(conn, answer)
            assert (record["outcome"], record["reason"]) == ("denied", answer.json()["reason"])
    rows = await conn.fetch("SELECT status FROM policies.agreements WHERE uid = ANY ($1)", [uid, RIDEFLOW])
    assert sorted(row["status"] for row in rows) == ["active", "applied"]
    assert await conn.fetchval("SELECT count(*) FROM policies.approvals") == 0
    token = client.issuer.token("urn:party:steward", "steward", ["steward:mobility"], sub="")
    nameless = await client.post(f"/trust/agreements/{uid}/approve", {}, {"Authorization": f"Bearer {token}"})
    assert nameless.json()["reason"] == "no_person"


async def test_refused_with_a_reason_and_withdrawn(client: Client) -> None:
    uid = await applied(client)
    silent = await client.post(f"/trust/agreements/{uid}/refuse", {}, client.steward())
    assert (silent.status, silent.json()["detail"]) == (
        409,
        "say why: `reason` goes to the party and into the record",
    )
    answer = await client.post(f"/trust/agreements/{uid}/refuse", {"reason": "Say which routes."}, client.steward())
    assert answer.json()["status"] == "refused"
    again = await client.post(f"/trust/agreements/{uid}/approve", {}, client.steward())
    assert again.status == 404, "what is refused is not approved afterwards"
    mine = (await client.ask("GET", "/trust/applications", client.party(NEWCOMER, "vendor"))).json()
    assert [(one["status"], one["reason"]) for one in mine["applications"]] == [("refused", "Say which routes.")]
    second = await applied(client)
    foreign = await client.post(f"/trust/agreements/{second}/withdraw", {}, client.party("urn:party:x", "vendor"))
    assert (foreign.status, foreign.json()["reason"]) == (403, "not_yours")
    taken = await client.post(f"/trust/agreements/{second}/withdraw", {}, client.party(NEWCOMER, "vendor"))
    assert taken.json()["status"] == "withdrawn"


async def test_personal_data_want_an_assessment_and_two_persons(client: Client) -> None:
    uid = await applied(client, offer=PERSONAL, purpose="dpv:ScientificResearch", tier="researcher")
    path = f"/trust/agreements/{uid}/approve"
    bare = await client.post(path, {}, client.steward("ada"))
    assert (bare.status, bare.json()["reason"]) == (403, "assessment_needed")
    old = await client.post("/trust/assessments", {**ASSESSMENT, "expires": "2020-01-01T00:00:00Z"}, client.steward())
    assert old.status == 409
    foreign = await client.post("/trust/assessments", ASSESSMENT, client.party(NEWCOMER, "vendor"))
    assert foreign.status == 403
    made = await client.post("/trust/assessments", ASSESSMENT, client.steward())
    assert made.status == 201
    public = (await client.get(f"/trust/assessments/{made.json()['id']}")).json()
    assert (public["summary"], public["reviewer"]) == (ASSESSMENT["summary"], "Data protection officer")

    first = await client.post(path, {}, client.steward("ada"))
    assert first.json() == {
        "uid": uid,
        "version": 1,
        "status": "applied",
        "waits_for": "the approval of a second person",
    }
    same = await client.post(path, {}, client.steward("ada"))
    assert (same.status, same.json()["reason"]) == (403, "same_person")
    second = await client.post(path, {}, client.steward("bob"))
    assert second.json() == {"uid": uid, "version": 1, "status": "active", "assessment": made.json()["id"]}


async def test_another_text_needs_approving_anew(client: Client) -> None:
    await client.post("/trust/assessments", ASSESSMENT, client.steward())
    uid = await applied(client, offer=PERSONAL, purpose="dpv:ScientificResearch", tier="researcher")
    await client.post(f"/trust/agreements/{uid}/approve", {}, client.steward("ada"))
    draft = (await client.ask("GET", f"/trust/agreements/{uid}/versions/1", client.steward())).json()
    draft["permission"][0]["target"]["attrs"]["except"].append("location")
    amended = await client.post(f"/trust/agreements/{uid}/amend", draft, client.steward("ada"))
    assert amended.json() == {"uid": uid, "version": 1, "status": "applied"}
    second = await client.post(f"/trust/agreements/{uid}/approve", {}, client.steward("bob"))
    assert second.json()["status"] == "applied", "the first approval was of another text"
    third = await client.post(f"/trust/agreements/{uid}/approve", {}, client.steward("ada"))
    assert third.json()["status"] == "active"


async def test_amended_in_force(client: Client, conn: asyncpg.Connection) -> None:
    base = (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()
    path = f"/trust/agreements/{RIDEFLOW}"
    wrong = await client.post(f"{path}/amend", base, client.steward())
    assert (wrong.status, wrong.json()["detail"]) == (409, "version 1 stands; the amendment must have version 2")
    foreign = await client.post(f"{path}/amend", {**base, "version": 2, "assignee": NEWCOMER}, client.steward())
    assert foreign.status == 409
    odd = await client.post(f"{path}/amend", {**base, "version": 2, "obligation": []}, client.steward())
    assert odd.json()["detail"].startswith("the agreement: obligation: not part of the profile")
    base["permission"][0]["duty"] = [{"action": "t:reportBenefit", "value": "P1Y"}]
    ours = await client.post(f"{path}/amend", {**base, "version": 2}, client.steward())
    assert ours.status == 201
    assert (await client.get(path)).json()["version"] == 1, "a proposal changes nothing yet"
    done = await client.post(f"{path}/approve", {"version": 2}, client.steward())
    assert done.json()["status"] == "active"
    rows = await conn.fetch("SELECT version, status, current FROM policies.agreements WHERE uid = $1", RIDEFLOW)
    assert sorted(tuple(row) for row in rows) == [(1, "amended", False), (2, "active", True)]
    owed = await conn.fetch("SELECT kind, status FROM policies.obligations WHERE agreement = $1", RIDEFLOW)
    assert sorted(tuple(row) for row in owed) == [("attribution", "dropped"), ("report_benefit", "due")]
    assert (await client.get(f"{path}/versions/1")).json()["status"] == "amended"


async def test_sanctions(client: Client, trust: Trust) -> None:
    path = f"/trust/agreements/{RIDEFLOW}"
    asked: Asked = (Caller("urn:party:rideflow", "app", "vendor"), DPV + "ServiceProvision", "subscribe", "default")

    async def act(name: str, why: str = "Marketing was seen.") -> Answer:
        answer = await client.post(f"{path}/{name}", {"reason": why}, client.steward())
        await asyncio.sleep(0.4)
        return answer

    assert (await act("warn")).json()["status"] == "active"
    assert (await trust.decide(*asked)).allow
    assert (await act("suspend", " ")).status == 409, "grounds are needed"
    assert (await act("suspend")).json()["status"] == "suspended"
    refused = await trust.decide(*asked)
    assert (refused.allow, refused.reason) == (False, "suspended")
    assert (await act("suspend")).json()["detail"] == f"{RIDEFLOW} is suspended; suspend needs one that is active"
    assert (await act("resume", "It was stopped.")).json()["status"] == "active"
    assert (await trust.decide(*asked)).allow
    assert (await act("revoke")).json()["status"] == "revoked"
    assert not (await trust.decide(*asked)).allow
    assert (await act("resume")).status == 409, "a revoked agreement does not come back"
    assert (await act("fire")).status == 404
    public = (await client.get(f"{path}/history")).json()["events"]
    assert [event["act"] for event in public] == ["apply", "warn", "suspend", "resume", "revoke"]
    assert "Marketing" not in str(public), "grounds are for the party and the stewards"
    inside = (await client.ask("GET", f"{path}/history", client.party("urn:party:rideflow", "vendor"))).json()
    assert inside["events"][2]["reason"] == "Marketing was seen."


async def test_offers(client: Client) -> None:
    offered = {item["uid"]: item for item in (await client.get("/trust/offers")).json()["offers"]}
    assert set(offered) == {OFFER, PERSONAL, "urn:datapolis:offer:air-research"}
    source = (await client.get(f"/trust/agreements/{OFFER}")).json()
    assert source["@type"] == "Offer"
    mine = {**source, "uid": "urn:datapolis:offer:startups", "assignee": "tier:startup", "status": "offered"}
    denied = await client.post("/trust/offers", mine, client.party(NEWCOMER, "vendor"))
    assert denied.status == 403
    made = await client.post("/trust/offers", mine, client.steward())
    assert (made.status, made.json()["status"]) == (201, "offered")
    agreement = {**mine, "@type": "Agreement", "status": "active"}
    assert (await client.post("/trust/offers", agreement, client.steward())).status == 400
    uid = await applied(client, offer="urn:datapolis:offer:startups", tier="startup")
    assert uid.startswith("urn:datapolis:agreement:mobility:")
    ended = await client.post(
        "/trust/agreements/urn:datapolis:offer:startups/revoke", {"reason": "The pilot is over."}, client.steward()
    )
    assert ended.json()["status"] == "revoked"
    late = await client.post(
        "/trust/applications", {**FORM, "offer": "urn:datapolis:offer:startups"}, client.party(NEWCOMER, "startup")
    )
    assert late.status == 404


async def test_duties_fall_due_are_met_and_fall_due_again(client: Client, conn: asyncpg.Connection) -> None:
    uid = await applied(client)
    await client.post(f"/trust/agreements/{uid}/approve", {}, client.steward())

    async def owed() -> dict[str, list[tuple[str, datetime]]]:
        rows = await conn.fetch(
            "SELECT kind, status, due FROM policies.obligations WHERE agreement = $1 ORDER BY due", uid
        )
        found: dict[str, list[tuple[str, datetime]]] = {}
        for row in rows:
            found.setdefault(row["kind"], []).append((row["status"], row["due"]))
        return found

    begun = await owed()
    due = begun["delete_after"][0][1]
    assert timedelta(days=29, hours=23) < due - datetime.now(UTC) <= timedelta(days=30)
    await settle_time(conn, datetime.now(UTC), "http://city.example")
    assert await owed() == begun, "nothing is due yet"
    await settle_time(conn, due + timedelta(hours=1), "http://city.example")
    later = await owed()
    assert later["attribution"] == [("overdue", begun["attribution"][0][1])]
    assert later["delete_after"] == [("overdue", due), ("due", due + timedelta(days=30))]
    kinds = await conn.fetch("SELECT party, kind FROM policies.notices WHERE body ->> 'agreement' = $1", uid)
    overdue = [row["party"] for row in kinds if row["kind"] == "duty.overdue"]
    assert sorted(overdue) == [NEWCOMER, NEWCOMER, "urn:party:steward", "urn:party:steward"]

    mine = (await client.ask("GET", "/trust/desk", client.party(NEWCOMER, "vendor"))).json()
    [first] = [one for one in mine["duties"] if one["kind"] == "attribution"]
    said = {"statement": "Named on every map, at the bottom.", "url": "https://maps.example/about"}
    foreign = await client.post(f"/trust/duties/{first['id']}", said, client.party("urn:party:x", "vendor"))
    assert foreign.status == 403
    met = await client.post(f"/trust/duties/{first['id']}", said, client.party(NEWCOMER, "vendor"))
    assert met.json() == {"id": first["id"], "status": "met"}
    assert (await client.post(f"/trust/duties/{first['id']}", said, client.party(NEWCOMER, "vendor"))).status == 409
    await client.post(f"/trust/agreements/{uid}/revoke", {"reason": "The city ends it."}, client.steward())
    ended = await owed()
    assert [status for status, _ in ended["delete_after"]].count("due") >= 1, "what was taken is still to be deleted"


async def test_time_ends_an_agreement(client: Client, conn: asyncpg.Connection) -> None:
    end = datetime(2028, 1, 1, tzinfo=UTC)
    await settle_time(conn, end - timedelta(seconds=1), "http://city.example")
    assert (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()["status"] == "active"
    await settle_time(conn, end, "http://city.example")
    assert (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()["status"] == "expired"
    events = (await client.get(f"/trust/agreements/{RIDEFLOW}/history")).json()["events"]
    assert [(event["act"], event["party"]) for event in events][-1] == ("expire", "urn:datapolis:clerk")
    base = (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()
    again = {**base, "version": 2, "valid": {"from": "2026-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"}}
    await client.post(f"/trust/agreements/{RIDEFLOW}/amend", again, client.steward())
    renewed = await client.post(f"/trust/agreements/{RIDEFLOW}/approve", {}, client.steward())
    assert renewed.json()["status"] == "active", "an ended agreement is renewed by an amendment"


async def test_what_ends_soon_is_told_once_to_party_and_steward(client: Client, conn: asyncpg.Connection) -> None:
    end = datetime(2028, 1, 1, tzinfo=UTC)

    async def told(kind: str) -> list[tuple[str, str, str]]:
        rows = await conn.fetch(
            "SELECT party, subject, body ->> 'ends' AS ends FROM policies.notices WHERE kind = $1 "
            "AND body ->> 'agreement' = $2 ORDER BY at, party",
            kind,
            RIDEFLOW,
        )
        return [(row["party"], row["subject"], row["ends"]) for row in rows]

    await settle_time(conn, end - timedelta(days=31), "http://city.example")
    assert await told("agreement.expiring") == []
    for days in (30, 29, 1):
        await settle_time(conn, end - timedelta(days=days), "http://city.example")
    title = (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()["title"]["en"]
    expected = [
        (party, f"Ends soon: {title}", "2028-01-01T00:00:00Z") for party in ("urn:party:rideflow", "urn:party:steward")
    ]
    assert await told("agreement.expiring") == expected
    assert await told("agreement.expired") == []
    base = (await client.get(f"/trust/agreements/{RIDEFLOW}")).json()
    again = {**base, "version": 2, "valid": {"from": "2026-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"}}
    await client.post(f"/trust/agreements/{RIDEFLOW}/amend", again, client.steward())
    await client.post(f"/trust/agreements/{RIDEFLOW}/approve", {}, client.steward())
    await settle_time(conn, end, "http://city.example")
    assert len(await told("agreement.expiring")) == 2, "the renewed one ends in three years"
    await settle_time(conn, datetime(2030, 12, 20, tzinfo=UTC), "http://city.example")
    assert [one[2] for one in (await told("agreement.expiring"))[2:]] == ["2031-01-01T00:00:00Z"] * 2


async def test_an_assessment_that_runs_out_soon_is_told_once(client: Client, conn: asyncpg.Connection) -> None:
    ends = datetime.now(UTC) + timedelta(days=365)
    await conn.execute(
        "INSERT INTO policies.assessments (id, domain, body, valid_until) VALUES ($1, 'mobility', $2, $3)",
        "urn:dpia:soon",
        {"title": "Rides at night"},
        ends,
    )
    await conn.execute(
        'UPDATE policies.agreements SET body = body || \'{"assessment": "urn:dpia:soon"}\' WHERE uid = $1', RIDEFLOW
    )
    for days in (31, 30, 2):
        await settle_time(conn, ends - timedelta(days=days), "http://city.example")
    rows = await conn.fetch(
        "SELECT party, subject FROM policies.notices WHERE kind = 'assessment.expiring' ORDER BY party"
    )
    assert [tuple(row) for row in rows] == [
        (party, "An impact assessment runs out soon: Rides at night")
        for party in ("urn:party:rideflow", "urn:party:steward")
    ]
