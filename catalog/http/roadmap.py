"""The roadmap: quarters, gates with what was found of them, adherence over time, and pilots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from catalog.http.lookup import json_answer, reader_of
from catalog.http.problems import Problem
from catalog.portal.render import page
from catalog.roadmap import Kpi, quarter_ends, read_pilots, read_roadmap
from catalog.store import roadmap as store
from catalog.store.connect import lent
from policies.domains import CityFileError
from policies.http.pages import wants_page

__all__ = ["router"]

router = APIRouter()


@router.get("/roadmap")
async def roadmap(request: Request) -> Response:
    """Every quarter with its gates: pass, hold or blocked, why, on what evidence, and how it has been."""
    folder = request.app.state.settings.city
    try:
        plan = await run_in_threadpool(read_roadmap, folder)
    except CityFileError as error:
        raise Problem(503, "city-folder", "The city folder cannot be read", str(error)) from error
    if plan is None:
        raise Problem(404, "not-found", "Not found", "The city has no roadmap.yaml.")
    async with lent(request.app.state.pool) as conn:
        found, runs = await store.findings(conn), await store.history(conn)
    now = datetime.now(UTC)
    quarters = []
    for q in plan.quarters:
        gates = [_gate(q.quarter, g, found, runs) for g in q.gates]
        ends = quarter_ends(q.quarter)
        quarters.append(
            {
                "quarter": q.quarter,
                "title": q.title,
                "ends": ends,
                "over": ends <= now,
                "passed": sum(g["status"] == "pass" for g in gates),
                "gates": gates,
                "adherence": _adherence([runs.get((q.quarter, g.id), []) for g in q.gates]),
            }
        )
    if wants_page(request):
        shown = [{**q, "last_day": q["ends"] - timedelta(days=1)} for q in quarters]
        return page(request, "roadmap.html", quarters=shown, pilots=await _all_pilots(request), now=now)
    return json_answer({"at": now, "quarters": quarters})


def _gate(quarter: str, gate: Any, found: dict[Any, Any], runs: dict[Any, Any]) -> dict[str, Any]:
    said = found.get((quarter, gate.id))
    body = {"id": gate.id, "kind": gate.kind, "title": gate.title, "history": runs.get((quarter, gate.id), [])}
    if said is None:
        return body | {"status": "blocked", "reason": "It has not been judged yet.", "at": None}
    f, at = said
    return body | {
        "status": f.status,
        "reason": f.reason,
        "value": f.value,
        "target": f.target,
        "evidence": f.evidence,
        "at": at,
    }


def _adherence(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The share of a quarter's gates that passed, from each moment at which it changed."""
    moments = sorted({run["from"] for each in runs for run in each})
    points: list[dict[str, Any]] = []
    for at in moments:
        passed = sum(any(r["status"] == "pass" and r["from"] <= at <= r["to"] for r in each) for each in runs)
        share = round(passed / len(runs), 4)
        if not points or points[-1]["share"] != share:
            points.append({"at": at, "share": share})
    return points


@router.get("/pilots/{name}")
async def pilot(request: Request, name: str) -> Response:
    """A pilot: what is measured, its frozen baseline with its date, and its newest figure."""
    try:
        pilots = {p.name: p for p in await run_in_threadpool(read_pilots, request.app.state.settings.city)}
    except CityFileError as error:
        raise Problem(503, "city-folder", "The city folder cannot be read", str(error)) from error
    if name not in pilots:
        there = ", ".join(pilots) or "none"
        raise Problem(404, "not-found", "Not found", f"No pilot '{name}'; there are: {there}.")
    async with lent(request.app.state.pool) as conn:
        frozen, after = await store.baseline(conn, name), await store.figures(conn, name)
    body = {
        "pilot": name,
        "definition": pilots[name].model_dump(mode="json", by_alias=True),
        "baseline": _figure(frozen[1]) | {"definition": frozen[0]} if frozen else None,
        "now": _figure(after) if after else None,
    }
    if not wants_page(request):
        return json_answer(body)
    return page(request, "pilot.html", p=body, domain_titles=(await reader_of(request).state()).titles)


async def _all_pilots(request: Request) -> list[dict[str, Any]]:
    """Every pilot before and after; none where the city's files cannot be read (the gate that needs them says so)."""
    try:
        pilots = await run_in_threadpool(read_pilots, request.app.state.settings.city)
    except CityFileError:
        return []
    found = []
    async with lent(request.app.state.pool) as conn:
        for p in pilots:
            frozen, after = await store.baseline(conn, p.name), await store.figures(conn, p.name)
            found.append(
                {
                    "pilot": p.name,
                    "definition": p.model_dump(mode="json", by_alias=True),
                    "baseline": _figure(frozen[1]) if frozen else None,
                    "now": _figure(after) if after else None,
                }
            )
    return found


def _figure(k: Kpi) -> dict[str, Any]:
    return {"medianSeconds": k.median_s, "closed": k.closed, "open": k.open, "at": k.at}
