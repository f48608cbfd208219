"""Write the register: a steward of every domain that a system reads enters it, and each change is a new version.

The trust decides who may (`policies.agreements.desk`): the act `register` is asked for each domain that the entry reads
and for each that it read before, so that nobody drops a domain that is not theirs. Refusals are audited too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from catalog.http.problems import Problem
from catalog.register import System
from catalog.store import systems
from catalog.store.connect import Conn, lent
from catalog.store.systems import Entry, Writer
from policies.agreements.desk import Actor, Desk
from policies.http.outcomes import ERRORS, failed
from policies.http.who import BadBody, actor, body, desk_of
from policies.store import terms
from policies.store.connect import Conn as TrustConn

__all__ = ["router"]

router = APIRouter()

_MOST_NOTE = 500


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to be entered after what, and why; `expected` is the version that the writer has seen."""

    system: System
    note: str
    expected: int | None
    new: bool


@router.post("/register")
async def add(request: Request) -> Response:
    """Enter a system that is not in the register yet."""
    return await _write(request, None)


@router.put("/register/{system}")
async def put(request: Request, system: str) -> Response:
    """Enter a system, or a new version of it. `If-Match` names the version that was seen; equal content changes
    nothing."""
    return await _write(request, system)


async def _write(request: Request, id_: str | None) -> Response:
    try:
        who = await actor(request)
        change = await _change(request, id_)
        async with lent(request.app.state.pool) as conn, conn.transaction():
            return await _enter(request, conn, who, change)
    except ERRORS as error:
        return await failed(request, error)


async def _change(request: Request, id_: str | None) -> _Change:
    given = await body(request)
    note = given.pop("note", "")
    if not isinstance(note, str) or len(note) > _MOST_NOTE:
        raise BadBody(f"note: must be text of at most {_MOST_NOTE} characters")
    system = System.model_validate(given)
    if id_ is not None and system.id != id_:
        raise BadBody(f"id: is {system.id!r}, but the address says {id_!r}")
    seen = request.headers.get("if-match", "").strip().strip('"')
    if seen and not seen.isdigit():
        raise BadBody('If-Match: must be the version that was seen, such as "3"')
    return _Change(system, note.strip(), int(seen) if seen else None, id_ is None)


async def _enter(request: Request, conn: Conn, who: Actor, change: _Change) -> Response:
    system = change.system
    await systems.only_writer(conn, system.id)
    known = await systems.history(conn, system.id)
    before = known[0] if known else None
    stands = before.version if before else 0
    if change.new and before:
        detail = f"{system.id} is in the register as version {stands}; PUT /register/{system.id} changes it."
        raise Problem(409, "already-exists", "Already in the register", detail)
    if change.expected is not None and change.expected != stands:
        detail = f"Version {change.expected} was seen, but {stands or 'none'} stands; read it again and merge."
        raise Problem(412, "version-moved", "Another version stands", detail)
    receipt = await _permitted(desk_of(request), who, change, before)
    if before and before.body == system.model_dump(mode="json"):
        return _answer(200, before, receipt)
    await systems.save(conn, system, stands + 1, Writer(who.caller.party, "api", change.note, receipt))
    (entry, *_) = await systems.history(conn, system.id)
    return _answer(200 if before else 201, entry, receipt)


async def _permitted(desk: Desk, who: Actor, change: _Change, before: Entry | None) -> str:
    """Ask the rules for every domain, and record the act; its receipt. Raises what the desk raises."""
    system = change.system
    text = orjson.dumps(system.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    version = before.version + 1 if before else 1
    what = f"enter system {system.id} version {version} {hashlib.sha256(text).hexdigest()}"

    async def work(conn: TrustConn) -> str:
        known = {d["name"]: d for d in await terms.domains(conn)}
        if strange := sorted(set(system.reads) - set(known)):
            raise BadBody(f"reads: {', '.join(strange)} is no domain of the city; they are listed at /trust/domains")
        parties = await terms.parties(conn)
        if strange := sorted({p for p in (system.owner, system.party) if p} - set(parties)):
            raise BadBody(f"{', '.join(strange)} is no party that the city knows; see /trust/agreements")
        was: list[str] = before.body["reads"] if before else []
        for name in sorted({*system.reads, *was} & set(known)):
            await desk.rule(conn, who, "register", known[name])
        return (await desk.record(conn, who, what, known[system.reads[0]]["tenant"])).receipt

    return await desk.perform(who, what, work)


def _answer(status: int, entry: Entry, receipt: str) -> Response:
    said: dict[str, Any] = {"id": entry.id, "version": entry.version, "at": entry.at, "by": entry.writer.party}
    headers = {"ETag": f'"{entry.version}"', "Location": f"/register/{entry.id}", "Datapolis-Audit": receipt}
    return Response(orjson.dumps(said), status, headers, "application/json")
