"""Access keys: bound to one agreement and purpose, known by their hash alone, ended within a second."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from policies import PUBLIC, Action, PolicySettings, Trust
from policies.access_keys import KeyRefused, KeyRing, Made, credential, make, revoke
from policies.caller import Caller, TokenError
from policies.decision import EngineUnavailable
from policies.store import access_keys as store
from policies.store.connect import open_pool
from tests.fixtures.postgres import Database

RIDEFLOW = Caller("urn:party:rideflow", "app", "vendor", (), ("https://w3id.org/dpv#ServiceProvision",))
AGREEMENT = "urn:datapolis:agreement:rideflow-mobility"
PURPOSE = "https://w3id.org/dpv#ServiceProvision"
VEHICLE = "https://smartdatamodels.org/dataModel.Transportation/Vehicle"


@pytest_asyncio.fixture
async def key(conn: asyncpg.Connection) -> Made:
    """A key of the vendor."""
    return await make(conn, RIDEFLOW, AGREEMENT, "dpv:ServiceProvision", " QGIS ", 30)


@pytest_asyncio.fixture
async def ring(pg: Database, conn: asyncpg.Connection) -> AsyncIterator[KeyRing]:
    """A ring that logs in as the broker does."""
    pool = await open_pool(pg.dsn("broker"), size=1)
    yield KeyRing(pool)
    await pool.close()


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


async def test_the_secret_is_nowhere_in_the_database(conn: asyncpg.Connection, key: Made) -> None:
    secret = key.secret.split("_")[2]
    assert len(secret) == 52
    assert key.key.hash == hashlib.sha256(secret.encode()).digest()
    found = await conn.fetchrow("SELECT *, access_keys::text AS whole FROM policies.access_keys")
    assert found is not None
    assert secret not in found["whole"]
    assert (found["label"], found["party"], found["created_by"]) == ("QGIS", RIDEFLOW.party, RIDEFLOW.party)
    records = await conn.fetch("SELECT record FROM policies.audit_pending WHERE record LIKE '%access key%'")
    assert len(records) == 1
    assert secret not in records[0]["record"]


async def test_it_says_whose_it_is(ring: KeyRing, key: Made) -> None:
    bearer = f"Bearer {key.secret}"
    assert ring.known(bearer) is None
    caller = await ring.verify(bearer, key.secret)
    assert (caller.party, caller.sub, caller.tier, caller.roles) == (
        RIDEFLOW.party,
        f"key:{key.key.id}",
        "vendor",
        (),
    )
    assert (caller.purposes, caller.agreement) == ((PURPOSE,), AGREEMENT)
    assert caller.key != RIDEFLOW.key
    assert ring.known(bearer) is caller
    ring.forget()
    assert ring.known(bearer) is None


def test_where_a_key_may_stand() -> None:
    assert credential("Bearer dpk_x") == credential("bearer dpk_x") == "dpk_x"
    assert credential(basic("key", "dpk_x")) == credential(basic("dpk_x", "")) == "dpk_x"
    for other in (
        "Bearer eyJ",
        "Basic !!",
        basic("me", "secret"),
        "Basic",
        "",
        "Digest dpk_x",
        "Bearer dpk_" + "x" * 2000,
    ):
        assert credential(other) is None


@pytest.mark.parametrize(
    "wrong", ["dpk_", "dpk_aaaaaaaaaaaaaaaa_" + "a" * 52, "dpk_{id}_" + "a" * 52, "dpk_{id}_", "DPK_{id}_x", "dpk_{id}"]
)
async def test_unknown_keys(ring: KeyRing, key: Made, wrong: str) -> None:
    with pytest.raises(TokenError, match="the access key is not known"):
        await ring.verify("Bearer x", wrong.replace("{id}", key.key.id))


async def test_revoked_and_expired(ring: KeyRing, key: Made, conn: asyncpg.Connection, pg: Database) -> None:
    before = await conn.fetchval("SELECT revision FROM policies.revision")
    assert await revoke(conn, key.key, "urn:party:steward")
    assert not await revoke(conn, key.key, "urn:party:steward"), "once is enough"
    assert await conn.fetchval("SELECT revision FROM policies.revision") > before
    with pytest.raises(TokenError, match="has been revoked"):
        await ring.verify("Bearer x", key.secret)
    short = await make(conn, RIDEFLOW, AGREEMENT, "dpv:ServiceProvision", "x", 1)
    superuser = await asyncpg.connect(pg.dsn("admin"))
    past = datetime.now(UTC) - timedelta(seconds=1)
    await superuser.execute("UPDATE policies.access_keys SET expires_at = $1 WHERE id = $2", past, short.key.id)
    await superuser.close(timeout=5)
    with pytest.raises(TokenError, match="has expired"):
        await ring.verify("Bearer x", short.secret)


async def test_a_look_up_that_a_change_overtook_is_not_kept(ring: KeyRing, key: Made) -> None:
    found = ring._find

    async def overtaken(key_id: str) -> Any:
        row = await found(key_id)
        ring.forget()
        return row

    ring._find = overtaken  # type: ignore[method-assign]  # a change comes between
    assert (await ring.verify("Bearer x", key.secret)).party == RIDEFLOW.party
    assert ring.known("Bearer x") is None


async def test_without_the_database_there_is_no_answer(key: Made, pg: Database) -> None:
    pool = await open_pool(pg.dsn("broker"), size=1)
    ring = KeyRing(pool)
    await pool.close()
    with pytest.raises(EngineUnavailable, match="access keys cannot be looked up"):
        await ring.verify("Bearer x", key.secret)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agreement": "urn:datapolis:agreement:uni-air-mobility"}, "has no agreement"),
        ({"agreement": "urn:nothing:x"}, "has no agreement"),
        ({"purpose": "dpv:Nonsense"}, "is no purpose of DPV"),
        ({"purpose": "dpv:Marketing"}, "is not among the token's purposes"),
        ({"label": "  "}, "label: say in 1 to 100"),
        ({"label": "x" * 101}, "label: say in 1 to 100"),
        ({"days": 0}, "from 1 to 365"),
        ({"days": 366}, "from 1 to 365"),
    ],
)
async def test_keys_that_are_not_made(conn: asyncpg.Connection, change: dict[str, Any], reason: str) -> None:
    wanted: dict[str, Any] = {"agreement": AGREEMENT, "purpose": "dpv:ServiceProvision", "label": "x", "days": 1}
    with pytest.raises(KeyRefused, match=reason):
        await make(conn, RIDEFLOW, **{**wanted, **change})
    assert await conn.fetchval("SELECT count(*) FROM policies.access_keys") == 0


async def test_a_key_makes_no_keys(conn: asyncpg.Connection, ring: KeyRing, key: Made) -> None:
    caller = await ring.verify("Bearer x", key.secret)
    with pytest.raises(KeyRefused, match="makes no keys"):
        await make(conn, caller, AGREEMENT, PURPOSE, "x", 1)


async def test_it_reads_under_its_agreement_alone(trust: Trust, conn: asyncpg.Connection, key: Made) -> None:
    headers = {"authorization": basic("key", key.secret)}
    caller = await trust.verify(headers)
    assert trust.known(headers["authorization"]) is caller
    assert trust.purpose(caller, None) == PURPOSE
    whole = await trust.decide(RIDEFLOW, PURPOSE, "read", "default")
    bound = await trust.decide(caller, PURPOSE, "read", "default")
    assert {uid for uid, _ in bound.agreements} == {AGREEMENT}
    assert {uid for uid, _ in whole.agreements} > {AGREEMENT}
    assert bound.access.prohibitions == whole.access.prohibitions
    actions: tuple[Action, ...] = ("subscribe", "publish", "delete", "register", "tenant", "manage")
    for action in actions:
        refused = await trust.decide(caller, PURPOSE, action, "default")
        assert (refused.allow, refused.reason) == (False, "no_agreement")
        assert "An access key serves aggregate, export, read, temporal" in refused.detail
    assert (await trust.decide(PUBLIC, PURPOSE, "read", "default")).agreements != bound.agreements


async def test_revoking_ends_it_on_a_running_trust(trust: Trust, conn: asyncpg.Connection, key: Made) -> None:
    headers = {"authorization": f"Bearer {key.secret}"}
    await trust.verify(headers)
    await revoke(conn, key.key, "urn:party:steward")
    begun = time.monotonic()
    while trust.known(headers["authorization"]) is not None:
        assert time.monotonic() - begun < 1.0
        await asyncio.sleep(0.005)
    with pytest.raises(TokenError, match="has been revoked"):
        await trust.verify(headers)


async def test_use_is_noted_by_the_hour(
    settings: PolicySettings, pg: Database, conn: asyncpg.Connection, key: Made
) -> None:
    opened = await Trust.open(settings, dsn=pg.dsn("broker"))
    await opened.verify({"authorization": f"Bearer {key.secret}"})
    for _ in range(100):
        found = await store.find(conn, key.key.id)
        if found is not None and found.used_at is not None:
            break
        await asyncio.sleep(0.05)
    await opened.close()
    assert found is not None
    assert found.used_at is not None
    assert (found.used_at.minute, found.used_at.second) == (0, 0)
