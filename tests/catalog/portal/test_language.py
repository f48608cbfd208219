"""The portal's languages: no message is missing, computed sentences are found by their pattern, and who gets which."""

from __future__ import annotations

import re

import pytest

from catalog.portal.language import LANGUAGES, language_of, preferred
from catalog.portal.messages import PORTAL, TRUST, Source, missing, said, written
from policies.http.pages import BOOK
from policies.language import localised, plain_path

_PLACE = re.compile(r"%\(\w+\)s")


@pytest.mark.parametrize("source", [PORTAL, TRUST], ids=["portal", "trust"])
@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_no_message_is_missing(code: str, source: Source) -> None:
    assert missing(code, source) == []


@pytest.mark.parametrize(("source", "least"), [(PORTAL, 300), (TRUST, 400)], ids=["portal", "trust"])
@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_the_catalog_is_as_templates_and_code_have_it(code: str, source: Source, least: int) -> None:
    """`python -m catalog messages` has been run, and every translation keeps the places of its message."""
    assert (source.locales / f"{code}.po").read_bytes() == written(code, source)
    language = language_of(code) if source is PORTAL else BOOK.language(code)
    assert len(language.messages) > least
    wrong = [m for m, text in language.messages.items() if set(_PLACE.findall(m)) != set(_PLACE.findall(text))]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/", "/es/"),
        ("/domains/mobility?dataset=x#x", "/es/domains/mobility?dataset=x#x"),
        ("/trust", "/trust/es"),
        ("/trust/terms/mobility", "/trust/es/terms/mobility"),
        ("/trust/usage?from=2026-01-01", "/trust/es/usage?from=2026-01-01"),
        ("/trustees", "/es/trustees"),
    ],
)
def test_an_address_names_its_language_where_its_cookie_is_sent(path: str, address: str) -> None:
    assert localised(path, "es") == address
    assert plain_path(address, "es") == path
    assert localised(path, None) == path


@pytest.mark.parametrize("path", ["/static/portal.css", "/trust/log/checkpoint"])
def test_what_is_no_page_has_one_address(path: str) -> None:
    assert localised(path, "es") == path


def test_messages_are_found_in_templates_and_code() -> None:
    found = {m.id for m in said() if m.id}
    assert {"Data charter", "Every feed is %(adjective)s; the target is %(target)s.", "pass"} <= found
    assert ("%(num)s dataset", "%(num)s datasets") in found


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("All 13 gates pass.", "Se cumplen los 13 criterios."),
        (
            "The newest record came 4 seconds ago; the objective is 30 seconds.",
            "El último registro llegó hace 4 segundos; el objetivo es 30 segundos.",
        ),
        (
            "Every feed is at least 99.5% complete; the target is 95%.",
            "Cada fuente es completa al menos en un 99,5%; el objetivo es 95%.",
        ),
        (
            "No steward is named who looks after this data. No record has arrived yet.",
            "No se nombra a ningún custodio de estos datos. Todavía no ha llegado ningún registro.",
        ),
        ("at most 30 s", "como máximo 30 s"),
        ("public benefit, service provision", "beneficio público, prestación de servicios"),
        (
            "It is kept by rule: current state for 30 days, history for 1825 days and raw records for 7 days.",
            "Se guardan por regla: estado actual durante 30 días, historial durante 1.825 días y registros en bruto "
            "durante 7 días.",
        ),
    ],
)
def test_computed_sentences_are_translated(english: str, spanish: str) -> None:
    assert language_of("es").say(english) == spanish
    assert language_of("en").say(english) == english


def test_what_is_not_known_stays_english_and_is_marked_and_escaped() -> None:
    said_ = language_of("es").say("Something <new>")
    assert said_ == '<span lang="en">Something &lt;new&gt;</span>'


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("fr,en;q=0.5,es;q=0.4", "en"),
        ("fr", "en"),
        ("es;q=0", "en"),
        ("es;q=strange", "en"),
    ],
)
def test_the_language_a_reader_prefers(accept: str | None, code: str) -> None:
    assert preferred(accept) == code


def test_numbers_and_shares_are_written_as_the_language_does() -> None:
    assert (language_of("en").number(12345), language_of("es").number(12345)) == ("12,345", "12.345")
    assert language_of("en").percent(0.995) == "99.5%"
    assert language_of("es").percent(0.995).startswith("99,5")
