"""What will end soon and has not been reminded of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.store.connect import Conn

__all__ = ["Ending", "agreements_ending", "assessments_ending"]


@dataclass(frozen=True, slots=True)
class Ending:
    """One thing that will end: its domain, its title, and the parties that live by it."""

    id: str
    domain: str
    title: str
    ends: datetime
    parties: Sequence[str]


async def agreements_ending(conn: Conn, now: datetime, ahead: timedelta) -> list[Ending]:
    """Give the agreements in force that end soon, and note that they are reminded of.

    Soon is within `ahead`, and within the last quarter of what they last: a short one is not reminded of at its start.
    """
    return await _noted(conn, "agreement", _AGREEMENTS, now, ahead)


async def assessments_ending(conn: Conn, now: datetime, ahead: timedelta) -> list[Ending]:
    """Give the impact assessments that run out soon, with whom agreements in force rest on them, and note it."""
    return await _noted(conn, "assessment", _ASSESSMENTS, now, ahead)


async def _noted(conn: Conn, kind: str, soon: str, now: datetime, ahead: timedelta) -> list[Ending]:
    """Give what ends soon and has not been noted before, and note it."""
    rows = await conn.fetch(f"WITH soon AS ({soon}), {_FRESH}", now, ahead, kind)
    return [Ending(**row) for row in rows]


_AGREEMENTS = """
SELECT uid AS id, domain, coalesce(source -> 'title' ->> 'en', uid) AS title, valid_until AS ends,
       ARRAY[assignee] AS parties
FROM policies.agreements WHERE current AND status = 'active' AND valid_until > $1
AND valid_until - $1 <= least($2::interval, (valid_until - valid_from) / 4)
"""
_ASSESSMENTS = """
SELECT id, domain, coalesce(body ->> 'title', id) AS title, valid_until AS ends, ARRAY(
    SELECT DISTINCT a.assignee FROM policies.agreements a
    WHERE a.current AND a.status = 'active' AND a.body ->> 'assessment' = s.id ORDER BY a.assignee
) AS parties
FROM policies.assessments s WHERE valid_until > $1
AND valid_until - $1 <= least($2::interval, (valid_until - at) / 4)
"""
_FRESH = """
fresh AS (
    INSERT INTO policies.reminders (kind, subject, ends) SELECT $3, id, ends FROM soon ORDER BY id
    ON CONFLICT DO NOTHING RETURNING subject, ends
)
SELECT soon.* FROM soon JOIN fresh ON fresh.subject = soon.id AND fresh.ends = soon.ends ORDER BY soon.id
"""
