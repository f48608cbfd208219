"""The trust's pages for people, in the clothes of the portal that serves them: its stylesheet stands at /static.

They speak the languages of the portal: that of the path (`/trust/es/...`), else the one that the reader prefers.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policies.http import words
from policies.http.negotiate import choose
from policies.http.phrases import PHRASES
from policies.language import LANGUAGES, Book, Language, localised, plain_path, preferred

__all__ = ["BOOK", "LOCALES", "TEMPLATES", "VARY", "language_for", "page", "page_of", "wants_page"]

_JSON, _HTML = "application/json", "text/html"
VARY = {"Vary": "Accept, Accept-Language"}
TEMPLATES: Final = Path(__file__).with_name("templates")
LOCALES: Final = Path(__file__).with_name("locales")
BOOK: Final = Book(LOCALES, PHRASES)


@cache
def _pages(code: str) -> Environment:
    """The templates in one language."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    language = BOOK.language(code)
    install = found.install_gettext_callables  # type: ignore[attr-defined]  # added by the extension
    install(language.gettext, language.ngettext, newstyle=True)
    found.filters |= {
        "say": language.say,
        "number": language.number,
        "named": lambda iri: words.named(iri, language),
        "clock": lambda at: language.moment(datetime.fromisoformat(at), "HH:mm"),
    }
    found.globals |= {
        "text": language.text,
        "named": lambda iri: words.named(iri, language),
        "licence": lambda iri: words.licence(iri, language),
        "listed": lambda names: words.listed(names, language),
        "day": lambda moment: words.day(moment, language),
        "duty_words": lambda kind, value: words.duty_words(kind, value, language),
    }
    return found


def wants_page(request: Request) -> bool:
    """Tell whether a page is asked for rather than JSON; programs that name neither get JSON."""
    return choose(request.headers.get("accept"), [_JSON, _HTML]) == _HTML


def language_for(request: Request) -> Language:
    """The language that the path names, else the one that the reader prefers."""
    return BOOK.language(request.scope.get("language") or preferred(request.headers.get("accept-language")))


def page_of(request: Request, path: str) -> str:
    """The address of one of our pages, in the language that the request's path names."""
    return localised(path, request.scope.get("language"))


def page(request: Request, template: str, parties: dict[str, str], status: int = 200, **given: Any) -> HTMLResponse:
    """Render a page. `parties` are the names by URN, the city's own among them."""
    prefix: str | None = request.scope.get("language")
    language = language_for(request)
    query, inner = request.url.query, plain_path(request.scope["path"], prefix)
    body = (
        _pages(language.code)
        .get_template(template)
        .render(
            city=parties.get("urn:party:city", language.gettext("The city")),
            parties=parties,
            language=language.code,
            languages=LANGUAGES,
            here=inner + (f"?{query}" if query else ""),
            at=lambda path: localised(path, prefix),
            localised=localised,
            **given,
        )
    )
    headers = {**VARY, "Cache-Control": "no-cache", "Content-Language": language.code}
    return HTMLResponse(body, status, headers=headers)
