"""The scope query language (CIM 009 V1.9.1, 4.19): text to And/Or over ScopeIs."""

from __future__ import annotations

import re
from typing import Final

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.query import Node, ScopeIs
from broker.core.selection import selection

__all__ = ["MAX_LENGTH", "parse_scope"]

MAX_LENGTH: Final = 4096
_LEVEL = r"(?:\+|[^\W\d_]\w*)"
_SCOPE = re.compile(rf"/?{_LEVEL}(?:/{_LEVEL})*(?:/#)?|/#")


def parse_scope(text: str) -> Node:
    """Parse a whole scope query. SPEC 4.19: a missing first slash is accepted, as EXAMPLE 5 has it, and put in.

    SPEC 4.19: the grammar takes `#` outside groups only; inside them it is accepted and means the same. It has
    conjunctions in parentheses only; they are accepted without (ETSI's own tests write them so).
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"scopeQ has {len(text)} characters; {MAX_LENGTH} are allowed")

    def leaf(at: int) -> tuple[Node, int]:
        found = _SCOPE.match(text, at)
        if found is None:
            raise BadRequestData(
                f"scopeQ: expected a scope such as /Madrid/+/Parks or /Madrid/# at position {at} of {text!r:.80}"
            )
        return ScopeIs("/" + found.group().removeprefix("/")), found.end()

    return selection(text, "scopeQ", leaf, loose=True)
