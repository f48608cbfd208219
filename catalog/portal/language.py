"""The portal's languages: which one a request asks for, and what the pages say in it.

English is the source; other languages are message catalogs (`locales/*.po`, written by `python -m catalog messages`).
Sentences that are computed (reasons of gates) are found by their pattern: `PHRASES` names them with their places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.portal.phrases import PHRASES

__all__ = ["LANGUAGES", "LOCALES", "Language", "LanguagePrefix", "language_of", "preferred"]

LOCALES: Final = Path(__file__).with_name("locales")
LANGUAGES: Final = {"en": "English", "es": "Español"}
_PLACE = re.compile(r"%\((\w+)\)s")
_SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its messages, and how it writes numbers and dates."""

    code: str
    locale: Locale
    messages: Mapping[str, str]
    plurals: Mapping[tuple[str, str], tuple[str, ...]]

    def gettext(self, text: str) -> str:
        """A message; the source where there is none."""
        return self.messages.get(text, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """A message with a number."""
        forms = self.plurals.get((one, many), (one, many))
        return forms[0] if n == 1 else forms[-1]

    def say(self, text: str) -> str:
        """A computed sentence in this language; what is not known stays English and is marked as such."""
        found = self.plain(text)
        return (
            text if self.code == "en" else Markup('<span lang="en">{}</span>').format(text) if found is None else found
        )

    def plain(self, text: str) -> str | None:
        """A computed sentence in this language, or None where it is not known."""
        if self.code == "en" or not text:
            return text
        if text in self.messages:
            return self.messages[text]
        for pattern, phrase in _patterns():
            if (match := pattern.fullmatch(text)) and phrase in self.messages:
                places = {name: self.plain(part) or part for name, part in match.groupdict().items()}
                return self.messages[phrase] % places
        parts = _SENTENCES.split(text)
        said = [self.plain(part) for part in parts] if len(parts) > 1 else [None]
        return " ".join(part for part in said if part) if all(said) else None

    def number(self, value: float) -> str:
        """A number with its groups."""
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: float) -> str:
        """A share to one decimal."""
        return str(format_percent(share, "#,##0.#%", locale=self.locale))

    def moment(self, at: datetime | None, form: str = "d MMM y, HH:mm:ss") -> str:
        """A moment as people write it."""
        return str(format_datetime(at, form, locale=self.locale)) if at else ""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The phrases with places, the ones with most fixed text first, so that a general one never hides another."""
    known = sorted((p for p in PHRASES if "%(" in p), key=lambda p: -len(_PLACE.sub("", p)))
    return tuple((re.compile(_regex(p)), p) for p in known)


def _regex(phrase: str) -> str:
    seen: set[str] = set()
    parts = []
    for i, part in enumerate(_PLACE.split(phrase)):
        if i % 2 == 0:
            parts.append(re.escape(part.replace("%%", "%")))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.+?)")
            seen.add(part)
    return "".join(parts)


@cache
def language_of(code: str) -> Language:
    """A language with its messages."""
    messages: dict[str, str] = {}
    plurals: dict[tuple[str, str], tuple[str, ...]] = {}
    path = LOCALES / f"{code}.po"
    if path.is_file():
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if isinstance(message.id, tuple) and isinstance(message.string, tuple):
                    if all(message.string):
                        plurals[(message.id[0], message.id[1])] = message.string
                elif message.id and message.string:
                    messages[str(message.id)] = str(message.string)
    return Language(code, Locale.parse(code), messages, plurals)


def preferred(accept: str | None, offered: Sequence[str] = tuple(LANGUAGES)) -> str:
    """The offered language that a reader likes best (RFC 9110, 12.5.4); the first where none is named."""
    best, best_q = offered[0], 0.0
    for part in (accept or "").split(","):
        tag, *params = (p.strip().lower() for p in part.split(";"))
        q = next((_q(p[2:]) for p in params if p.startswith("q=")), 1.0)
        code = tag.partition("-")[0]
        if code in offered and q > best_q:
            best, best_q = code, q
    return best


def _q(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


class LanguagePrefix:
    """Takes `/es` or `/en` off the path and remembers it: each page stands at its plain path and under every one."""

    def __init__(self, app: ASGIApp, languages: Iterable[str] = tuple(LANGUAGES)) -> None:
        self._app, self._languages = app, frozenset(languages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            first, slash, rest = scope["path"].lstrip("/").partition("/")
            if first in self._languages and not rest.startswith(("trust", "static")):
                path = f"/{rest}" if slash else "/"
                scope["language"] = first  # also for what answers when all within has failed
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)
