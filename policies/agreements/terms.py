"""Names of an agreement to IRIs, by its own @context.

An agreement's @context names the ODRL context and ours, whose members are this profile's own and read as such, and the
city's context (a path beside the file) or an inline object, which name types and attributes. A context that cannot be
read here is refused, and so is a name that no context defines: a misspelt attribute must never become a new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ontologies.load

__all__ = ["CORE", "ODRL", "TRUST", "ContextError", "Terms", "read_context"]

ODRL = "http://www.w3.org/ns/odrl.jsonld"
TRUST = "https://datapolis.example/ns/trust.jsonld"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")


class ContextError(ValueError):
    """The @context cannot be read, or does not define a name."""


class Terms:
    """A term map in which every name must be defined; the core context's own terms cannot be redefined (5.5.7)."""

    def __init__(self, terms: Mapping[str, str]) -> None:
        self._terms = {**terms, **_core()}

    def expand(self, name: str) -> str:
        """Give the IRI of a name; an absolute IRI stays. Raises ContextError for a name that is not defined."""
        found = self._terms.get(name)
        if found is None:
            if _IRI.fullmatch(name) and not name.startswith("_:"):
                return name
            raise ContextError(f"the name {name!r} is not defined by the @context")
        return found


@cache
def _core() -> dict[str, str]:
    """Give the terms of the NGSI-LD core context."""
    return dict(_definitions(ontologies.load.context(CORE)["@context"]))


def read_context(context: object, folder: Path | None, known: Mapping[str, Path] | None = None) -> Terms:
    """Read an @context; relative references are files in or above `folder` (None: there are none).

    `known` are files that stand for a URL, such as the city's own context as the catalog serves it.
    """
    terms: dict[str, str] = {}
    for part in context if isinstance(context, list) else [context]:
        if part in (ODRL, TRUST):
            continue
        if isinstance(part, str):
            part = _document(known[part], part) if known and part in known else _file(part, folder)
        if not isinstance(part, Mapping):
            raise ContextError("@context must hold URLs and objects")
        terms.update(_definitions(part))
    return Terms(terms)


def _file(reference: str, folder: Path | None) -> Mapping[str, Any]:
    if ":" in reference or folder is None or reference.startswith("/"):
        raise ContextError(f"the @context {reference} cannot be read here; name {ODRL}, {TRUST} or a file beside it")
    path = (folder / reference).resolve()
    if not path.is_relative_to(folder.resolve().parent):
        raise ContextError(f"the @context {reference} lies outside the city folder")
    return _document(path, reference)


def _document(path: Path, reference: str) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContextError(f"the @context {reference} cannot be read: {error}") from error
    inner = document.get("@context") if isinstance(document, dict) else None
    if not isinstance(inner, dict):
        raise ContextError(f"the @context {reference} must be one object under @context")
    return inner


def _definitions(context: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for term, definition in context.items():
        if term.startswith("@"):
            if term in ("@version", "@protected", "@vocab"):  # @vocab would let a misspelt name through
                continue
            raise ContextError(f"{term} in the @context is not supported in agreements")
        target = definition.get("@id") if isinstance(definition, Mapping) else definition
        if not isinstance(target, str):
            raise ContextError(f"the @context must give an IRI for {term!r}")
        prefix, colon, rest = target.partition(":")
        if colon and prefix in context and not rest.startswith("//"):
            base = context[prefix]
            target = (base.get("@id", "") if isinstance(base, Mapping) else base) + rest
        if not target.startswith("@"):
            yield term, target
