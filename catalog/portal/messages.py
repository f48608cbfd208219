"""The message catalogs: what templates and code say, `locales/*.po` kept up to date without losing a translation."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from catalog.portal.language import LANGUAGES
from catalog.portal.language import LOCALES as PORTAL_LOCALES
from catalog.portal.render import TEMPLATES as PORTAL_TEMPLATES
from policies.http.pages import LOCALES as TRUST_LOCALES
from policies.http.pages import TEMPLATES as TRUST_TEMPLATES

__all__ = ["PORTAL", "TRUST", "Source", "missing", "said", "update", "written"]

_KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "say": None}


@dataclass(frozen=True, slots=True)
class Source:
    """Where messages stand: templates and modules of one folder; and their catalogs."""

    name: str
    templates: Path
    modules: tuple[str, ...]
    locales: Path


PORTAL = Source("Datapolis portal", PORTAL_TEMPLATES, ("phrases.py", "snippets.py"), PORTAL_LOCALES)
TRUST = Source(
    "Datapolis trust", TRUST_TEMPLATES, ("agreement_page.py", "pages.py", "phrases.py", "words.py"), TRUST_LOCALES
)


def said(source: Source = PORTAL) -> Catalog:
    """Every message of templates and code, in the source language."""
    catalog = Catalog(project=source.name, charset="utf-8", header_comment=f"# Messages of the {source.name}.")
    for path in sorted(source.templates.glob("*.html")):
        _add(catalog, source, path, "jinja2.ext:babel_extract")
    for name in source.modules:
        _add(catalog, source, source.templates.parent / name, "python")
    return catalog


def _add(catalog: Catalog, source: Source, path: Path, method: str) -> None:
    options = {"newstyle_gettext": "true", "trimmed": "true"}
    for _, message, comments, _ in extract_from_file(method, path, _KEYWORDS, options=options):
        where = path.relative_to(source.templates.parent).as_posix()
        catalog.add(message, locations=[(where, 0)], auto_comments=comments)


def written(code: str, source: Source = PORTAL) -> bytes:
    """The catalog of a language as it should be: what is said now, with the translations that there are."""
    path = source.locales / f"{code}.po"
    if path.is_file():
        with path.open("rb") as file:
            found = read_po(file, locale=code)
    else:
        found = Catalog(locale=code, project=source.name, charset="utf-8")
    found.update(said(source), no_fuzzy_matching=True, update_creation_date=False)
    found.obsolete.clear()
    kept_by = f"# Messages of the {source.name.removeprefix('Datapolis ')}; kept by `python -m catalog messages`."
    found.header_comment, found.fuzzy = kept_by, False
    out = BytesIO()
    write_po(out, found, width=120, sort_output=True, omit_header=False, include_lineno=False)
    lines = [line for line in out.getvalue().splitlines(keepends=True) if not line.startswith(_UNSTABLE)]
    return b"".join(lines)


_UNSTABLE = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By', b'"Last-Translator', b'"Report-Msgid')


def missing(code: str, source: Source = PORTAL) -> list[str]:
    """The messages that a language lacks; the source language lacks none."""
    if code == next(iter(LANGUAGES)):
        return []
    with (source.locales / f"{code}.po").open("rb") as file:
        known = read_po(file, locale=code)
    lacking = []
    for message in said(source):
        if not message.id:
            continue
        other = known.get(message.id)
        strings = other.string if other else ""
        forms = strings if isinstance(strings, tuple | list) else (strings,)
        if other is None or other.fuzzy or not all(forms):
            lacking.append(str(message.id))
    return lacking


def update() -> list[tuple[str, str]]:
    """Write every language's catalogs anew; what still lacks a translation, by language."""
    lacking = []
    for source in (PORTAL, TRUST):
        source.locales.mkdir(exist_ok=True)
        for code in list(LANGUAGES)[1:]:
            (source.locales / f"{code}.po").write_bytes(written(code, source))
            lacking += [(code, text) for text in missing(code, source)]
    return lacking
