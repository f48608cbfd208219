"""Members of JSON documents that requests bring: each check names the member that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from broker.core.errors import BadRequestData

__all__ = ["MOST_NAMES", "Expand", "array", "flag", "json_object", "names", "positive", "text"]

Expand: TypeAlias = Callable[[str], str]
"""Makes an IRI of a name, by the @context of the request."""

MOST_NAMES: Final = 200


def json_object(value: Any, name: str) -> dict[str, Any]:
    """Return a member that has to be a JSON object."""
    if not isinstance(value, dict):
        raise BadRequestData(f"{name}: must be a JSON object")
    return value


def array(value: Any, name: str) -> list[Any]:
    """Return a member that has to be an array, neither empty nor long."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_NAMES:
        raise BadRequestData(f"{name}: must be an array of 1 to {MOST_NAMES} items")
    return value


def text(value: Any, name: str, _: Any = None) -> str:
    """Return a member that has to be a string, not empty."""
    if not isinstance(value, str) or not 1 <= len(value) <= 8192:
        raise BadRequestData(f"{name}: must be a string, not empty")
    return value


def flag(value: Any, name: str, _: Any = None) -> bool:
    """Return a member that has to be true or false."""
    if not isinstance(value, bool):
        raise BadRequestData(f"{name}: must be true or false")
    return value


def names(value: Any, name: str, expand: Expand) -> list[str]:
    """Return names of attributes, expanded, each once."""
    items = [text(one, f"{name}[{at}]") for at, one in enumerate(array(value, name))]
    return list(dict.fromkeys(expand(one) for one in items))


def positive(value: Any, name: str, unit: str, most: float) -> int | float:
    """Return a number greater than 0 and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadRequestData(f"{name}: must be a number of {unit} greater than 0 and at most {most:g}")
    return value
