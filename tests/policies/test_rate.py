"""Rates: held over all workers, refused with the time to wait, made good after a burst."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from broker.core.access import Access, Grant
from policies import PolicySettings, RateExceeded, Trust
from policies.decision import Decision, Duty
from policies.rate import Rates
from tests.fixtures.governed import Governed, governed, governed_broker
from tests.fixtures.postgres import Database
from tests.fixtures.tokens import TestIssuer
from tests.policies.test_trust import AGREEMENT, DPV, RIDEFLOW, VEHICLE

__all__ = ["governed", "governed_broker"]

PURPOSE = DPV + "ServiceProvision"
RATE = Duty(AGREEMENT, "rate", "10/PT2S", own=True)


def decided(*duties: Duty) -> Decision:
    grants = tuple(Grant(duty.agreement, 1, None) for duty in duties)
    return Decision(
        True, Access(grants), duties=duties, rates=duties, agreements=tuple((d.agreement, 1) for d in duties)
    )


def test_a_bucket_holds_its_number_and_runs_out() -> None:
    rates = Rates()
    for _ in range(10):
        assert rates.wait_s(RATE) == 0
        rates.count(RATE)
    wait = rates.wait_s(RATE)
    assert 0.15 < wait <= 0.2, "ten in two seconds: one fits again after a fifth of a second"
    assert 0.95 < rates.wait_s(RATE, 5) <= 1.0
    time.sleep(wait)
    assert rates.wait_s(RATE) == 0


async def test_workers_share_a_bucket_and_make_good_what_was_too_much(conn: asyncpg.Connection) -> None:
    one, other = Rates(), Rates()
    for _ in range(10):
        one.count(RATE)
        other.count(RATE)
    await one.share(conn)
    await other.share(conn)
    assert 1.9 < other.wait_s(RATE) <= 2.2, "twenty let in: ten must run out before one fits"
    await one.share(conn)
    assert 1.8 < one.wait_s(RATE) <= 2.2, "the worker that shared first has learnt of the other's"
    await asyncio.sleep(0.5)
    await one.share(conn)
    stored = await conn.fetchval("SELECT level FROM policies.rates WHERE agreement = $1", AGREEMENT)
    assert 16 < stored < 18, "five a second run out"


async def test_counts_survive_an_error(conn: asyncpg.Connection) -> None:
    rates = Rates()
    rates.count(RATE, 4)
    await conn.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await rates.share(conn)
    await conn.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
    await rates.share(conn)
    await rates.share(conn)
    assert 3 < await conn.fetchval("SELECT level FROM policies.rates") <= 4


async def test_a_rate_of_others_takes_away_its_grants_and_an_own_one_refuses(trust: Trust) -> None:
    own, shared = Duty("urn:own", "rate", "3/PT1H", own=True), Duty("urn:public", "rate", "1/PT1H")
    both = decided(own, shared)
    assert trust.within_rate(both) is both
    trust.used(both)
    narrowed = trust.within_rate(both)
    assert [grant.agreement for grant in narrowed.access.grants] == ["urn:own"]
    assert narrowed.agreements == (("urn:own", 1),)
    assert not trust.fits(both)
    with pytest.raises(RateExceeded, match="1/PT1H of urn:public") as caught:
        trust.within_rate(decided(shared))
    assert 3590 < caught.value.retry_after_s <= 3600
    for _ in range(2):
        trust.used(trust.within_rate(both))
    with pytest.raises(RateExceeded, match="3/PT1H of urn:own"):
        trust.within_rate(both)


async def _agree(conn: asyncpg.Connection, value: str) -> None:
    duty = [{"kind": "rate", "value": value}]
    await conn.execute(
        "UPDATE policies.agreements SET body = jsonb_set(body, '{permission,0,duty}', $2) WHERE uid = $1",
        AGREEMENT,
        duty,
    )
    await asyncio.sleep(0.4)


async def test_two_workers_let_in_no_more_than_the_rate(
    settings: PolicySettings, trust: Trust, conn: asyncpg.Connection, pg: Database
) -> None:
    await _agree(conn, "20/PT1S")
    second = await Trust.open(settings, dsn=pg.dsn("broker"))
    let_in, begun, waits = 0, time.monotonic(), []
    try:
        while time.monotonic() - begun < 4:
            for worker in (trust, second):
                decision = await worker.decide(RIDEFLOW, PURPOSE, "subscribe", "default")
                assert [duty.own for duty in decision.rates] == [True]
                try:
                    worker.used(worker.within_rate(decision))
                    let_in += 1
                except RateExceeded as error:
                    waits.append(error.retry_after_s)
            await asyncio.sleep(0.002)
    finally:
        await second.close()
    assert let_in <= 20 * 4 + 20 + 2 * 20, "what runs out in four seconds, one bucket, and one beat's surplus"
    assert let_in >= 20 * 3, "the rate can be used up"
    assert max(waits) < 3


@pytest.mark.usefixtures("governed_broker")
async def test_the_answer_is_429_with_the_time_to_wait(governed: Governed, issuer: TestIssuer) -> None:
    from policies.store.connect import connect

    conn = await connect(governed.running.database.dsn("policies"))
    await _agree(conn, "5/PT1M")
    headers = governed.headers("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
    path = f"/entities?type={VEHICLE}&limit=2"
    answers = [await governed.get(path, headers) for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    last = answers[-1]
    assert last.json["type"] == "https://datapolis.example/errors/rate"
    assert last.json["reason"] == "rate"
    assert last.json["detail"] == f"The agreed rate is exceeded: 5/PT1M of {AGREEMENT}."
    assert 1 <= int(last.headers["Retry-After"]) <= 12
    assert int(last.headers["Retry-After"]) == last.json["retry_after"]
    assert "Datapolis-Audit" in last.headers
    reasons = await conn.fetch(
        "SELECT record::jsonb ->> 'outcome' AS outcome, record::jsonb ->> 'reason' AS reason, "
        "record::jsonb ->> 'tier' AS tier FROM policies.audit_pending WHERE record::jsonb ->> 'caller' = $1 "
        "ORDER BY at DESC, id DESC LIMIT 3",
        "urn:party:rideflow",
    )
    assert [tuple(row) for row in reasons] == [("denied", "rate", "vendor")] * 3
    other = await governed.get(path, governed.headers(None))
    assert other.status == 200, "the public reads on"
    await conn.close(timeout=5)
