"""Decisions on real agreements, real OPA, real PostgreSQL: what is granted, refused and why, and for how long."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest

from broker.core.access import AttrSet, Grant, Prohibition
from broker.core.query import And, Compare, GeoRel, Path, Text
from docker.local import locate
from policies import Caller, EngineUnavailable, PolicySettings, PurposeError, Trust
from policies.agreements.lifecycle import change_status
from policies.agreements.odrl import Status
from policies.caller import ANY_PURPOSE, PUBLIC
from policies.decision import OPEN, Action, Decision, Duty
from tests.fixtures.postgres import Database
from tests.policies.conftest import ROOT

TRANSPORT = "https://smartdatamodels.org/dataModel.Transportation/"
VEHICLE = TRANSPORT + "Vehicle"
DPV = "https://w3id.org/dpv#"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
RIDEFLOW = Caller("urn:party:rideflow", "app", "vendor")
UNI = Caller("urn:party:uni-air", "lab", "researcher")
STEWARD = Caller("urn:party:steward", "s", "steward", ("steward:mobility",))
AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"


async def read(
    trust: Trust, caller: Caller, purpose: str, tenant: str = "default", action: Action = "read"
) -> Decision:
    return await trust.decide(caller, purpose, action, tenant)


def grants_of(decision: Decision, agreement: str) -> list[Grant]:
    return [grant for grant in decision.access.grants if grant.agreement == f"urn:datapolis:agreement:{agreement}"]


async def test_vendor_under_licence(trust: Trust) -> None:
    decision = await read(trust, RIDEFLOW, DPV + "ServiceProvision")
    assert decision.allow
    assert decision.reason is None
    assert grants_of(decision, "rideflow-mobility") == [
        Grant(
            AGREEMENT,
            1,
            frozenset({VEHICLE}),
            AttrSet(frozenset({TRANSPORT + "fleetVehicleId"}), complement=True),
        )
    ]
    assert decision.access.prohibitions == (
        Prohibition(frozenset({VEHICLE}), AttrSet(frozenset({TRANSPORT + "fleetVehicleId"}))),
    )
    assert {agreement for agreement, _ in decision.agreements} == {
        AGREEMENT,
        "urn:datapolis:agreement:public-mobility",
        "urn:datapolis:agreement:public-environment",
        "urn:datapolis:agreement:public-requests",
    }
    assert Duty(AGREEMENT, "quota", "1000000/P1D", own=True) in decision.duties
    assert decision.until == datetime(2028, 1, 1, tzinfo=UTC)


async def test_the_public_gets_its_attributes_alone(trust: Trust) -> None:
    decision = await read(trust, PUBLIC, ANY_PURPOSE)
    assert decision.allow
    [grant] = grants_of(decision, "public-mobility")
    assert grant.types == frozenset({VEHICLE})
    assert grant.attrs == AttrSet(
        frozenset(
            {
                LOCATION,
                "https://smartdatamodels.org/dataModel.UrbanMobility/hasRoute",
                TRANSPORT + "vehicleType",
                "https://smartdatamodels.org/dataProvider",
            }
        )
    )
    assert {grant.agreement.rpartition(":")[2].split("-")[0] for grant in decision.access.grants} == {"public"}


async def test_wrong_purpose_is_refused_with_where_to_apply(trust: Trust) -> None:
    decision = await read(trust, RIDEFLOW, DPV + "Marketing", action="subscribe")
    assert decision == Decision(
        False,
        reason="purpose_not_covered",
        detail="The purpose https://w3id.org/dpv#Marketing is not covered. Covered: https://w3id.org/dpv#ServiceProvision.",
        apply_at="https://data.city.example/trust/terms/mobility",
        until=datetime(2028, 1, 1, tzinfo=UTC),
        revision=trust.revision,
    )
    reading = await read(trust, RIDEFLOW, DPV + "Marketing")
    assert (reading.allow, reading.reason) == (False, "purpose_not_covered")
    assert reading.detail == (
        "The purpose https://w3id.org/dpv#Marketing is not covered. Covered: https://w3id.org/dpv#ServiceProvision; "
        "also any purpose other than https://w3id.org/dpv#Marketing."
    )
    assert reading.apply_at == "https://data.city.example/trust/terms/mobility", "the domain of its own agreement"


async def test_unknown_party_and_unknown_tenant(trust: Trust) -> None:
    nobody = Caller("urn:party:nobody", "x", "vendor")
    assert (await read(trust, nobody, DPV + "ServiceProvision", action="publish")).reason == "no_agreement"
    assert (await read(trust, RIDEFLOW, DPV + "ServiceProvision", tenant="elsewhere")).reason == "no_agreement"
    assert (await read(trust, nobody, DPV + "ServiceProvision")).allow, "what is public is open to every party"


async def test_researcher_is_narrowed(trust: Trust) -> None:
    decision = await read(trust, UNI, DPV + "ScientificResearch")
    [grant] = grants_of(decision, "uni-air-mobility")
    assert grant.attrs == AttrSet(
        frozenset({LOCATION, TRANSPORT + "speed", TRANSPORT + "bearing", TRANSPORT + "vehicleRunningStatus"})
    )
    assert isinstance(grant.filter, And)
    q, area = grant.filter.items
    assert q == Compare(Path(TRANSPORT + "vehicleType"), "==", Text("bus"))
    assert isinstance(area, GeoRel)
    assert (area.attr, area.rel) == (LOCATION, "within")
    assert area.geometry.startswith('{"type":"Polygon","coordinates":[[[-122.355,47.595],')


async def test_roles_are_needed(trust: Trust) -> None:
    assert (await read(trust, STEWARD, ANY_PURPOSE, action="manage")).allow
    roleless = Caller("urn:party:steward", "s", "steward")
    assert not (await read(trust, roleless, ANY_PURPOSE, action="manage")).allow
    other = Caller("urn:party:steward", "s", "steward", ("steward:requests",))
    decision = await read(trust, other, ANY_PURPOSE, action="manage")
    assert [agreement for agreement, _ in decision.agreements] == ["urn:datapolis:agreement:steward-requests"]


async def test_cached_and_fast(trust: Trust) -> None:
    purpose = DPV + "ServiceProvision"
    assert trust.cached(RIDEFLOW, purpose, "read", "default") is None
    decision = await read(trust, RIDEFLOW, purpose)
    assert trust.cached(RIDEFLOW, purpose, "read", "default") is decision
    for other in (
        trust.cached(RIDEFLOW, DPV + "Marketing", "read", "default"),
        trust.cached(RIDEFLOW, purpose, "temporal", "default"),
        trust.cached(RIDEFLOW, purpose, "read", "platform"),
        trust.cached(Caller("urn:party:rideflow", "app", "vendor", ("r",)), purpose, "read", "default"),
        trust.cached(Caller("urn:party:rideflow", "other", "vendor"), purpose, "read", "default"),
        trust.cached(Caller("urn:party:rideflow", "app", "researcher"), purpose, "read", "default"),
    ):
        assert other is None

    def lookups(rounds: int) -> float:
        begun = time.perf_counter()
        for _ in range(rounds):
            trust.cached(RIDEFLOW, purpose, "read", "default")
        return (time.perf_counter() - begun) / rounds

    assert min(lookups(20_000) for _ in range(5)) < 5e-6


async def test_concurrent_questions_ask_once(trust: Trust) -> None:
    asked = [asyncio.create_task(read(trust, UNI, DPV + "ScientificResearch")) for _ in range(20)]
    first, *others = await asyncio.gather(*asked)
    assert all(other is first for other in others)


async def test_a_change_is_in_force_within_a_second(trust: Trust, conn: asyncpg.Connection) -> None:
    purpose = DPV + "ServiceProvision"
    assert (await read(trust, RIDEFLOW, purpose, action="subscribe")).allow
    steps: tuple[tuple[Status, str | None], ...] = (
        ("suspended", "suspended"),
        ("active", None),
        ("revoked", "suspended"),
    )
    for status, reason in steps:
        before = trust.revision
        await change_status(conn, AGREEMENT, status, "urn:party:steward", "a test")
        begun = time.monotonic()
        while (decision := await read(trust, RIDEFLOW, purpose, action="subscribe")).reason != reason:
            assert time.monotonic() - begun < 1.0
            await asyncio.sleep(0.005)
        assert decision.revision > before
    assert decision.detail == f"Suspended or revoked: {AGREEMENT}."


async def test_a_lost_notice_is_caught_by_the_poll(trust: Trust, pg: Database) -> None:
    await read(trust, RIDEFLOW, DPV + "ServiceProvision", action="subscribe")
    admin = await asyncpg.connect(pg.dsn("admin"), timeout=10)
    try:
        await admin.execute("SET session_replication_role = replica")  # no triggers: no notice
        await admin.execute("UPDATE policies.agreements SET status = 'revoked' WHERE uid = $1", AGREEMENT)
        await admin.execute("UPDATE policies.revision SET revision = revision + 1")
    finally:
        await admin.close(timeout=5)
    await asyncio.sleep(0.6)
    assert trust.cached(RIDEFLOW, DPV + "ServiceProvision", "subscribe", "default") is None
    assert not (await read(trust, RIDEFLOW, DPV + "ServiceProvision", action="subscribe")).allow


async def test_a_decision_ends_with_its_agreement(trust: Trust, conn: asyncpg.Connection) -> None:
    await conn.execute(
        """
        UPDATE policies.agreements SET body = jsonb_set(body, '{valid,until}', to_jsonb($2::text)) WHERE uid = $1
        """,
        AGREEMENT,
        datetime.fromtimestamp(time.time() + 1.0, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    await asyncio.sleep(0.4)
    purpose = DPV + "ServiceProvision"
    assert (await read(trust, RIDEFLOW, purpose, action="subscribe")).allow
    await asyncio.sleep(0.8)
    assert trust.cached(RIDEFLOW, purpose, "subscribe", "default") is None
    decision = await read(trust, RIDEFLOW, purpose, action="subscribe")
    assert (decision.allow, decision.reason) == (False, "expired")


@pytest.fixture
def own_opa(settings: PolicySettings) -> Iterator[subprocess.Popen[bytes]]:
    """An OPA of this test alone, which it may stop."""
    port = 28991
    command = [str(locate.opa()), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    command += ["--skip-version-check", "--ignore", "*_test.rego", str(ROOT / "policies" / "rego")]
    process = subprocess.Popen(command)
    settings.opa_url = f"http://127.0.0.1:{port}"
    yield process
    process.kill()
    process.wait(10)


async def test_engine_down_is_no_decision(
    settings: PolicySettings, own_opa: subprocess.Popen[bytes], conn: asyncpg.Connection, pg: Database
) -> None:
    trust = await Trust.open(settings, dsn=pg.dsn("broker"))
    purpose = DPV + "ServiceProvision"
    try:
        begun = time.monotonic()
        while True:
            try:
                decision = await read(trust, RIDEFLOW, purpose)
                break
            except EngineUnavailable:
                assert time.monotonic() - begun < 20
                await asyncio.sleep(0.1)
        assert decision.allow
        own_opa.kill()
        own_opa.wait(10)
        await asyncio.sleep(1.05)
        assert trust.cached(RIDEFLOW, purpose, "read", "default") is None
        with pytest.raises(EngineUnavailable, match=r"OPA at http://127\.0\.0\.1:28991 does not answer"):
            await read(trust, RIDEFLOW, purpose)
    finally:
        await trust.close()


async def test_database_down_is_no_decision(settings: PolicySettings, conn: asyncpg.Connection, pg: Database) -> None:
    trust = await Trust.open(settings, dsn=pg.dsn("broker"))
    admin = await asyncpg.connect(pg.engines.dsn("admin", "postgres"), timeout=10)
    try:
        assert (await read(trust, RIDEFLOW, DPV + "ServiceProvision")).allow
        await admin.execute(f"ALTER DATABASE {pg.name} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            pg.name,
        )
        await asyncio.sleep(1.05)
        assert trust.cached(RIDEFLOW, DPV + "ServiceProvision", "read", "default") is None
        with pytest.raises(EngineUnavailable, match="the revision of the rules cannot be read"):
            await read(trust, RIDEFLOW, DPV + "ServiceProvision")
        await admin.execute(f"ALTER DATABASE {pg.name} ALLOW_CONNECTIONS true")
        await asyncio.sleep(0.6)
        assert (await read(trust, RIDEFLOW, DPV + "ServiceProvision")).allow, "it comes back by itself"
    finally:
        await admin.close(timeout=5)
        await trust.close()


async def test_other_rules_are_no_engine(settings: PolicySettings, conn: asyncpg.Connection, issuer: object) -> None:
    settings.opa_url = settings.jwks_url.removesuffix("/jwks.json")
    trust = await Trust.open(settings)
    try:
        with pytest.raises(EngineUnavailable):
            await read(trust, RIDEFLOW, DPV + "ServiceProvision")
    finally:
        await trust.close()


async def test_purpose_of_a_request(trust: Trust) -> None:
    free = Caller("p", "", "vendor")
    one = Caller("p", "", "vendor", purposes=(DPV + "Marketing",))
    two = Caller("p", "", "vendor", purposes=(DPV + "Marketing", DPV + "Payment"))
    assert trust.purpose(PUBLIC, None) == ANY_PURPOSE
    assert trust.purpose(free, "dpv:Payment") == DPV + "Payment"
    assert trust.purpose(one, None) == DPV + "Marketing"
    assert trust.purpose(two, "dpv:Payment") == DPV + "Payment"
    with pytest.raises(PurposeError, match="name one purpose in the header Data-Purpose"):
        trust.purpose(two, None)
    with pytest.raises(PurposeError, match="is not among the token's purposes"):
        trust.purpose(one, "dpv:Payment")


async def test_open_access_has_no_policy(settings: PolicySettings, conn: asyncpg.Connection) -> None:
    settings.access = "open"
    settings.opa_url = "http://127.0.0.1:9"
    trust = await Trust.open(settings)
    try:
        assert await read(trust, PUBLIC, ANY_PURPOSE, action="delete") is OPEN
    finally:
        await trust.close()
