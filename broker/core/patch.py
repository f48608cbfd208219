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
the floor so that late data does not bring it back, the version so that no two changes have the same event id. An
instance that a request removes leaves its key behind likewise (`@gone`): what a feed observed before stays out.

Types, scope, expiry and floor keep their keys in `meta` under `@type`, `@scope`, `@expiry` and `@floor`; `@gone` has
the removed instances and `@transient` when instances expire (4.22). What has expired is removed by any change.
Only touched attributes are serialised again; the others stay the texts they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from broker.core import fragments, fresh, segments, touch
from broker.core.draft import Draft
from broker.core.entity import ENTITY_MEMBERS, Instance, dataset_of, instances
from broker.core.errors import BadRequestData, ResourceNotFound
from broker.core.ids import NULL
from broker.core.state import (
    AttrPatch,
    Change,
    ChangeKind,
    HistoryRow,
    Key,
    Outcome,
    Result,
    Row,
    Shows,
    Tombstone,
)
from broker.core.validate import check_attribute, is_null

__all__ = [
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
    "apply",
    "distinct",
]

_SCOPE: Final = "scope"


def _everything(_: str) -> bool:
    return True


def apply(
    row: Row | None,
    change: Change,
    now: datetime,
    tombstone: Tombstone | None = None,
    shows: Shows | None = None,
) -> Result:
    """Apply one change to what is stored. `row` and the document are not altered.

    `shows`: the attributes that a replacement or a `drop` may remove; None: all. Raises ResourceNotFound where the
    change is for an attribute that is not there, and BadRequestData where it makes an attribute wrong.
    """
    if change.kind == "create" and row is not None:
        return Result("conflict")
    if row is None and (change.kind in _ON_ROWS or (change.kind == "delete" and change.received_at is None)):
        return Result("missing")
    if row is None and tombstone is None:
        made = fresh.create(change, now)
        if made is not None:
            return made
    if row is not None and tombstone is None:
        made = touch.put(row, change, now)
        if made is not None:
            return made
    draft = Draft(row, change, now, tombstone)
    if change.received_at is not None:
        _ingest(draft, change)
    elif change.kind == "delete":
        draft.history.append(draft.mark("deleted"))
        draft.raise_floor(draft.request_key, everything=True)
    else:
        expired = draft.expire()
        _ON_ROWS.get(change.kind, _write)(draft, change, shows or _everything)
        if expired:
            # an instance that is removed and put again by one change has one row, that of the new one
            draft.history = distinct(draft.history)
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


def _write(draft: Draft, change: Change, shows: Shows) -> None:
    """Apply a request's write: it takes effect whatever is stored."""
    doc = change.doc or {}
    key = draft.request_key
    replacing = change.kind in ("upsert_replace", "replace")
    if replacing and draft.row is not None:
        draft.drop_absent(doc, shows)
    if "type" in doc:
        draft.take_types(doc["type"], key, replacing=replacing)
    if "scope" in doc:
        _scope(draft, change, doc["scope"])
    if "expiresAt" in doc:
        draft.take_expiry(None if doc["expiresAt"] == NULL else doc["expiresAt"], key)
    for name, value in doc.items():
        if name not in ENTITY_MEMBERS:
            for one in instances(value):
                _write_one(draft, change, name, one)


def _write_one(draft: Draft, change: Change, name: str, one: Instance) -> None:
    dataset_id = dataset_of(one)
    if change.kind == "merge":
        stored = draft.instance(name, dataset_id)
        found = fragments.merged(stored, one, change.lang, change.observed_at)
        if found is not None:
            _set(draft, change, name, found)
        elif stored is not None:
            draft.remove(name, dataset_id)
    elif is_null(one):
        draft.remove(name, dataset_id)
    elif change.overwrite or not draft.has(name, dataset_id):
        _put(draft, name, one)
    else:
        draft.skipped.append(name)


