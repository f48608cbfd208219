"""The public portal: server-rendered pages that work without JavaScript, but for the map."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from catalog.catalogue import Reader, State
from catalog.portal.view import DomainView

__all__ = ["STATIC", "arc", "problem_page", "router"]

STATIC = Path(__file__).with_name("static")

router = APIRouter()

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def arc(index: int, of: int) -> str:
    """SVG path of one of `of` stretches of a ring in a box of 44."""
    gap = 0.16 if of > 1 else 0.0
    turn = 2 * math.pi / max(of, 1)
    start, end = index * turn + gap / 2 - math.pi / 2, (index + 1) * turn - gap / 2 - math.pi / 2
    radius, middle = 19.0, 22.0
    x1, y1 = middle + radius * math.cos(start), middle + radius * math.sin(start)
    x2, y2 = middle + radius * math.cos(end), middle + radius * math.sin(end)
    return f"M{x1:.2f} {y1:.2f}A{radius:g} {radius:g} 0 {int(end - start > math.pi)} 1 {x2:.2f} {y2:.2f}"


_templates.globals["arc"] = arc


def _page(request: Request, template: str, status: int = 200, **given: Any) -> Response:
    reader: Reader = request.app.state.reader
    settings = request.app.state.settings
    body = _templates.get_template(template).render(
        city=reader.city.name,
        language=reader.city.languages[0],
        base_url=settings.catalog_url.rstrip("/"),
        broker_url=settings.broker_for_others,
        public_purpose=settings.public_purpose,
        **given,
    )
    headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
    return Response(body, status, headers, "text/html; charset=utf-8")


@router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    """Domains, verdicts and the live map."""
    views = (await _state(request)).views(datetime.now(UTC))
    feeds = [f for v in views for f in v.feeds]
    public = [d for v in views for d in v.datasets if d.public and d.count]
    return _page(
        request,
        "home.html",
        domains=views,
        datasets=sum(len(v.datasets) for v in views),
        feeds=len(feeds),
        running=sum(f.status == "running" for f in feeds),
        chosen=_busiest(views),
        example=public[0].type if public else None,
    )


@router.get("/domains/{name}", include_in_schema=False)
async def domain(request: Request, name: str) -> Response:
    """One domain: its evidence, history, datasets and feeds."""
    for view in (await _state(request)).views(datetime.now(UTC)):
        if view.name == name:
            return _page(request, "domain.html", d=view)
    return problem_page(request, 404, "No such domain", f"There is no data domain called {name} here.")


def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    """An error for people."""
    return _page(request, "problem.html", status, title=title, detail=detail)


async def _state(request: Request) -> State:
    reader: Reader = request.app.state.reader
    return await reader.state()


def _busiest(views: list[DomainView]) -> str:
    """The public domain whose feeds delivered last: the one to look at first."""
    never = datetime.min.replace(tzinfo=UTC)
    public = [v for v in views if v.public] or views
    newest = max(public, key=lambda v: max((f.last_record_at or never for f in v.feeds), default=never), default=None)
    return newest.name if newest else ""
