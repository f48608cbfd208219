"""The portal's languages and its book of messages; how languages work is told in `policies.language`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from catalog.portal.phrases import PHRASES
from policies.http.pages import BOOK as TRUST
from policies.language import LANGUAGES, Book, Language, LanguagePrefix, localised, preferred

__all__ = ["BOOK", "LANGUAGES", "LOCALES", "Language", "LanguagePrefix", "language_of", "localised", "preferred"]

LOCALES: Final = Path(__file__).with_name("locales")
BOOK: Final = Book(LOCALES, PHRASES)


@cache
def language_of(code: str) -> Language:
    """A language with the portal's messages, and with what only the trust says: the frame of pages, purposes' names."""
    own = BOOK.language(code)
    return replace(own, messages={**TRUST.language(code).messages, **own.messages})
