"""The public portal: server-rendered pages that work without JavaScript, but for the map."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from catalog.catalogue import Reader, State
from catalog.mqa import DIMENSIONS, POINTS, rating
from catalog.portal import charts
from catalog.portal.render import STATIC, page, problem_page
from catalog.portal.snippets import snippets
from catalog.portal.view import SHOWN, DomainView
from catalog.store import rounds, scores
from catalog.store.connect import lent
from catalog.store.scores import Scored

__all__ = ["CARDS", "STATIC", "router"]

router = APIRouter()

CARDS = 24
"""Domains on the front page."""

_CONTACTS = 100
_SAMPLED = 8
_DAYS = 30


@router.get("/", include_in_schema=False)
async def home(request: Request, start: Annotated[int, Query(ge=0, le=100_000)] = 0) -> Response:
    """Domains, verdicts and the live map; many domains in pages."""
    state, now = await _state(request), datetime.now(UTC)
    views = state.views(now, start, CARDS)
    feeds = [f for r in state.records for f in r.harvest.feeds]
    return page(
        request,
        "home.html",
        domains=views,
        governed=state.governed(now),
        total=len(state.records),
        start=start,
        most=CARDS,
        entities=sum(d.count for d in state.ordered),
        datasets=len(state.ordered),
        feeds=len(feeds),
        running=sum(f.status == "running" for f in feeds),
        chosen=_busiest(views),
    )


@router.get("/domains/{name}", include_in_schema=False)
async def domain(
    request: Request,
    name: str,
    dataset: Annotated[str, Query(max_length=300)] = "",
    rows: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """One domain: its evidence, history, quality, datasets, feeds, sample rows and how to use it. Of very many datasets
    it shows those around `dataset`; with `rows=now` it waits until their sample rows have been read."""
    view = (await _state(request)).view(name, datetime.now(UTC))
    if view is None:
        return problem_page(request, 404, "No such domain", f"There is no data domain called {name} here.")
    settings = request.app.state.settings
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    async with lent(request.app.state.pool) as conn:
        found = await rounds.runs(conn, name, since)
        measured = await rounds.quality_history(conn, name, since)
        scored = await scores.history(conn, name, since)
    start = next((i for i, d in enumerate(view.datasets) if d.slug == dataset), 0) // SHOWN * SHOWN
    shown = view.datasets[start : start + SHOWN]
    runs = {g.label: _runs(found[g.gate], g.expires) for g in view.gates if g.gate in found}
    return page(
        request,
        "domain.html",
        d=view,
        strips=charts.strips(runs),
        quality=_quality(measured, view),
        shown=shown,
        scores={d.slug: _score(scored[d.id]) for d in shown if d.id in scored},
        start=start,
        samples=await request.app.state.samples.of(shown[:_SAMPLED], patient=rows == "now"),
        snips=snippets(view, settings.catalog_url, settings.broker_for_others, settings.public_purpose),
        context=f"{settings.catalog_url.rstrip('/')}/context.jsonld",
    )


@router.get("/charter", include_in_schema=False)
async def charter(request: Request) -> Response:
    """The data charter: what the city promises, in plain language."""
    views = (await _state(request)).views(datetime.now(UTC), 0, _CONTACTS)
    return page(request, "charter.html", domains=views)


def _runs(found: list[rounds.Series], expires: datetime) -> list[dict[str, Any]]:
    """What a gate found over time; the newest finding stands until it lapses."""
    runs = [{**s.value, "from": s.first_at, "to": s.last_at} for s in found]
    runs[-1]["to"] = max(runs[-1]["to"], min(datetime.now(UTC), expires))
    return runs


def _quality(measured: dict[tuple[str, str], list[rounds.Series]], view: DomainView) -> list[dict[str, Any]]:
    """Each feed's measurements over time against the target of its dimension."""
    targets = {g.gate: g for g in view.gates}
    goals = {e.gate: e.target for e in view.verdict.gates if e.unit == "share"}
    found = []
    for (feed, dimension), each in measured.items():
        points = [{"value": s.value, "from": s.first_at, "to": s.last_at} for s in each]
        goal = goals.get(dimension)
        target = float(goal) if isinstance(goal, int | float) else None
        found.append(
            {
                "feed": feed,
                "dimension": dimension,
                "target": target,
                "why": targets[dimension].why if dimension in targets else None,
                "points": points,
                "line": charts.line(points, target),
            }
        )
    return found


def _score(each: Sequence[Scored]) -> dict[str, Any]:
    """A dataset's points now, the word for them, what each dimension gave, and how they went."""
    last = each[-1].score
    most = {name: sum(points for of, points in POINTS.values() if of == name) for name in DIMENSIONS}
    return {
        "total": last.total,
        "rating": rating(last.total),
        "dimensions": [(name, last.dimension(name), most[name]) for name in DIMENSIONS],
        "runs": [(s.score.total, s.first_at, s.last_at) for s in each[-12:]],
    }


async def _state(request: Request) -> State:
    reader: Reader = request.app.state.reader
    return await reader.state()


def _busiest(views: list[DomainView]) -> str:
    """The public domain whose feeds delivered last: the one to look at first."""
    never = datetime.min.replace(tzinfo=UTC)
    public = [v for v in views if v.public] or views
    newest = max(public, key=lambda v: max((f.last_record_at or never for f in v.feeds), default=never), default=None)
    return newest.name if newest else ""
