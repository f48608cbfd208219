"""What is asked of a broker, at which door and by whom, and the answers that hold nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.oracle.law import Caller

__all__ = ["DENIED", "MISSING", "Request"]

DENIED = ("denied",)
MISSING = ("missing",)


@dataclass(frozen=True)
class Request:
    """What is asked, at one door. `geo` is (attribute, box); `order` names attributes, each with whether it descends.

    `join`: relationships show, in place, what they lead to. `when`: timerel, timeAt and endTimeAt; with `methods`
    aggregates are asked for, of the whole range or of each `period`.
    """

    door: str
    caller: Caller
    name: str = ""
    types: str | None = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    q: tuple[Any, ...] | None = None
    scope: str | None = None
    geo: tuple[str, tuple[int, int, int, int]] | None = None
    attrs: tuple[str, ...] = ()
    pick: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    dataset: str | None = None
    shape: str = "normalized"
    geometry: str | None = None
    limit: int = 100
    offset: int = 0
    selectors: tuple[tuple[str, str | None], ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    join: bool = False
    when: tuple[str, str, str | None] | None = None
    last: int | None = None
    methods: tuple[str, ...] = ()
    period: str | None = None
