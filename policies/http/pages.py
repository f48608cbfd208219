"""The trust's pages for people, in the clothes of the portal that serves them: its stylesheet stands at /static."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policies.http import words

__all__ = ["VARY", "page", "wants_page"]

VARY = {"Vary": "Accept"}
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals |= {
    "text": words.text,
    "named": words.named,
    "listed": words.listed,
    "licence": words.licence,
    "day": words.day,
}


def wants_page(request: Request) -> bool:
    """Tell whether HTML is asked for before JSON; programs that name neither get JSON."""
    accept = request.headers.get("accept", "")
    html = accept.find("text/html")
    json = accept.find("json")
    return html >= 0 and (json < 0 or html < json)


def page(template: str, parties: dict[str, str], status: int = 200, **given: Any) -> HTMLResponse:
    """Render a page. `parties` are the names by URN, the city's own among them."""
    city = parties.get("urn:party:city", "The city")
    body = _PAGES.get_template(template).render(city=city, parties=parties, **given)
    return HTMLResponse(body, status, headers={**VARY, "Cache-Control": "no-cache"})
