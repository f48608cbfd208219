"""Pages out: one template environment per language."""

from __future__ import annotations

import json
import math
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, select_autoescape

from catalog.catalogue import Reader
from catalog.dataset import local_name, words
from catalog.portal import charts
from catalog.portal.language import LANGUAGES, language_of, localised, preferred
from catalog.portal.phrases import GATES
from catalog.wording import duration
from policies.http.pages import TEMPLATES as TRUST_TEMPLATES
from policies.language import plain_path

__all__ = ["STATIC", "TEMPLATES", "arc", "environment", "page", "problem_page", "span"]

STATIC = Path(__file__).with_name("static")
TEMPLATES = Path(__file__).with_name("templates")
EXTENSIONS = ("jinja2.ext.i18n",)


def arc(index: int, of: int) -> str:
    """SVG path of one of `of` stretches of a ring in a box of 44."""
    gap = 0.16 if of > 1 else 0.0
    turn = 2 * math.pi / max(of, 1)
    start, end = index * turn + gap / 2 - math.pi / 2, (index + 1) * turn - gap / 2 - math.pi / 2
    radius, middle = 19.0, 22.0
    x1, y1 = middle + radius * math.cos(start), middle + radius * math.sin(start)
    x2, y2 = middle + radius * math.cos(end), middle + radius * math.sin(end)
    return f"M{x1:.2f} {y1:.2f}A{radius:g} {radius:g} 0 {int(end - start > math.pi)} 1 {x2:.2f} {y2:.2f}"


def span(seconds: float) -> str:
    """A length of time by its two greatest units, so that two that differ a little are seen to: `4 h 36 min`."""
    left = round(seconds)
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0 s"


@cache
def environment(code: str) -> Environment:
    """The templates in one language; `trust/frame.html` is the frame that the trust's pages have as well."""
    shared = PrefixLoader({"trust": FileSystemLoader(TRUST_TEMPLATES)})
    found = Environment(
        loader=ChoiceLoader([FileSystemLoader(TEMPLATES), shared]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=EXTENSIONS,
    )
    language = language_of(code)
    install = found.install_gettext_callables  # type: ignore[attr-defined]  # added by the extension
    install(language.gettext, language.ngettext, newstyle=True)
    found.filters |= {
        "say": language.say,
        "number": language.number,
        "percent": language.percent,
        "moment": language.moment,
        "read": datetime.fromisoformat,
        "span": span,
        "day": lambda at: language.moment(at, "d MMM y"),
        "short": lambda at: language.moment(at, "d MMM, HH:mm"),
        "duration": lambda s: language.say(duration(s)),
        "local_name": local_name,
        "words": words,
        "title_of": lambda name, titles: titles.get(name, name),
        "thing": lambda said: language.messages.get(said.lower(), "").capitalize() or said,
        "compact": lambda value: json.dumps(value, ensure_ascii=False),
    }
    found.globals |= {"arc": arc, "charts": charts, "asks": GATES}
    return found


def page(request: Request, template: str, status: int = 200, **given: Any) -> Response:
    """A page in the language that the path names, else in the one that the reader prefers."""
    reader: Reader = request.app.state.reader
    settings = request.app.state.settings
    prefix: str | None = request.scope.get("language")
    code = prefix or preferred(request.headers.get("accept-language"))
    query = request.url.query
    inner = plain_path(request.scope["path"], prefix)  # what answers when all within has failed sees the whole path
    body = (
        environment(code)
        .get_template(template)
        .render(
            city=reader.city.name,
            language=code,
            city_language=reader.city.languages[0],
            languages=LANGUAGES,
            here=inner + (f"?{query}" if query else ""),
            at=lambda path: localised(path, prefix),
            localised=localised,
            search_address=lambda **asked: localised(f"/search?{urlencode(asked, doseq=True)}", prefix),
            base_url=settings.catalog_url.rstrip("/"),
            broker_url=settings.broker_for_others,
            public_purpose=settings.public_purpose,
            **given,
        )
    )
    headers = {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Language", "Content-Language": code}
    return Response(body, status, headers, "text/html; charset=utf-8")


def problem_page(request: Request, status: int, title: str, detail: str) -> Response:
    """An error for people."""
    return page(request, "problem.html", status, title=title, detail=detail)
