"""Languages of pages: which one a request asks for, and what a package's pages say in it.

English is the source; other languages are message catalogs (`locales/*.po`, kept by `python -m catalog messages`).
Sentences that are computed are found by their pattern: a package's `Book` names them with their places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

__all__ = ["LANGUAGES", "N_", "Book", "Language", "LanguagePrefix", "localised", "plain_path", "preferred"]

LANGUAGES: Final = {"en": "English", "es": "Español"}
_PLACE = re.compile(r"%\((\w+)\)s")
_LIST = re.compile(", | and ")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)%?")
_SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")


def N_(text: str) -> str:
    """Mark a text as a message."""
    return text


@dataclass(frozen=True, slots=True)
class Book:
    """What a package says: the folder of its message catalogs, and the sentences that it computes."""

    locales: Path
    phrases: tuple[str, ...] = ()

    def language(self, code: str) -> Language:
        """One language of it, read once."""
        return _read(self, code)


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its messages, and how it writes numbers and dates."""

    code: str
    locale: Locale
    messages: Mapping[str, str]
    plurals: Mapping[tuple[str, str], tuple[str, ...]]
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

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
        for pattern, phrase in self.patterns:
            if (match := pattern.fullmatch(text)) and phrase in self.messages:
                places = {name: self._place(part) for name, part in match.groupdict().items()}
                return self.messages[phrase] % places
        parts = _SENTENCES.split(text)
        said = [self.plain(part) for part in parts] if len(parts) > 1 else [None]
        return " ".join(part for part in said if part) if all(said) else self._listed(text)

    def _listed(self, text: str) -> str | None:
        """The members of a list (`a, b and c`) in this language, or None where they are not known."""
        each = _LIST.split(text)
        said = [self.plain(part) for part in each] if len(each) > 1 else [None]
        known = [part for part in said if part]
        if len(known) < len(each):
            return None
        last = self.gettext(" and ") if " and " in text else ", "
        return last.join([", ".join(known[:-1]), known[-1]])

    def _place(self, text: str) -> str:
        """What stands in a place of a sentence: a number as this language writes it, a phrase, or the text as it is."""
        if match := _NUMBER.fullmatch(text):
            number = self.number(float(match[1]))
            return f"{number}%" if text.endswith("%") else number
        return self.plain(text) or text

    def text(self, texts: Mapping[str, str] | None) -> str:
        """Of a text in several languages the one of this language, else the first."""
        found = texts or {}
        return found.get(self.code) or next(iter(found.values()), "")

    def number(self, value: float) -> str:
        """A number with its groups."""
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: float) -> str:
        """A share to one decimal."""
        return str(format_percent(share, "#,##0.#%", locale=self.locale))

    def moment(self, at: datetime | None, form: str = "d MMM y, HH:mm:ss") -> str:
        """A moment as people write it."""
        return str(format_datetime(at, form, locale=self.locale)) if at else ""


def _patterns(phrases: Sequence[str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The phrases with places, the ones with most fixed text first, so that a general one never hides another."""
    known = sorted((p for p in phrases if "%(" in p), key=lambda p: -len(_PLACE.sub("", p)))
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
def _read(book: Book, code: str) -> Language:
    messages: dict[str, str] = {}
    plurals: dict[tuple[str, str], tuple[str, ...]] = {}
    path = book.locales / f"{code}.po"
    if path.is_file():
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if isinstance(message.id, tuple) and isinstance(message.string, tuple):
                    if all(message.string):
                        plurals[(message.id[0], message.id[1])] = message.string
                elif message.id and message.string:
                    messages[str(message.id)] = str(message.string)
    return Language(code, Locale.parse(code), messages, plurals, _patterns(book.phrases))


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


def localised(path: str, code: str | None) -> str:
    """The address of a page in the language that a path has named: `/es/...`, and `/trust/es/...`, where the sign-in's
    cookie is sent. What is no page has one address."""
    if not code or path.startswith(("/static/", "/trust/log/")):
        return path
    if path == "/trust" or path.startswith("/trust/"):
        return f"/trust/{code}{path.removeprefix('/trust')}"
    return f"/{code}{path}"


def plain_path(path: str, code: str | None) -> str:
    """The path without the language that it names."""
    for base in ("/trust", ""):
        head = f"{base}/{code}"
        if code and (path == head or path.startswith(f"{head}/")):
            return base + path.removeprefix(head) or "/"
    return path


class LanguagePrefix:
    """Takes `/es` or `/en` off the path, or out of `/trust/es/...`, and remembers it: each page stands at its plain
    path and under every language."""

    def __init__(self, app: Any, languages: Iterable[str] = tuple(LANGUAGES)) -> None:
        self._app, self._languages = app, frozenset(languages)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            first, slash, rest = scope["path"].lstrip("/").partition("/")
            base = ""
            if first == "trust":
                base = "/trust"
                first, slash, rest = rest.partition("/")
            if first in self._languages and not rest.startswith(("trust", "static")):
                path = f"{base}/{rest}" if slash else base or "/"
                scope["language"] = first  # also for what answers when all within has failed
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)
