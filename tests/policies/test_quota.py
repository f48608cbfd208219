"""Quotas: counted, refused when used up, given again with the next period."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import asyncpg
import pytest

from policies import Trust
from policies.decision import Decision, Duty
from policies.quota import Usage, period_of
from tests.policies.test_trust import AGREEMENT, DPV, RIDEFLOW, read

NOW = datetime(2026, 11, 22, 5, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "allowed", "begin", "end"),
    [
        ("10000/P1D", 10000, "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
        ("5/PT1H", 5, "2026-11-22T05:00:00", "2026-11-22T06:00:00"),
        ("1/PT10S", 1, "2026-11-22T05:30:10", "2026-11-22T05:30:20"),
    ],
)
def test_periods(value: str, allowed: int, begin: str, end: str) -> None:
    assert period_of(value, NOW) == (
        allowed,
        datetime.fromisoformat(begin + "+00:00"),
        datetime.fromisoformat(end + "+00:00"),
    )


async def test_counts_survive_an_error(conn: asyncpg.Connection) -> None:
    usage = Usage()
    usage.count(Decision(True, duties=(Duty("urn:a", "quota", "9/P1D"), Duty("urn:a", "rate", "1/PT1S"))), 2)
    await conn.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await usage.write(conn, NOW)
    await conn.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
    await usage.write(conn, NOW)
    await usage.write(conn, NOW)
    rows = await conn.fetch("SELECT agreement, kind, allowed, used FROM policies.duties")
    assert [tuple(row) for row in rows] == [("urn:a", "quota", 9, 2)]


async def test_used_up_and_given_again(trust: Trust, conn: asyncpg.Connection) -> None:
    await conn.execute(
        """
        UPDATE policies.agreements SET body = jsonb_set(body, '{permission,0,duty,1,value}', '"5/PT4S"') WHERE uid = $1
        """,
        AGREEMENT,
    )
    await asyncio.sleep(0.4)
    purpose = DPV + "ServiceProvision"
    await asyncio.sleep(4 - time.time() % 4)  # the beginning of a period
    for _ in range(5):
        decision = await read(trust, RIDEFLOW, purpose, action="subscribe")
        assert decision.allow
        trust.used(decision)
    begun = time.monotonic()
    while (decision := await read(trust, RIDEFLOW, purpose, action="subscribe")).allow:
        assert time.monotonic() - begun < 1.5
        await asyncio.sleep(0.02)
    assert (decision.reason, decision.detail) == ("quota", f"The quota is used up: {AGREEMENT}.")
    assert decision.apply_at == "https://data.city.example/trust/terms/mobility"
    assert decision.until is not None
    assert decision.until.timestamp() % 4 == 0
    await asyncio.sleep(decision.until.timestamp() - time.time() + 0.05)
    assert (await read(trust, RIDEFLOW, purpose, action="subscribe")).allow
