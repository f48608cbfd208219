"""Attributes whose time is over are left out of what is read, until they are swept (CIM 009 V1.9.1, 4.22).

An expiry is looked for in the texts as they are: an attribute that has none costs no parsing.
SPEC 4.22: the expiry of a sub-attribute is kept and shown; it goes with the attribute that it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from broker.core import segments, times
from broker.core.entity import Instance, instances
from broker.ops.view import SEPARATOR

__all__ = ["EXPIRES", "alive", "alive_joined"]

EXPIRES: Final = '"expiresAt"'
"""Stands in every text of an attribute that may expire, and in few others."""


def alive(names: Sequence[str], segs: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Leave the instances out whose time is over, and the attributes that have no other."""
    if not any(EXPIRES in seg for seg in segs):
        return names, segs
    now = times.of(datetime.now(UTC))
    kept: list[tuple[str, str]] = []
    for name, seg in zip(names, segs, strict=True):
        if EXPIRES not in seg:
            kept.append((name, seg))
            continue
        found = instances(segments.parse(seg))
        left = [one for one in found if not _over(one, now)]
        if len(left) == len(found):
            kept.append((name, seg))
        elif left:
            kept.append((name, segments.segment(left[0] if len(left) == 1 else left)))
    return [name for name, _ in kept], [seg for _, seg in kept]


def alive_joined(names: str, segs: str) -> tuple[str, str]:
    """Do what `alive` does to a row whose arrays are joined to one text each."""
    if " " not in segs or EXPIRES not in segs:  # what may expire starts with a space (broker.core.segments)
        return names, segs
    kept = alive(names.split(SEPARATOR), segs.split(SEPARATOR))
    return SEPARATOR.join(kept[0]), SEPARATOR.join(kept[1])


def _over(one: Instance, now: str) -> bool:
    at = times.canonical(one.get("expiresAt"))
    return at is not None and at <= now
