"""Ways in which a domain's evidence breaks, each for as long as a block takes."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from policies.agreements.lifecycle import change_status
from policies.store.connect import connect
from tests.catalog.conftest import City

__all__ = [
    "assessment",
    "declared_without",
    "feed_stopped",
    "quality",
    "tamper",
    "unknown_origin",
    "without_agreement",
]


@contextmanager
def feed_stopped(city: City, ago: timedelta = timedelta(minutes=5)) -> Iterator[None]:
    """Nothing has been heard of the buses since so long ago."""
    city.feed("buses", "mobility", datetime.now(UTC) - ago, received=30, mapped=30, rejected=0)
    yield


@contextmanager
def quality(city: City, dimension: str) -> Iterator[None]:
    """Half of what the buses sent was not as it should be."""
    city.quality("buses", "mobility", 0.5, dimension)
    yield


@contextmanager
def declared_without(city: City, member: str) -> Iterator[None]:
    """The domain's file with one member taken out."""
    path = Path(city.environment["DATAPOLIS_CITY"]) / "domains" / "mobility.yaml"
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(True) if not line.startswith(f"{member}:")))
    city.apply_domains()
    try:
        yield
    finally:
        path.write_text(text)
        city.apply_domains()


@contextmanager
def unknown_origin(city: City) -> Iterator[None]:
    """The buses' feed is no longer declared."""
    path = Path(city.environment["DATAPOLIS_CITY"]) / "feeds" / "buses.yaml"
    text = path.read_text()
    path.unlink()
    try:
        yield
    finally:
        path.write_text(text)


@contextmanager
def without_agreement(city: City, *named: str) -> Iterator[None]:
    """Every agreement on mobility is suspended, or those that are named."""
    uids = named or [a["uid"] for a in city.get("/trust/terms/mobility")["agreements"]]
    asyncio.run(_set_all(city, uids, active=False))
    try:
        yield
    finally:
        asyncio.run(_set_all(city, uids, active=True))


async def _set_all(city: City, uids: Sequence[str], *, active: bool) -> None:
    conn = await connect(city.database.dsn("policies"))
    try:
        for uid in uids:
            await change_status(conn, uid, "active" if active else "suspended", "urn:party:steward", "a test")
    finally:
        await conn.close()


def assessment(city: City, holds: timedelta) -> None:
    """Record an impact assessment of mobility as its steward does, over HTTP."""
    risk = {
        "risk": "A driver is followed.",
        "likelihood": "low",
        "severity": "medium",
        "measure": "No driver is named.",
    }
    form = {
        "domain": "mobility",
        "title": "Positions of buses",
        "summary": "Where buses are says where their drivers are while they work.",
        "reviewer": "Office of data protection",
        "expires": (datetime.now(UTC) + holds).isoformat(),
        "risks": [risk],
    }
    headers = {
        "Authorization": f"Bearer {city.token}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    url = f"{city.catalog}/trust/assessments"
    request = urllib.request.Request(url, json.dumps(form).encode(), headers)  # noqa: S310 - our own process
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 201


def tamper(city: City, statement: str, *values: Any) -> None:
    """Change what the catalog has stored, as somebody who got at its database would."""

    async def run() -> None:
        conn = await asyncpg.connect(city.database.dsn("catalog"))
        try:
            await conn.execute(statement, *values)
        finally:
            await conn.close(timeout=5)

    asyncio.run(run())
