"""Query strings: only known parameters, each at most once, each parsed whole (CIM 009 V1.9.1, 6.4.3.2, 6.3.7)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

from broker.core import times
from broker.core.errors import BadRequestData, InvalidRequest, OperationNotSupported

__all__ = [
    "COMMON",
    "Format",
    "Representation",
    "flag",
    "language",
    "names",
    "observed_at",
    "parse",
    "representation",
    "simplified",
    "whole",
]

Format: TypeAlias = Literal["normalized", "concise", "simplified"]

COMMON = frozenset({"local"})
"""Parameters every operation on entities takes."""

_LATER = frozenset({"entityMap", "entityMapLifetime"})
"""Parameters of the standard that this broker does not have; what they say by default may be said."""

_FORMATS: dict[str, Format] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
_MAX_QUERY = 400_000


@dataclass(frozen=True, slots=True)
class Representation:
    """How entities are to be shown."""

    format: Format = "normalized"
    sys_attrs: bool = False


def parse(query: bytes, known: Collection[str]) -> dict[str, str]:
    """Parse a query string. InvalidRequest for a parameter that the operation does not know, or that stands twice."""
    if len(query) > _MAX_QUERY:
        raise InvalidRequest(f"the query string has {len(query)} bytes; at most {_MAX_QUERY} are taken")
    try:
        pairs = (
            parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
            if query
            else []
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest("the query string is not a list of name=value in percent-encoded UTF-8") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known and name not in COMMON:
            if name in _LATER and value != "false":
                raise OperationNotSupported(f"{name}: this broker does not have this parameter of the standard")
            if name in _LATER:
                continue
            raise InvalidRequest(
                f"{name:.80}: no such parameter here; known are {', '.join(sorted({*known, *COMMON}))}"
            )
        if name in found:
            raise InvalidRequest(f"{name}: stands twice in the query string")
        if "\0" in value:
            raise BadRequestData(f"{name}: holds the character U+0000")
        found[name] = value
    if "local" in found:
        flag(found, "local")
    return found


def flag(given: Mapping[str, str], name: str) -> bool:
    """Read a Boolean parameter, absent: false."""
    value = given.get(name, "false")
    if value not in ("true", "false"):
        raise BadRequestData(f"{name}: expected true or false, found {value!r:.40}")
    return value == "true"


def whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Read a whole number from 0 to `most`."""
    text = given.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadRequestData(f"{name}: expected a whole number from 0, found {text!r:.40}")
    if int(text) > most:
        raise BadRequestData(f"{name}: at most {most}, found {text}")
    return int(text)


def names(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read a comma-separated list; empty items are BadRequestData, an absent parameter gives none."""
    text = given.get(name)
    if text is None:
        return ()
    items = tuple(text.split(","))
    if not all(items):
        raise BadRequestData(f"{name}: an item of the list is empty")
    return items


def representation(given: Mapping[str, str]) -> Representation:
    """Read `format`, which takes precedence, and `options` (6.3.7, 6.3.11). InvalidRequest if wrong (6.3.20)."""
    found: str | None = given.get("format")
    if found is not None and found not in _FORMATS:
        raise InvalidRequest(f"format: expected one of {', '.join(_FORMATS)}, found {found!r:.40}")
    sys_attrs = False
    options: set[Format] = set()
    for option in names(given, "options"):
        if option == "sysAttrs":
            sys_attrs = True
        elif option in _FORMATS:
            options.add(_FORMATS[option])
        else:
            raise InvalidRequest(f"options: expected sysAttrs or one of {', '.join(_FORMATS)}, found {option!r:.40}")
    if found is None and len(options) > 1:
        raise InvalidRequest(f"options: {' and '.join(sorted(options))} contradict each other")
    return Representation(_FORMATS[found] if found is not None else next(iter(options), "normalized"), sys_attrs)


_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


def simplified(given: Mapping[str, str]) -> bool:
    """Say whether the body is in simplified representation; `format` goes before `options` (6.5.3.4)."""
    chosen = (given["format"],) if "format" in given else names(given, "options")
    unknown = next((one for one in chosen if one not in _FORMATS), None)
    if unknown is not None:
        raise BadRequestData(f"format: expected one of {', '.join(_FORMATS)}, found {unknown!r:.40}")
    return any(_FORMATS[one] == "simplified" for one in chosen)


def language(given: Mapping[str, str]) -> str | None:
    """Read the language of the texts in a body (6.5.3.4)."""
    found = given.get("lang")
    if found is not None and _LANGUAGE.fullmatch(found) is None:
        raise BadRequestData(f"lang: {found!r:.40} is no language tag such as en or fr-CH")
    return found


def observed_at(given: Mapping[str, str]) -> str | None:
    """Read when the attributes in a body were observed (6.5.3.4)."""
    found = given.get("observedAt")
    if found is not None:
        times.parse(found, "observedAt")
    return found
