"""Reminders: an agreement or an impact assessment that will end soon is told of once, to party and steward."""

from __future__ import annotations

from datetime import datetime, timedelta

from policies import times
from policies.agreements import acts
from policies.notices import tell_party, tell_steward
from policies.store import terms
from policies.store.connect import Conn
from policies.store.reminders import Ending, agreements_ending, assessments_ending

__all__ = ["AHEAD", "remind"]

AHEAD = timedelta(days=30)


async def remind(conn: Conn, now: datetime, catalog_url: str) -> None:
    """Owe the notices of what ends within `AHEAD`, in one transaction with the note that they are owed."""
    async with conn.transaction():
        for one in await agreements_ending(conn, now, AHEAD):
            said = {"agreement": one.id, "ends": times.text(one.ends), "page": acts.page_of(one.id)}
            await _tell(conn, one, "agreement.expiring", f"Ends soon: {one.title}", catalog_url, said)
        for one in await assessments_ending(conn, now, AHEAD):
            said = {"assessment": one.id, "ends": times.text(one.ends), "page": f"/trust/assessments/{one.id}"}
            subject = f"An impact assessment runs out soon: {one.title}"
            await _tell(conn, one, "assessment.expiring", subject, catalog_url, said)


async def _tell(conn: Conn, one: Ending, kind: str, subject: str, catalog_url: str, said: dict[str, str]) -> None:
    domain = await terms.domain(conn, one.domain)
    if domain is None:
        return
    for party in one.parties:
        if not party.startswith("tier:"):
            await tell_party(conn, party, kind, subject, catalog_url, said)
    await tell_steward(conn, domain, kind, subject, catalog_url, said)
