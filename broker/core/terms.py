"""What a query term compares: the reading of 4.9 that the two evaluators share (`match` and `store.compile`).

A path leads to *elements*: attribute instances, or members of them such as observedAt. An element has a *value*: an
instance's value, json, vocab, object, valueList, the objects of its objectList, or languageMap's entries. Members in
brackets lead into it, and `{"@value": x}` counts as x. An element meets a predicate by its value; a path meets it if
any of its elements does, also for `!=`: SPEC 4.9 "the target value shall be any Value of such instances".

- `==`: the value, or if it is an array one of its items, equals the literal, or one of a list's.
- `!=`: there is a value, and `==` does not hold for it.
- Range: the value itself, not an array's items, lies between the ends and has their type. Never for Relationships.
- `> >= < <=` and patterns: the value itself, of the literal's type (a string for patterns). Never for Relationships.
- A languageMap without language is met by any of its entries; `!=` and `!~=` need that no entry is met by the inverse.
- Strings order by code point. Numbers compare as decimals. A date, time or dateTime compares with strings of its form,
  by instant; createdAt and modifiedAt compare with dateTimes only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from broker.core.entity import CORE
from broker.core.query import (
    Boolean,
    DateTimeLiteral,
    ListOf,
    Literal_,
    Number,
    Operand,
    Path,
    Range,
    Text,
    Uri,
)

__all__ = [
    "CREATED_AT",
    "FORMS",
    "MODIFIED_AT",
    "SYSTEM_TIMES",
    "VALUE_MEMBERS",
    "Equals",
    "canonical",
    "comparable",
    "equals",
    "json_of",
    "member_of",
    "system_time",
]

CREATED_AT: Final = CORE + "createdAt"
MODIFIED_AT: Final = CORE + "modifiedAt"
SYSTEM_TIMES: Final = {CREATED_AT: 1, MODIFIED_AT: 2}
"""The system times, and where an entry of `meta` has them."""

VALUE_MEMBERS: Final = ("value", "json", "vocab", "object", "valueList")
"""Members that hold an instance's value; also objectList and languageMap, which need a step more."""

_MEMBERS: Final = {CORE + name: name for name in ("observedAt", "unitCode", "datasetId", "expiresAt")}

_DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,6})?Z"
FORMS: Final = {"dateTime": f"^{_DATE}T{_TIME}$", "date": f"^{_DATE}$", "time": f"^{_TIME}$"}
"""What a string must look like to be a date, time or dateTime; the same text works as PostgreSQL and Python pattern."""

_FORMS: Final = {kind: re.compile(form[1:-1]) for kind, form in FORMS.items()}
_WHOLE: Final = {"dateTime": 19, "date": 10, "time": 8}


@dataclass(frozen=True, slots=True)
class Equals:
    """The literals of an equality: JSON texts of the plain ones, canonical texts of the temporal ones by kind."""

    plain: tuple[str, ...]
    temporal: dict[str, tuple[str, ...]]


def member_of(name: str) -> str | None:
    """Return the short name if the IRI is that of an instance's member that queries may compare."""
    return _MEMBERS.get(name)


def system_time(path: Path) -> bool:
    """Say whether the path ends at createdAt or modifiedAt."""
    return (path.sub[-1] if path.sub else path.attr) in SYSTEM_TIMES


def json_of(literal: Number | Text | Boolean | Uri) -> str:
    """Return the JSON text that equals the literal."""
    return json.dumps(literal.value, ensure_ascii=False, allow_nan=False)


def canonical(kind: str, text: str) -> str | None:
    """Return a text that orders as the instants do, without separators in the fraction; None if not of that form."""
    if _FORMS[kind].fullmatch(text) is None:
        return None
    whole = _WHOLE[kind]
    return text if kind == "date" else f"{text[:whole]}{text[whole:-1].lstrip('.,'):0<6}"


def equals(path: Path, operand: Literal_ | ListOf) -> Equals:
    """Split the literals of `==` or `!=` by how they compare; what cannot equal the path's target is left out."""
    literals: tuple[Literal_, ...] = operand.values if isinstance(operand, ListOf) else (operand,)
    system = system_time(path)
    plain = tuple(json_of(one) for one in literals if not isinstance(one, DateTimeLiteral) and not system)
    temporal: dict[str, tuple[str, ...]] = {}
    for one in literals:
        if isinstance(one, DateTimeLiteral) and (one.kind == "dateTime" or not system):
            found = canonical(one.kind, one.value)
            if found is not None:
                temporal[one.kind] = (*temporal.get(one.kind, ()), found)
    return Equals(plain, temporal)


def comparable(path: Path, operand: Operand) -> bool:
    """Say whether an order comparison of the path's target with the operand can hold at all."""
    ends = (operand.low, operand.high) if isinstance(operand, Range) else (operand,)
    if not all(isinstance(end, Number | Text | DateTimeLiteral) for end in ends):
        return False
    if isinstance(operand, Range) and _type(operand.low) != _type(operand.high):
        return False
    return not system_time(path) or _type(ends[0]) == "dateTime"


def _type(literal: object) -> str:
    return literal.kind if isinstance(literal, DateTimeLiteral) else type(literal).__name__
