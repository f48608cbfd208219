"""The entity type selection language (CIM 009 V1.9.1, 4.17): text to And/Or over TypeIs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.ids import is_name
from broker.core.query import TRUE, Node, TypeIs
from broker.core.selection import selection

__all__ = ["MAX_LENGTH", "parse_type"]

MAX_LENGTH: Final = 4096
_TYPE = re.compile(r"[^\s|,;()]+")


def parse_type(text: str, expand: Callable[[str], str]) -> Node:
    """Parse a whole type selection; `*` selects all.

    SPEC 4.17: a URI that holds `| , ; ( )` cannot be written in this language.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"type has {len(text)} characters; {MAX_LENGTH} are allowed")
    if text == "*":
        return TRUE

    def leaf(at: int) -> tuple[Node, int]:
        found = _TYPE.match(text, at)
        if found is None or not is_name(found.group()):
            raise BadRequestData(f"type: expected an entity type (name or URI) at position {at} of {text!r:.80}")
        return TypeIs(expand(found.group())), found.end()

    return selection(text, "type", leaf)
