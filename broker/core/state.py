"""What a write of an entity is about: the stored row, the change, and what it comes to.

`broker.core.patch` says how one follows from the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from broker.core import change as change_event
from broker.core.access import NONE, AttrSet
from broker.core.entity import Doc

__all__ = [
    "SCOPE",
    "AttrPatch",
    "Change",
    "ChangeKind",
    "HistoryRow",
    "Key",
    "Outcome",
    "Result",
    "Row",
    "Shows",
    "Tombstone",
    "moved",
]

SCOPE: Final = "@scope"
"""The name under which `meta` has the scope's key and the history the scope's evolution."""

Key: TypeAlias = tuple[str, str, str]
"""(observed, received, event): canonical times (`times.canonical`), then the envelope's event id or ""."""

ChangeKind: TypeAlias = Literal[
    "create",
    "upsert_replace",
    "upsert_update",
    "ingest_merge",
    "ingest_replace",
    "delete",
    "append",
    "update",
    "merge",
    "replace",
    "partial_update",
    "replace_attribute",
    "delete_attribute",
    "drop",
    "sweep",
]
Shows: TypeAlias = Callable[[str], bool]
"""Says whether an attribute is visible to whoever writes; what is not stays as it is."""

Outcome: TypeAlias = Literal["created", "updated", "deleted", "noop", "conflict", "missing"]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of an entity that is gone."""

    floor: Key
    version: int


@dataclass(slots=True)
class Row:
    """One stored entity. `meta`: {IRI: {datasetId or "": [observed, createdAt, modifiedAt, received, event]}}."""

    id: str
    types: list[str]
    scopes: list[str] | None
    names: list[str]
    segs: list[str]
    vals: dict[str, Any]
    meta: dict[str, dict[str, list[str]]]
    created_at: datetime
    modified_at: datetime
    version: int
    expires_at: datetime | None = None


@dataclass(slots=True)
class Change:
    """A write of one entity.

    Nobody alters one: it is not frozen because a frozen one takes five times as long to make, and a batch makes many.
    `received_at` and `event` are the envelope's; a request's write has neither.

    `delete` with a `received_at` is a feed's, which obeys the apply rule. `doc` is None for `delete`.
    The kinds from `append` on need the entity to be there. `doc` holds the fragment of `append` (5.6.3), `update`
    (5.6.2), `merge` (5.6.17, see `broker.core.fragments`) and `replace` (5.6.18), and one attribute for
    `partial_update` (5.6.4) and `replace_attribute` (5.6.19). `delete_attribute` (5.6.5) removes the instance
    `dataset_id` (None: all of them) of `attr`, which may be `scope`; `drop` (5.6.21) removes the attributes in
    `dropped`; `sweep` removes what has expired (4.22), which every other change does as well.

    `overwrite` False makes `upsert_update` and `append` leave existing attributes alone (noOverwrite). `lang` and
    `observed_at` are what a merge says of all its attributes. `label` shows an IRI as the sender wrote it.
    `scope_at` (canonical): when the document's scope was observed, where that is known by itself.
    """

    kind: ChangeKind
    id: str
    doc: Doc | None = None
    received_at: str | None = None
    event: str = ""
    cause: str = ""
    overwrite: bool = True
    attr: str = ""
    dataset_id: str | None = ""
    dropped: AttrSet = NONE
    lang: str | None = None
    observed_at: str | None = None
    label: Callable[[str], str] = field(default=str, compare=False)
    scope_at: str | None = None


class HistoryRow(NamedTuple):
    """An attribute instance for the history. `attr` "" is the entity itself (kind `deleted` or `replaced`), `SCOPE` its
    scope.

    A tuple, as `AttrPatch` is: a batch makes tens of thousands, and a frozen dataclass takes four times as long.
    """

    entity: str
    attr: str
    dataset_id: str
    observed_at: str
    received_at: str
    event: str
    body: str | None
    kind: Literal["value", "deleted", "replaced"] = "value"


class AttrPatch(NamedTuple):
    """An attribute instance before and after, as JSON texts."""

    name: str
    dataset_id: str
    was: str | None
    now: str | None


@dataclass(slots=True)
class Result:
    """What a change comes to.

    `row`: what to store if not None (a `noop` may have one: order keys moved, nothing that anybody can see did, so the
    version stays and no event is told). With outcome `deleted` the stored row is to go. `tombstone`: to be kept, if not
    None, where no row is. `geo`: EWKB per touched GeoProperty, None where the geometry is to go. `version`: the change
    event's. `history` is to be stored whatever the outcome. `skipped`: attributes that were there and stayed as they
    were, as `overwrite` asks.
    """

    outcome: Outcome
    row: Row | None = None
    version: int = 0
    geo: dict[str, bytes | None] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)
    attrs: list[AttrPatch] = field(default_factory=list)
    tombstone: Tombstone | None = None
    skipped: tuple[str, ...] = ()

    @property
    def op(self) -> change_event.Op | None:
        """The change event's `op`, None where there is no event to tell."""
        return self.outcome if self.outcome in ("created", "updated", "deleted") else None


def moved(before: Row | None, after: Row | None) -> str:
    """Write what became of an entity's types and scopes for its change event; nothing if they stay."""
    if before is not None and after is not None:
        if before.types == after.types and before.scopes == after.scopes:
            return ""
    elif (before is None or before.scopes is None) and (after is None or after.scopes is None):
        return ""
    return change_event.moved(_members(before), _members(after))


def _members(row: Row | None) -> change_event.Members | None:
    if row is None:
        return None
    return change_event.Members(tuple(row.types), None if row.scopes is None else tuple(row.scopes))