def _scope(draft: Draft, change: Change, scope: list[str]) -> None:
    """Set the scope, or add to it where nothing is to be overwritten (5.6.2, 5.6.3, 5.6.17)."""
    if scope == [NULL]:
        draft.drop_scope()
    elif change.kind == "update" and draft.scopes is None:
        # 5.6.2: an update replaces a scope and does not bring one
        draft.skipped.append(_SCOPE)
    else:
        if not change.overwrite and draft.scopes is not None:
            scope = list(dict.fromkeys([*draft.scopes, *scope]))
        draft.record_scope(scope, draft.request_key)
        draft.take_scope(scope, draft.request_key)


def _partial_update(draft: Draft, change: Change, _: Shows) -> None:
    """Overwrite members of one instance that is there (5.6.4)."""
    for name, one in _targets(draft, change):
        found = fragments.updated(draft.instance(name, dataset_of(one)) or {}, one)
        if found is None:
            draft.remove(name, dataset_of(one))
        else:
            _set(draft, change, name, found)


def _replace_attribute(draft: Draft, change: Change, _: Shows) -> None:
    """Replace instances that are there (5.6.19)."""
    for name, one in list(_targets(draft, change)):
        _put(draft, name, one)


def _targets(draft: Draft, change: Change) -> Iterable[tuple[str, Instance]]:
    for name, value in (change.doc or {}).items():
        if name in ENTITY_MEMBERS:
            continue
        for one in instances(value):
            if not draft.has(name, dataset_of(one)):
                raise _no_attribute(change, name, dataset_of(one))
            yield name, one


def _delete_attribute(draft: Draft, change: Change, _: Shows) -> None:
    """Remove one instance of an attribute, or all of them, or the scope (5.6.5)."""
    if change.attr == _SCOPE:
        if draft.scopes is None:
            raise _no_attribute(change, _SCOPE, "")
        draft.drop_scope()
        return
    datasets = list(draft.meta.get(change.attr, ())) if change.dataset_id is None else [change.dataset_id]
    if not datasets or not draft.has(change.attr, datasets[0]):
        raise _no_attribute(change, change.attr, change.dataset_id or "")
    for one in datasets:
        draft.remove(change.attr, one)


def _drop(draft: Draft, change: Change, shows: Shows) -> None:
    """Remove the attributes in a set, as far as the writer sees them (5.6.21)."""
    for name in list(draft.names):
        if name in change.dropped and shows(name):
            for dataset_id in list(draft.meta[name]):
                draft.remove(name, dataset_id)
    if _SCOPE in change.dropped.names and not change.dropped.complement:
        draft.drop_scope()


def _sweep(draft: Draft, change: Change, shows: Shows) -> None:
    """Remove what has expired, which has been done."""


_ON_ROWS: Final[Mapping[ChangeKind, Callable[[Draft, Change, Shows], None]]] = {
    "append": _write,
    "update": _write,
    "merge": _write,
    "replace": _write,
    "partial_update": _partial_update,
    "replace_attribute": _replace_attribute,
    "delete_attribute": _delete_attribute,
    "drop": _drop,
    "sweep": _sweep,
}
"""The kinds of change that need the entity to be there."""


def _no_attribute(change: Change, name: str, dataset_id: str) -> ResourceNotFound:
    which = f" with the datasetId {dataset_id}" if dataset_id else ""
    return ResourceNotFound(f"{change.id} has no attribute {change.label(name)}{which}")


def _put(draft: Draft, name: str, one: Instance) -> None:
    key, text = draft.key_of(one), segments.segment(one)
    draft.record(name, dataset_of(one), key, text)
    draft.put(name, dataset_of(one), one, key, text)


def _set(draft: Draft, change: Change, name: str, one: Instance) -> None:
    """Put an instance that a fragment made, if it is right."""
    if "type" not in one:
        raise BadRequestData(f"{change.label(name)}.type: an attribute's type cannot be removed")
    check_attribute(name, one, label=change.label)
    _put(draft, name, one)


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
