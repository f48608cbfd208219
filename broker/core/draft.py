"""A row in the making: what `broker.core.patch` changes, step by step, and concludes from.

Lists and dictionaries are copies of the stored row's, instances and texts are shared with it. Each step keeps the
columns in step with each other, and notes what it did for the history and the change event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from broker.core import segments, times
from broker.core.entity import ENTITY_MEMBERS, Doc, Instance, dataset_of, instances
from broker.core.state import SCOPE, AttrPatch, Change, HistoryRow, Key, Outcome, Result, Row, Shows, Tombstone

__all__ = ["Draft"]

_NO_FLOOR: Key = ("", "", "")
_MOST_GONE = 256
"""Removed instances that a row remembers one by one; the older ones beyond raise its floor."""
_GEO = '"GeoProperty"'


class Draft:
    """The row being changed."""

    def __init__(self, row: Row | None, change: Change, now: datetime, tombstone: Tombstone | None) -> None:
        self.row = row
        self.change = change
        self.now = now
        self.now_text = times.of(now)
        received = self.now_text if change.received_at is None else (times.canonical(change.received_at) or "")
        self.received = received
        self.request_key: Key = (received, received, change.event)
        self.names = list(row.names) if row else []
        self.segs = list(row.segs) if row else []
        self.vals = dict(row.vals) if row else {}
        self.meta = dict(row.meta) if row else {}
        self.types = list(row.types) if row else []
        self.scopes = row.scopes if row else None
        self.expires_at = row.expires_at if row else None
        self.geo: dict[str, bytes | None] = {}
        self.history: list[HistoryRow] = []
        self.attrs: dict[tuple[str, str], AttrPatch] = {}
        self.changed = row is None
        self.moved = False
        self.version = row.version if row else tombstone.version if tombstone else 0
        stored = _key(self.meta["@floor"].get("")) if "@floor" in self.meta else _NO_FLOOR
        self.floor: Key = max(stored, tombstone.floor) if tombstone else stored
        self.old_floor = self.floor
        self.gone: dict[str, list[str]] = dict(self.meta.get("@gone", {}))
        self.transient: dict[str, list[str]] = dict(self.meta.get("@transient", {}))
        self.skipped: list[str] = []

    def key_of(self, instance: Instance) -> Key:
        """Return an instance's order key; without observedAt it counts as observed at receipt."""
        observed = instance.get("observedAt")
        return (times.canonical(observed) or self.received, self.received, self.change.event)

    def admits(self, name: str, dataset_id: str, key: Key) -> bool:
        """Say whether an instance with this key belongs to the current state."""
        if key < self.floor or (self.gone and key <= _key(self.gone.get(_slot(name, dataset_id)))):
            return False
        entry = self.meta.get(name)
        stored = entry.get(dataset_id) if entry is not None else None
        return stored is None or key >= (stored[0], stored[3], stored[4])

    def has(self, name: str, dataset_id: str) -> bool:
        """Say whether the current state has this instance."""
        return dataset_id in self.meta.get(name, ())

    def instance(self, name: str, dataset_id: str) -> Instance | None:
        """Return an instance of the current state."""
        if not self.has(name, dataset_id):
            return None
        stored = segments.parse(self.segs[self.names.index(name)])
        return next(one for one in instances(stored) if dataset_of(one) == dataset_id)

    def expire(self) -> bool:
        """Remove the instances whose time is over (4.22); say whether there were any."""
        over = [slot for slot, (at,) in self.transient.items() if at <= self.now_text]
        for slot in over:
            name, _, dataset_id = slot.partition(" ")
            self.remove(name, dataset_id)
        return bool(over)

    def record(self, name: str, dataset_id: str, key: Key, text: str) -> None:
        """Note an instance for the history; `key` has when it was observed."""
        row = HistoryRow(self.change.id, name, dataset_id, key[0], self.received, self.change.event, text)
        self.history.append(row)

    def mark(self, kind: Literal["deleted", "replaced"]) -> HistoryRow:
        """Make the history row that says the whole entity was deleted or replaced."""
        return HistoryRow(self.change.id, "", "", self.received, self.received, self.change.event, None, kind)

    def put(self, name: str, dataset_id: str, instance: Instance, key: Key, text: str) -> None:
        """Set one instance of the current state; `text` is its segment."""
        self._keep_books(name, dataset_id, instance, key)
        entry = self.meta.get(name)
        created = self.now_text
        was: str | None = None
        before = ""
        if entry is None:
            value: Instance | list[Instance] = instance
            self.names.append(name)
            self.segs.append(text)
            self.meta[name] = entry = {}
        else:
            at = self.names.index(name)
            before = self.segs[at]
            if entry.keys() == {dataset_id}:
                was, value = before, instance
                self.segs[at] = text
            else:
                was, value = _put_among(segments.parse(before), dataset_id, instance)
                self.segs[at] = segments.segment(value)
            stored = entry.get(dataset_id)
            if stored is not None:
                if was == text and (stored[0], stored[3], stored[4]) == key:
                    return
                created = stored[1]
            self.meta[name] = entry = dict(entry)
        entry[dataset_id] = [key[0], created, self.now_text, key[1], key[2]]
        self._index(name, before, value)
        self._note(name, dataset_id, was, text)

    def remove(self, name: str, dataset_id: str) -> None:
        """Remove one instance of the current state, if it is there."""
        entry = self.meta.get(name)
        if entry is None or dataset_id not in entry:
            return
        at = self.names.index(name)
        before = self.segs[at]
        stored = instances(segments.parse(before))
        was = next(one for one in stored if dataset_of(one) == dataset_id)
        rest = [one for one in stored if dataset_of(one) != dataset_id]
        self._note(name, dataset_id, segments.segment(was), None)
        self.transient.pop(_slot(name, dataset_id), None)
        if self.change.received_at is None:
            row = HistoryRow(self.change.id, name, dataset_id, self.now_text, self.now_text, "", None, "deleted")
            self.history.append(row)
            self.gone[_slot(name, dataset_id)] = list(max(self.request_key, _key(entry[dataset_id])))
        if not rest:
            del self.names[at], self.segs[at], self.meta[name]
            self.vals.pop(name, None)
            if name in self.geo or _GEO in before:
                self.geo[name] = None
            return
        self.meta[name] = {other: list(kept) for other, kept in entry.items() if other != dataset_id}
        value = _packed(rest)
        self.segs[at] = segments.segment(value)
        self._index(name, before, value)

    def drop_absent(self, doc: Doc, shows: Shows) -> None:
        """Remove what a replacement does not bring, and let nothing older come back; what `shows` denies stays."""
        kept = {
            (name, dataset_of(one))
            for name, value in doc.items()
            if name not in ENTITY_MEMBERS
            for one in instances(value)
        }
        whole = True
        for name in list(self.names):
            if not shows(name):
                whole = False
                continue
            for dataset_id in list(self.meta[name]):
                if (name, dataset_id) not in kept:
                    self.remove(name, dataset_id)
        if "scope" not in doc:
            self.drop_scope()
        if self.expires_at is not None and "expiresAt" not in doc:
            self.expires_at, self.changed = None, True
        if whole:
            self.floor = max(self.floor, self.request_key)

    def drop_scope(self) -> None:
        """Take the scope away."""
        if self.scopes is None:
            return
        self.scopes, self.changed = None, True
        self.meta.pop(SCOPE, None)
        if self.change.received_at is None:
            self.meta[SCOPE] = {"": list(self.request_key)}
            row = HistoryRow(self.change.id, SCOPE, "", self.now_text, self.now_text, "", None, "deleted")
            self.history.append(row)

    def raise_floor(self, key: Key, *, everything: bool = False) -> None:
        """Set the floor and remove what lies below it."""
        self.floor = max(self.floor, key)
        for name in list(self.names):
            for dataset_id, stored in list(self.meta[name].items()):
                if everything or _key(stored) < self.floor:
                    self.remove(name, dataset_id)
        keys = self.meta.get("@type", {})
        kept = [] if everything else [one for one in self.types if _key(keys.get(one)) >= self.floor]
        if kept != self.types:
            self.types, self.changed = kept, True
            self.meta["@type"] = {one: keys[one] for one in kept}
        if self.scopes is not None and (everything or _key(self.meta.get(SCOPE, {}).get("")) < self.floor):
            self.drop_scope()
        if self.expires_at is not None and _key(self.meta.get("@expiry", {}).get("")) < self.floor:
            self.expires_at, self.changed = None, True
            self.meta.pop("@expiry", None)

    def take_types(self, types: Iterable[str], key: Key, *, replacing: bool = False) -> None:
        """Add entity types (5.5.8: types are only ever added), or with `replacing` set them."""
        given = list(types)
        keys = {} if replacing else dict(self.meta.get("@type", {}))
        if replacing and set(given) != set(self.types):
            self.types, self.changed = [], True
        for one in given:
            highest = list(max(key, _key(keys.get(one))))
            if keys.get(one) != highest:
                keys[one], self.moved = highest, True
            if one not in self.types:
                self.types.append(one)
                self.changed = True
        self.meta["@type"] = keys

    def take_scope(self, scope: list[str], key: Key) -> None:
        """Set the scope unless a higher key has set it."""
        if self.change.received_at is not None and key < _key(self.meta.get(SCOPE, {}).get("")):
            return
        if self.meta.get(SCOPE) != {"": list(key)}:
            self.meta[SCOPE], self.moved = {"": list(key)}, True
        if self.scopes != list(scope):
            self.scopes, self.changed = list(scope), True

    def record_scope(self, scope: list[str], key: Key) -> None:
        """Note a scope for the history (4.5.6)."""
        self.record(SCOPE, "", key, segments.scope_segment(scope, key[0]))

    def take_expiry(self, text: str | None, key: Key) -> None:
        """Set when the entity expires (4.22; None: never) unless a higher key has set it."""
        if self.change.received_at is not None and key < _key(self.meta.get("@expiry", {}).get("")):
            return
        if self.meta.get("@expiry") != {"": list(key)}:
            self.meta["@expiry"], self.moved = {"": list(key)}, True
        canonical = times.canonical(text) if text is not None else None
        expires = times.to_datetime(canonical) if canonical else None
        if expires != self.expires_at:
            self.expires_at, self.changed = expires, True

    def result(self) -> Result:
        """Conclude."""
        attrs = list(self.attrs.values())
        version = self.version + 1
        if not self.types and not self.names:
            return self._gone(attrs)
        seen = self.changed or bool(attrs)
        skipped = tuple(dict.fromkeys(self.skipped))
        self._write_books()
        if self.floor != _NO_FLOOR:
            self.meta["@floor"] = {"": list(self.floor)}
        if not seen and not self.moved and self.floor == self.old_floor:
            return Result("noop", None, self.version, {}, self.history, skipped=skipped)
        if not seen and self.row is not None:
            silent = replace(self._row(self.version), modified_at=self.row.modified_at)
            return Result("noop", silent, self.version, {}, self.history, skipped=skipped)
        outcome: Outcome = "created" if self.row is None else "updated"
        return Result(outcome, self._row(version), version, self.geo, self.history, attrs, skipped=skipped)

    def _keep_books(self, name: str, dataset_id: str, instance: dict[str, Any], key: Key) -> None:
        """Note an instance that is put: when it expires, and that it is not gone any more."""
        if not self.gone and not self.transient and "expiresAt" not in instance:
            return
        slot = _slot(name, dataset_id)
        if self.gone and key > _key(self.gone.get(slot)):
            self.gone.pop(slot, None)
        expires = times.canonical(instance["expiresAt"]) if "expiresAt" in instance else None
        if expires is not None:
            self.transient[slot] = [expires]
        elif self.transient:
            self.transient.pop(slot, None)

    def _write_books(self) -> None:
        if self.gone:
            self.gone = {slot: key for slot, key in self.gone.items() if _key(key) >= self.floor}
        if len(self.gone) > _MOST_GONE:
            oldest = sorted(self.gone.items(), key=lambda item: item[1])[: len(self.gone) - _MOST_GONE // 2]
            self.floor = max(self.floor, _key(oldest[-1][1]))
            self.gone = {slot: key for slot, key in self.gone.items() if _key(key) > self.floor}
        for name, book in (("@gone", self.gone), ("@transient", self.transient)):
            if book:
                self.meta[name] = book
            else:
                self.meta.pop(name, None)

    def _gone(self, attrs: list[AttrPatch]) -> Result:
        """Conclude where nothing of the entity is left."""
        if self.row is None:
            left = Tombstone(self.floor, self.version) if self.floor != self.old_floor else None
            return Result("noop", None, self.version, {}, self.history, [], left)
        version = self.version + 1
        return Result("deleted", None, version, self.geo, self.history, attrs, Tombstone(self.floor, version))

    def _row(self, version: int) -> Row:
        created_at = self.now if self.row is None else self.row.created_at
        return Row(
            self.change.id,
            self.types,
            self.scopes,
            self.names,
            self.segs,
            self.vals,
            self.meta,
            created_at,
            self.now,
            version,
            self.expires_at,
        )

    def _index(self, name: str, before: str, value: Instance | list[Instance]) -> None:
        """Keep `vals` and the geometries in step with an attribute; `before` is the segment that it had."""
        self.vals[name] = segments.scalar_of(value)
        geometry = segments.geometry_of(value)
        if geometry is not None or name in self.geo or _GEO in before:
            self.geo[name] = geometry

    def _note(self, name: str, dataset_id: str, was: str | None, now: str | None) -> None:
        first = self.attrs.get((name, dataset_id))
        before = was if first is None else first.was
        self.attrs[name, dataset_id] = AttrPatch(name, dataset_id, before, now)


def _put_among(
    stored: Instance | list[Instance], dataset_id: str, instance: Instance
) -> tuple[str | None, Instance | list[Instance]]:
    """Put an instance among those stored; return the text it replaces and the new value."""
    was: str | None = None
    found = list(instances(stored))
    for at, one in enumerate(found):
        if dataset_of(one) == dataset_id:
            was = segments.segment(one)
            found[at] = instance
            break
    else:
        found.append(instance)
    return was, _packed(found)


def _slot(name: str, dataset_id: str) -> str:
    """Name an instance within a row; neither part has a space."""
    return f"{name} {dataset_id}"


def _packed(found: list[Instance]) -> Instance | list[Instance]:
    return found[0] if len(found) == 1 else found


def _key(stored: list[str] | None) -> Key:
    """Return the order key of a meta entry: [observed, created, modified, received, event], or a bare key of three."""
    if stored is None:
        return _NO_FLOOR
    if len(stored) == 3:
        return (stored[0], stored[1], stored[2])
    return (stored[0], stored[3] or "", stored[4] or "")
