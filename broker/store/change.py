"""What the write engine is asked to do, and what came of it: rows, not exceptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from broker.core.errors import NgsiLdError

__all__ = ["Change", "Doc", "Guard", "Kind", "Outcome", "Result"]

Doc: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["create", "upsert_replace", "upsert_update", "ingest_merge", "ingest_replace", "delete"]
Result: TypeAlias = Literal["created", "updated", "unchanged", "deleted", "error"]
Guard: TypeAlias = Callable[[Doc | None, Doc | None], NgsiLdError | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one entity.

    `doc` is the internal entity (expanded names, normalized); None for delete. The ingest kinds carry `received_at` and
    `event` of the envelope, which order them; for HTTP writes both are None and the engine uses its own instant.
    `guard`, if given, sees the whole entity before and after (None where it does not exist) and may refuse the change:
    it runs under the row's lock. `cause` goes into the change event: `ingest:<feed>` or `http:<audit id>`.
    """

    kind: Kind
    entity: str
    doc: Doc | None = None
    cause: str = ""
    received_at: datetime | None = None
    event: str | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change, in the order given.

    `unchanged` is a replay or late data: nothing new entered current state (history may have). `version` is the
    entity's version afterwards, None where it does not exist.
    """

    entity: str
    result: Result
    version: int | None = None
    error: NgsiLdError | None = None
