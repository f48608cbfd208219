"""How a write changes an entity: pure functions from a stored row and a change to the new row, history and event.

Every attribute instance carries an order key `(observed, received, event)` in the row's `meta`. Writes from requests
take effect in the order they are applied. Writes from feeds obey the apply rule, which makes the outcome a function of
the *set* of envelopes, whatever their order or number:

- each instance enters history on (attribute, datasetId, observed_at), the higher (received_at, event) wins;
- it enters the current state unless its key is below the one stored there;
- `replace` and `delete` set the row's floor, the key (received, received, event): what is below goes, and stays gone
  when it comes late. What a `replace` brings takes that key itself: it says how the whole entity stood at receipt;
- a type is kept while an envelope that named it is not below the floor; scope and expiry follow the highest key.

An entity that is gone leaves its floor and version behind as a tombstone, which the store keeps and hands in again:
the floor so that late data does not bring it back, the version so that no two changes have the same event id.

Types, scope, expiry and floor keep their keys in `meta` under `@type`, `@scope`, `@expiry` and `@floor`.
Only touched attributes are serialised again; the others stay the texts they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from broker.core import fresh, segments
from broker.core.draft import Draft
from broker.core.entity import ENTITY_MEMBERS, dataset_of, instances
from broker.core.state import AttrPatch, Change, ChangeKind, HistoryRow, Key, Outcome, Result, Row, Tombstone
from broker.core.validate import is_null

__all__ = [
    "AttrPatch",
    "Change",
    "ChangeKind",
    "HistoryRow",
    "Key",
    "Outcome",
    "Result",
    "Row",
    "Tombstone",
    "apply",
    "distinct",
]


def apply(row: Row | None, change: Change, now: datetime, tombstone: Tombstone | None = None) -> Result:
    """Apply one change to what is stored. `row` and the document are not altered."""
    if change.kind == "create" and row is not None:
        return Result("conflict")
    if change.kind == "delete" and row is None and change.received_at is None:
        return Result("missing")
    if row is None and tombstone is None:
        made = fresh.create(change, now)
        if made is not None:
            return made
    draft = Draft(row, change, now, tombstone)
    if change.received_at is not None:
        _ingest(draft, change)
    elif change.kind == "delete":
        draft.history.append(draft.mark("deleted"))
        draft.raise_floor(draft.request_key, everything=True)
    else:
        _write(draft, change)
    return draft.result()


def distinct(rows: Iterable[HistoryRow]) -> list[HistoryRow]:
    """Keep one row per history key, the one with the highest (received_at, event): one statement cannot hold two."""
    found: dict[tuple[str, str, str, str], HistoryRow] = {}
    for one in rows:
        key = (one.entity, one.attr, one.dataset_id, one.observed_at)
        other = found.get(key)
        if other is None or (other.received_at, other.event) <= (one.received_at, one.event):
            found[key] = one
    return list(found.values())


def _write(draft: Draft, change: Change) -> None:
    """Apply a request's write: it takes effect whatever is stored."""
    doc = change.doc or {}
    key = draft.request_key
    if change.kind == "upsert_replace" and draft.row is not None:
        draft.drop_absent(doc)
    draft.take_types(doc.get("type", ()), key, replacing=change.kind == "upsert_replace")
    if "scope" in doc:
        draft.record_scope(doc["scope"], key)
        draft.take_scope(doc["scope"], key)
    if "expiresAt" in doc:
        draft.take_expiry(doc["expiresAt"], key)
    for name, value in doc.items():
        if name in ENTITY_MEMBERS:
            continue
        for one in instances(value):
            dataset_id = dataset_of(one)
            if is_null(one):
                draft.remove(name, dataset_id)
            elif change.overwrite or dataset_id not in draft.meta.get(name, ()):
                key, text = draft.key_of(one), segments.segment(one)
                draft.record(name, dataset_id, key, text)
                draft.put(name, dataset_id, one, key, text)


def _ingest(draft: Draft, change: Change) -> None:
    """Apply a feed's write by the apply rule."""
    whole = draft.request_key
    replacing = change.kind == "ingest_replace"
    if replacing or change.kind == "delete":
        draft.history.append(draft.mark("replaced" if replacing else "deleted"))
        draft.raise_floor(whole)
    doc = change.doc or {}
    type_key = whole
    for name, value in doc.items():
        if name in ENTITY_MEMBERS:
            continue
        for one in instances(value):
            dataset_id = dataset_of(one)
            key, text = draft.key_of(one), segments.segment(one)
            draft.record(name, dataset_id, key, text)
            if replacing:
                key = max(key, whole)
            type_key = max(type_key, key)
            if draft.admits(name, dataset_id, key):
                draft.put(name, dataset_id, one, key, text)
    scope_key = type_key if change.scope_at is None else (change.scope_at, *type_key[1:])
    if "scope" in doc:
        draft.record_scope(doc["scope"], scope_key)
    if doc and type_key >= draft.floor:
        draft.take_types(doc["type"], type_key)
        if "scope" in doc:
            draft.take_scope(doc["scope"], scope_key)
        if "expiresAt" in doc:
            draft.take_expiry(doc["expiresAt"], type_key)
