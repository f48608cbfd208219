"""Duties that are met by doing something: when they fall due, and when they fall due again.

Where the source is named is to be shown within 30 days of an agreement's coming into force. What is to be deleted or
reported after a time falls due that long after, and again each time; when the agreement ends, what was taken last is
to be deleted that long after its end, and nothing more is to be reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from policies.durations import parse
from policies.store import obligations as store
from policies.store.connect import Conn

__all__ = ["RECURRING", "ended", "schedule", "span"]

RECURRING = ("delete_after", "report_benefit")
_TRACKED = ("attribution", *RECURRING)
_ATTRIBUTION = timedelta(days=30)


def span(kind: str, value: str) -> timedelta:
    """Tell how long there is for it."""
    return _ATTRIBUTION if kind == "attribution" else parse(value)


def _owed(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name what a party is to do; of a whole tier nobody could report."""
    if body["assignee"].startswith("tier:"):
        return
    for rule in body["permission"]:
        for duty in rule["duty"]:
            if duty["kind"] in _TRACKED:
                yield duty["kind"], duty["value"]


async def schedule(conn: Conn, uid: str, body: Mapping[str, Any], now: datetime) -> None:
    """Write down what is owed under a text that comes into force; what an earlier text said stays if it still does."""
    owed = set(_owed(body))
    known = await store.obligations(conn, [uid])
    await store.drop(
        conn, [one.id for one in known if one.status in ("due", "overdue") and (one.kind, one.value) not in owed]
    )
    kept = {(one.kind, one.value) for one in known if one.status != "dropped"}
    for kind, value in sorted(owed - kept):
        await store.add(conn, uid, kind, value, now + span(kind, value))


async def ended(conn: Conn, uid: str, now: datetime) -> None:
    """Settle what is owed when an agreement has ended."""
    for one in await store.obligations(conn, [uid]):
        if one.status not in ("due", "overdue"):
            continue
        if one.kind == "delete_after":
            await store.postpone(conn, one.id, now + span(one.kind, one.value))
        else:
            await store.drop(conn, [one.id])
