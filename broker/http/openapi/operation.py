"""What the document says of one operation: where it is, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Operation"]

Method = Literal["get", "post", "put", "patch", "delete"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `answers`: the component of each good status's body, None: no body; `[X]`: an array of them.

    `geo`: the component of the same answer as GeoJSON. `context`: whether a @context is taken from the Link header.
    """

    method: Method
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, str | None]
    query: Collection[str] = ()
    body: str | None = None
    geo: str | None = None
    media: Collection[str] = ("application/json", "application/ld+json")
    problems: Collection[int] = ()
    headers: Collection[str] = field(default=())
