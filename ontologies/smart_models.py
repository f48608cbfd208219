"""The smart data models that the platform knows: types, their attributes, and what values these take.

`models/<Type>.json` are extracts of the published JSON schemas (README.md): names, IRIs, kinds, JSON types, bounds,
enumerations, units. `model(iri)` finds a type, `named()` gives all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

__all__ = ["Model", "Term", "model", "named"]

_FOLDER: Final = Path(__file__).resolve().parent / "models"


@dataclass(frozen=True, slots=True)
class Term:
    """An attribute of a model. `json` are JSON schema's names of types; empty where any value will do."""

    name: str
    iri: str
    kind: str
    json: tuple[str, ...]
    enum: tuple[Any, ...]
    minimum: float | None
    maximum: float | None
    format: str | None
    units: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Model:
    """A type, its attributes by name, and the names it asks for."""

    name: str
    iri: str
    subject: str
    description: str
    required: tuple[str, ...]
    attributes: Mapping[str, Term]

    def term(self, iri: str) -> Term | None:
        """Find an attribute by its IRI."""
        return next((one for one in self.attributes.values() if one.iri == iri), None)


@cache
def named() -> Mapping[str, Model]:
    """Read all models, by name."""
    return MappingProxyType({path.stem: _read(path) for path in sorted(_FOLDER.glob("*.json"))})


def model(iri: str) -> Model | None:
    """Find the model of a type; None for a type that is a city's own."""
    return next((one for one in named().values() if one.iri == iri), None)


def _read(path: Path) -> Model:
    raw = json.loads(path.read_text(encoding="utf-8"))
    terms = {
        name: Term(
            name=name,
            iri=about["iri"],
            kind=about["kind"],
            json=tuple(about.get("json", ())),
            enum=tuple(about.get("enum", ())),
            minimum=about.get("minimum", about.get("exclusiveMinimum")),
            maximum=about.get("maximum"),
            format=about.get("format"),
            units=about.get("units"),
            description=about.get("description", ""),
        )
        for name, about in raw["attributes"].items()
    }
    return Model(
        raw["name"], raw["iri"], raw["subject"], raw["description"], tuple(raw["required"]), MappingProxyType(terms)
    )
