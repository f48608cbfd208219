"""Conformance to the city's models: smart data models' terms and values, compiled to plain comparisons.

An attribute that the type's model knows must have a value as the model says: JSON type, enumeration, bounds, form of a
time. What a feed's `quality.ranges` says of an attribute goes before the model's bounds. Attributes and types that no
model knows are a city's own and pass; `notes` says where one looks like a misspelt term.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from connectors.errors import Rejected
from connectors.feed import Attribute, Feed
from connectors.names import Names
from ontologies.smart_models import Model, Term, model

__all__ = ["compile_models", "nearest", "notes"]

Entity = dict[str, Any]
Check = Callable[[Any], None]
_KINDS: dict[str, tuple[type, ...]] = {
    "number": (int, float), "integer": (int,), "string": (str,), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip
_WORDS = re.compile(r"[^a-z0-9]+")


def compile_models(feed: Feed, names: Names) -> Callable[[Entity], None]:
    """Build the check of an entity against the models of the feed's types."""
    if feed.quality.models == "off":
        return lambda entity: None
    plans: dict[str, list[tuple[str, Check]]] = {}
    for at, mapping in enumerate(feed.mapping):
        iri = names.iri(mapping.type, f"{feed.feed}: mapping.{at}.type")
        known = model(iri)
        if known is not None:
            plans.setdefault(iri, []).extend(_attributes(feed, known, mapping.attributes, names))

    def check(entity: Entity) -> None:
        for iri, inner in plans.get(entity["type"][0], ()):
            instance = entity.get(iri)
            if instance is not None and "value" in instance:
                inner(instance["value"])

    return check


def _attributes(feed: Feed, known: Model, attributes: dict[str, Attribute], names: Names) -> list[tuple[str, Check]]:
    found = []
    for name, attribute in attributes.items():
        iri = names.iri(name, f"{feed.feed}: mapping")
        term = known.term(iri)
        if term is None or attribute.type != "Property":
            continue
        check = _value(name, term, attribute.unitCode, ranged=name in feed.quality.ranges)
        if check is not None:
            found.append((iri, check))
    return found


def _value(name: str, term: Term, unit: str | None, *, ranged: bool) -> Check | None:
    kinds = tuple(kind for one in term.json for kind in _KINDS.get(one, ()))
    logical = bool not in kinds
    enum = frozenset(one for one in term.enum if isinstance(one, str | int | float))
    scale = 100 if unit == "P1" and term.maximum == 1 else 1  # percent where the model counts parts of one
    low = None if ranged or term.minimum is None else term.minimum * scale
    high = None if ranged or term.maximum is None else term.maximum * scale
    timed = term.format == "date-time"
    if not kinds and not enum:
        return None

    def check(value: Any) -> None:
        if kinds and (not isinstance(value, kinds) or (logical and isinstance(value, bool))):
            wanted = " or ".join(term.json)
            raise Rejected("model-type", name, f"{term.name} of the model takes {wanted}; {_remedy(term)}", "check")
        if enum:
            for one in value if isinstance(value, list) else (value,):
                if one not in enum:
                    raise Rejected("model-value", name, _instead(one, [str(item) for item in term.enum]), "check")
        elif low is not None and isinstance(value, int | float) and value < low:
            raise Rejected("model-range", name, f"below {low:g}, the model's least; check the sensor or unit", "check")
        elif high is not None and isinstance(value, int | float) and value > high:
            raise Rejected("model-range", name, f"above {high:g}, the model's most; check the sensor or unit", "check")
        elif timed and isinstance(value, str):
            _instant(name, value)

    return check


def _remedy(term: Term) -> str:
    if "number" in term.json or "integer" in term.json:
        return "use number() in the mapping"
    return "use to_string() in the mapping" if "string" in term.json else "map it so"


def _instead(value: Any, known: Sequence[str]) -> str:
    close = nearest(str(value), known)
    if close is not None:
        return f"not a value of the model; did you mean {close!r}? map it with lookup()"
    return f"not a value of the model, which has {', '.join(known[:8])}{', ..' if len(known) > 8 else ''}"


def _instant(name: str, value: str) -> None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise Rejected("model-time", name, "the model takes an ISO 8601 time; use time()", "check") from error
    if found.tzinfo is None:
        raise Rejected("model-time", name, "the time carries no zone; name it, time(x, 'iso', 'Europe/..')", "check")


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Find the known word that someone may have meant; None if none is close."""
    plain = {_WORDS.sub("", one.lower()): one for one in known}
    (close,) = difflib.get_close_matches(_WORDS.sub("", word.lower()), list(plain), 1, 0.75) or (None,)
    return None if close is None else plain[close]


def notes(feed: Feed, names: Names) -> list[str]:
    """Say what of a mapping looks odd beside the models: unknown terms, other kinds, what the model asks for."""
    found: list[str] = []
    for at, mapping in enumerate(feed.mapping):
        known = model(names.iri(mapping.type, f"{feed.feed}: mapping.{at}.type"))
        if known is None:
            continue
        used = set()
        for name, attribute in mapping.attributes.items():
            iri = names.iri(name, f"{feed.feed}: mapping.{at}")
            term = known.term(iri) or known.attributes.get(name)
            if term is None:
                close = nearest(name, list(known.attributes))
                hint = f"; did you mean {close}?" if close is not None else ", a term of the city's own"
                found.append(f"{name}: no term of {known.name}{hint}")
                continue
            used.add(term.name)
            if term.kind != attribute.type:
                found.append(f"{name}: the model has it as {term.kind}, the feed as {attribute.type}")
        lacking = [name for name in known.required if name not in used and not name.startswith("date")]
        if lacking:
            found.append(f"{known.name}: the model asks for {', '.join(lacking)} too")
    return found
