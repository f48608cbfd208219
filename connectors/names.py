"""Names to IRIs by the city's own @context (`context.jsonld`: a plain object of term to IRI)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from connectors.errors import FeedError

__all__ = ["Names", "load_names"]

_CORE = {
    "location": "https://uri.etsi.org/ngsi-ld/location",
    "observationSpace": "https://uri.etsi.org/ngsi-ld/observationSpace",
    "operationSpace": "https://uri.etsi.org/ngsi-ld/operationSpace",
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
}


class Names:
    """Terms of types and attributes; an absolute IRI stands for itself."""

    def __init__(self, terms: Mapping[str, str], city: Path | None = None) -> None:
        self._terms = {**terms, **_CORE}
        self.city = city
        """The city folder that the terms stand in; None where they come from elsewhere."""

    def find(self, term: str) -> str | None:
        """Expand a term; None if the context does not know it."""
        return self._terms.get(term)

    def iri(self, term: str, where: str) -> str:
        """Expand a term; FeedError naming `where` if the context does not know it."""
        found = self._terms.get(term)
        if found is not None:
            return found
        if "://" in term or term.startswith("urn:"):
            return term
        raise FeedError(f"{where}: {term!r} is not in the city's context.jsonld; add the term, or write the full IRI")


def load_names(path: Path) -> Names:
    """Read a context file; terms without an IRI are left out."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))["@context"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FeedError(f"{path}: is no JSON-LD context of the form {{'@context': {{term: IRI}}}}: {error}") from error
    terms: dict[str, str] = {}
    for part in raw if isinstance(raw, list) else [raw]:
        for term, definition in part.items() if isinstance(part, dict) else ():
            target = definition.get("@id") if isinstance(definition, dict) else definition
            if isinstance(target, str) and not term.startswith("@"):
                terms[term] = target
    return Names(terms, path.parent)
