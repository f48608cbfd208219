"""Service requests for the pilot: made up, or those that New York recorded."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["cases", "of_the_pilot"]

_TRACKING = "https://smartdatamodels.org/dataModel.IssueTracking/"
_OPENED, _CLOSED = f"{_TRACKING}requested_datetime", "https://datapolis.example/ns#closedAt"
_NEW_YORK = ZoneInfo("America/New_York")
_START = datetime(2025, 1, 2, tzinfo=UTC)


def _case(number: str, opened: datetime, closed: datetime | None) -> dict[str, Any]:
    times = {_OPENED: opened} | ({_CLOSED: closed} if closed else {})
    return {
        "id": f"urn:ngsi-ld:ServiceRequest:{number}",
        "type": f"{_TRACKING}service_requests",
        **{
            name: {"type": "Property", "value": at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
            for name, at in times.items()
        },
    }


def cases(first: int, count: int, opened: datetime, hours: float) -> list[dict[str, Any]]:
    """So many requests, opened at one moment and closed so many hours later."""
    return [_case(str(n), opened, opened + timedelta(hours=hours)) for n in range(first, first + count)]


def of_the_pilot() -> list[dict[str, Any]]:
    """The recorded requests of the pilot's two windows; made-up ones where there is no recorded data."""
    path = Path(os.environ.get("DATAPOLIS_DATA", "/nonexistent")) / "open311" / "nyc311_animals_2025.csv"
    if path.is_file():
        return list(_recorded(path))
    return [*cases(0, 120, _START, 4), *cases(200, 120, _START + timedelta(days=40), 3)]


def _recorded(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            opened, closed = (_read(row[name]) for name in ("Created Date", "Closed Date"))
            if opened and opened < datetime(2025, 3, 15, tzinfo=_NEW_YORK):
                yield _case(row["Unique Key"], opened, closed)


def _read(text: str) -> datetime | None:
    return datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=_NEW_YORK) if text else None
