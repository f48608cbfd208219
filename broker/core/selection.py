"""The shape that the type and scope languages share (CIM 009 V1.9.1, 4.17, 4.19): any of leaves or groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.query import And, Node, Or

__all__ = ["MAX_LEAVES", "selection"]

MAX_LEAVES: Final = 200


def selection(text: str, parameter: str, leaf: Callable[[int], tuple[Node, int]], *, loose: bool = False) -> Node:
    """Parse `a|b,(c;d)` whole; `leaf` reads one leaf at a position and returns it with the position after it.

    `loose`: a conjunction needs no parentheses (`a;b|c` is `(a;b)|c`).
    """
    items: list[Node] = []
    at = leaves = 0
    while True:
        grouped = text.startswith("(", at)
        at += grouped
        group: list[Node] = []
        while True:
            node, at = leaf(at)
            group.append(node)
            leaves += 1
            if leaves > MAX_LEAVES:
                raise TooComplexQuery(f"{parameter} has more than {MAX_LEAVES} items")
            if not (grouped or loose) or not text.startswith(";", at):
                break
            at += 1
        if grouped:
            at = _expect(text, parameter, at, ")", "';' or ')'")
        items.append(group[0] if len(group) == 1 else And(tuple(group)))
        if at == len(text):
            return items[0] if len(items) == 1 else Or(tuple(items))
        at = _expect(text, parameter, at, "|,", "'|', ',' or the end")


def _expect(text: str, parameter: str, at: int, chars: str, expected: str) -> int:
    if at >= len(text) or text[at] not in chars:
        found = repr(text[at : at + 20]) if at < len(text) else "the end"
        raise BadRequestData(f"{parameter}: expected {expected} at position {at}, found {found}")
    return at + 1
