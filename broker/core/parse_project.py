"""The attribute projection language of `pick` and `omit` (CIM 009 V1.9.1, 4.21)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.ids import is_name
from broker.core.project import EVERYTHING, Projection

__all__ = ["depth", "parse_projection", "projected"]

Tree: TypeAlias = Mapping[str, "Tree | None"]
"""Names and, where braces follow, what is projected of the entities that the Relationship leads to."""

_MEMBERS: Final = frozenset({"id", "type", "scope"})
_NAME: Final = re.compile(r"[^,|{}]*")
_MAX_LENGTH: Final = 20_000
_MAX_NESTING: Final = 20


def parse_projection(text: str, parameter: str, expand: Callable[[str], str]) -> Tree:
    """Parse a whole projection: `id,name|observation{temperature}`. BadRequestData if wrong."""
    if len(text) > _MAX_LENGTH:
        raise TooComplexQuery(f"{parameter}: longer than {_MAX_LENGTH} characters")
    found, at = _terms(text, 0, parameter, expand, 0)
    if at < len(text):
        raise BadRequestData(f"{parameter}: expected ',', '|' or the end at position {at}, found {text[at]!r}")
    return found


def _terms(text: str, at: int, parameter: str, expand: Callable[[str], str], level: int) -> tuple[Tree, int]:
    if level > _MAX_NESTING:
        raise BadRequestData(f"{parameter}: nested deeper than {_MAX_NESTING} at position {at}")
    found: dict[str, Tree | None] = {}
    while True:
        match = _NAME.match(text, at)
        name = match.group() if match is not None else ""
        if name not in _MEMBERS and not is_name(name):
            raise BadRequestData(f"{parameter}: expected the name of a member at position {at}, found {name!r:.80}")
        at += len(name)
        key = name if name in _MEMBERS else expand(name)
        inner: Tree | None = None
        if text.startswith("{", at):
            if name in _MEMBERS:
                raise BadRequestData(f"{parameter}: {name} leads to no entity (position {at})")
            inner, at = _terms(text, at + 1, parameter, expand, level + 1)
            if not text.startswith("}", at):
                raise BadRequestData(f"{parameter}: expected '}}', ',' or '|' at position {at}")
            at += 1
        if key not in found or inner is not None:
            found[key] = inner
        if at == len(text) or text[at] not in ",|":
            return found, at
        at += 1


def depth(tree: Tree | None) -> int:
    """Return over how many links a projection reaches."""
    return max((0 if inner is None else 1 + depth(inner) for inner in (tree or {}).values()), default=0)


def projected(pick: Tree | None, omit: Tree | None) -> Projection:
    """Build the projection of both. BadRequestData if a member stands in both.

    What `omit` says in braces is omitted from the linked entity; the Relationship itself stays.
    """
    if pick is None and omit is None:
        return EVERYTHING
    left_out = frozenset(name for name, inner in (omit or {}).items() if inner is None)
    both = next((name for name in left_out if name in (pick or {})), None)
    if both is not None:
        raise BadRequestData(f"omit: {both} stands in pick as well")
    inner = [
        (name, projected((pick or {}).get(name), (omit or {}).get(name)))
        for name in dict.fromkeys([*(pick or {}), *(omit or {})])
    ]
    linked = tuple((name, one) for name, one in inner if one is not EVERYTHING)
    return Projection(None if pick is None else frozenset(pick), left_out, linked=linked)
