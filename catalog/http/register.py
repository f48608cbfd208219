"""The register of algorithms and AI, and how data are used: for programs and for the portal's pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from catalog.http.lookup import json_answer, reader_of
from catalog.http.problems import Problem
from catalog.portal.dashboard import summary
from catalog.portal.render import page
from catalog.register import registration_schema, system_schema
from catalog.store import systems
from catalog.store.connect import lent
from catalog.store.systems import Entry
from policies.audit.use import Use, counted
from policies.http.pages import wants_page

__all__ = ["UseOfData", "router"]

router = APIRouter()

_KEEP_S = 3.0
_ROWS = 100


class UseOfData:
    """Counts of the audit log, shared for a few seconds by all who ask."""

    def __init__(self) -> None:
        self._kept: list[Use] = []
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def read(self, request: Request) -> list[Use]:
        """The counts."""
        async with self._lock:
            if self._until <= time.monotonic():
                async with request.app.state.trust_pool.acquire() as conn:
                    self._kept = await counted(conn)
                self._until = time.monotonic() + _KEEP_S
            return self._kept


@router.get("/use")
async def use(request: Request) -> Response:
    """How each domain is used: requests by day, purpose and outcome. Who asked is not said here."""
    found: dict[tuple[str, ...], list[int]] = {}
    for u in await request.app.state.use.read(request):
        key = (u.day.isoformat(), u.domain or "", u.purpose, u.action, u.outcome)
        sums = found.setdefault(key, [0, 0])
        sums[0] += u.requests
        sums[1] += u.entities
    names = ("day", "domain", "purpose", "action", "outcome")
    rows = [dict(zip(names, k, strict=True)) | {"requests": n, "entities": m} for k, (n, m) in sorted(found.items())]
    if wants_page(request):
        state = await reader_of(request).state()
        shown = state.views(datetime.now(UTC), 0, _ROWS)
        return page(request, "use.html", domains=shown, use=summary(rows), names=state.titles)
    return json_answer({"use": rows, "log": "/trust/log/checkpoint"})


@router.get("/register")
async def register(request: Request) -> Response:
    """Every entry, joined to the use that the audit log shows."""
    async with lent(request.app.state.pool) as conn:
        found = await systems.newest(conn)
    used = await request.app.state.use.read(request)
    names = reader_of(request).city.parties
    entries = [_entry(e, used, names) for e in found]
    if wants_page(request):
        titles = (await reader_of(request).state()).titles
        return page(request, "register.html", systems=entries, domain_titles=titles)
    return json_answer({"standard": "Algorithmic Transparency Standard 0.3.1", "systems": entries})


@router.get("/register/schemas/{name}.json")
async def schema(name: str) -> Response:
    """The models of entries: `registration` by the standard alone, `system` the whole file; forms are made of them."""
    known = {"registration": registration_schema, "system": system_schema}
    if name not in known:
        raise Problem(404, "not-found", "Not found", f"No schema '{name}'; there are {', '.join(known)}.")
    return Response(known[name](), media_type="application/schema+json")


@router.get("/register/{system}")
async def one(request: Request, system: str, version: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """An entry with its versions: the newest, or the one that is asked for."""
    async with lent(request.app.state.pool) as conn:
        found = await systems.history(conn, system)
    if not found:
        raise Problem(404, "not-found", "Not found", f"No entry '{system}' in the register; see /register.")
    used = await request.app.state.use.read(request)
    names = reader_of(request).city.parties
    shown = next((e for e in found if e.version == version), None) if version else found[0]
    if shown is None:
        detail = f"'{system}' has no version {version}; the newest is {found[0].version}."
        raise Problem(404, "not-found", "Not found", detail)
    body = _entry(shown, used, names)
    body |= {"newest": found[0].version, "versions": [_version(e, names) for e in found]}
    if not wants_page(request):
        return json_answer(body)
    return page(request, "system.html", s=body, domain_titles=(await reader_of(request).state()).titles)


def _version(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    """A version: what it said, who entered it, from where and why, and the receipt of the audit record."""
    who = entry.writer
    return {
        "version": entry.version,
        "at": entry.at,
        "by": {"party": who.party, "name": names.get(who.party, who.party)},
        "source": who.source,
        "note": who.note,
        "receipt": who.receipt,
        "entry": entry.body,
    }


def _entry(entry: Entry, used: list[Use], names: Mapping[str, str]) -> dict[str, Any]:
    """An entry as people ask of it. `undeclared` are domains that its party read, but that the entry does not name."""
    body, party = entry.body, entry.body.get("party")
    mine = [u for u in used if party and u.party == party]
    by_domain: dict[str, dict[str, int]] = {}
    for u in mine:
        sums = by_domain.setdefault(u.domain or "", {"allowed": 0, "denied": 0, "error": 0, "entities": 0})
        sums[u.outcome] = sums.get(u.outcome, 0) + u.requests
        sums["entities"] += u.entities
    read = sorted(name for name, sums in by_domain.items() if name and sums["allowed"])
    said = body["registration"]
    return {
        "id": entry.id,
        "version": entry.version,
        "at": entry.at,
        "name": said["name"],
        "summary": said["description_short"],
        "status": said["status"],
        "owner": {"party": body["owner"], "name": names.get(body["owner"], body["owner"])},
        "party": party,
        "purpose": body["purpose"],
        "risk": said["risk_category"],
        "appeal": body["appeal"],
        "reads": body["reads"],
        "audited": [{"domain": name or None, **sums} for name, sums in sorted(by_domain.items())],
        "undeclared": [name for name in read if name not in body["reads"]],
        "biasTests": body["bias_tests"],
        "monitoring": body["monitoring"],
        "registration": {name: value for name, value in said.items() if value is not None},
    }
