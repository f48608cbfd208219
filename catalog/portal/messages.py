"""The message catalogs: what templates and code say, `locales/*.po` kept up to date without losing a translation."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from catalog.portal.language import LANGUAGES, LOCALES
from catalog.portal.render import TEMPLATES

__all__ = ["missing", "said", "update", "written"]

_PACKAGE = Path(__file__).parent
_KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}


def said() -> Catalog:
    """Every message of templates and code, in the source language."""
    catalog = Catalog(project="Datapolis portal", charset="utf-8", header_comment="# Messages of the portal.")
    for path in sorted(TEMPLATES.glob("*.html")):
        _add(catalog, path, "jinja2.ext:babel_extract")
    for name in ("phrases.py", "snippets.py"):
        _add(catalog, _PACKAGE / name, "python")
    return catalog


def _add(catalog: Catalog, path: Path, method: str) -> None:
    options = {"newstyle_gettext": "true", "trimmed": "true"}
    for _, message, comments, _ in extract_from_file(method, path, _KEYWORDS, options=options):
        catalog.add(message, locations=[(path.relative_to(_PACKAGE).as_posix(), 0)], auto_comments=comments)


def written(code: str) -> bytes:
    """The catalog of a language as it should be: what is said now, with the translations that there are."""
    path = LOCALES / f"{code}.po"
    if path.is_file():
        with path.open("rb") as file:
            found = read_po(file, locale=code)
    else:
        found = Catalog(locale=code, project="Datapolis portal", charset="utf-8")
    found.update(said(), no_fuzzy_matching=True, update_creation_date=False)
    found.obsolete.clear()
    found.header_comment, found.fuzzy = "# Messages of the portal; kept by `python -m catalog messages`.", False
    out = BytesIO()
    write_po(out, found, width=120, sort_output=True, omit_header=False, include_lineno=False)
    lines = [line for line in out.getvalue().splitlines(keepends=True) if not line.startswith(_UNSTABLE)]
    return b"".join(lines)


_UNSTABLE = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By', b'"Last-Translator', b'"Report-Msgid')


def missing(code: str) -> list[str]:
    """The messages that a language lacks; the source language lacks none."""
    if code == next(iter(LANGUAGES)):
        return []
    with (LOCALES / f"{code}.po").open("rb") as file:
        known = read_po(file, locale=code)
    lacking = []
    for message in said():
        if not message.id:
            continue
        other = known.get(message.id)
        strings = other.string if other else ""
        forms = strings if isinstance(strings, tuple | list) else (strings,)
        if other is None or other.fuzzy or not all(forms):
            lacking.append(str(message.id))
    return lacking


def update() -> list[tuple[str, str]]:
    """Write every language's catalog anew; what still lacks a translation, by language."""
    lacking = []
    for code in list(LANGUAGES)[1:]:
        (LOCALES / f"{code}.po").write_bytes(written(code))
        lacking += [(code, text) for text in missing(code)]
    return lacking
