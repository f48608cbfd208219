"""Attributes put into a row that stands, at once: what `Draft` comes to where nothing special applies (`patch`).

Most of what feeds observe and of what requests update goes this way. It takes attributes of one default instance each,
of an entity that remembers no removed and no expiring instances, and types that it has; `put` gives None for anything
else, and a property test holds it equal to the draft. Only what is touched is copied or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from orjson import dumps

from broker.core import fragments, segments, times
from broker.core.entity import ENTITY_MEMBERS, Instance
from broker.core.plain import is_plain, plain_kind
from broker.core.segments import LONGEST
from broker.core.state import AttrPatch, Change, HistoryRow, Key, Result, Row
from broker.core.validate import check_attribute, is_null

__all__ = ["put"]

_WRITES: Final = frozenset({"upsert_update", "append", "update"})
_SCALARS: Final = frozenset({str, int, float, bool})
_FLAT: Final = frozenset({"type", "value", "object", "unitCode", "observedAt"})
_SPECIAL: Final = ("@gone", "@transient")
_GEO: Final = '"GeoProperty"'
_NO_FLOOR: Final[Key] = ("", "", "")
_tuple: Final = tuple.__new__
"""Makes a named tuple in a third of the time."""


def put(row: Row, change: Change, now: datetime) -> Result | None:
    """Apply a change to a row; None if it needs the draft. Raises BadRequestData as the draft does."""
    kind, doc, meta = change.kind, change.doc, row.meta
    feed = change.received_at is not None
    if doc is None or _SPECIAL[0] in meta or _SPECIAL[1] in meta or "scope" in doc or "expiresAt" in doc:
        return None
    if not (kind == "ingest_merge" if feed else kind == "partial_update" or (kind in _WRITES and change.overwrite)):
        return None
    types = doc.get("type") if kind != "partial_update" else None
    if feed and types is None:
        return None
    found = _instances(row, change, doc)
    if found is None or (types is not None and not set(types).issubset(row.types)):
        return None
    now_text = times.of(now)
    received = (times.canonical(change.received_at) or "") if feed else now_text
    request: Key = (received, received, change.event)
    made = _Making(row, change.id, now_text, received, change.event)
    highest = request
    floor = _floor(meta) if feed else _NO_FLOOR
    for name, one in found.items():
        observed = times.canonical(one["observedAt"]) or received if "observedAt" in one else received
        key: Key = (observed, received, change.event)
        highest = max(highest, key)
        made.note(name, one, key, floor if feed else None)
    moved = types is not None and highest >= floor and made.type(types, highest if feed else request)
    return made.result(row, now, moved)


def _floor(meta: Mapping[str, Any]) -> Key:
    floor = meta.get("@floor")
    return tuple(floor[""]) if floor is not None else _NO_FLOOR


def _instances(row: Row, change: Change, doc: Mapping[str, Any]) -> dict[str, Instance] | None:
    """Give the instances that the attributes become; None where the draft has to see to one."""
    partial, feed = change.kind == "partial_update", change.received_at is not None
    found: dict[str, Instance] = {}
    for name, one in doc.items():
        if name in ENTITY_MEMBERS:
            continue
        entry = row.meta.get(name)
        if type(one) is not dict or "datasetId" in one or (entry is not None and (len(entry) != 1 or "" not in entry)):
            return None
        if partial:
            updated = _updated(row, name, one, change) if entry is not None else None
            if updated is None:
                return None
            one = updated
        elif not feed and is_null(one):
            return None
        if "expiresAt" in one:
            return None
        found[name] = one
    return found


def _updated(row: Row, name: str, fragment: Instance, change: Change) -> Instance | None:
    """Overwrite members of an instance that is there (5.6.4); None if the draft has to see to it."""
    stored = segments.parse(row.segs[row.names.index(name)])
    if isinstance(stored, list):
        return None
    found = fragments.updated(stored, fragment)
    if found is None or "type" not in found:
        return None
    kind = plain_kind(name)
    if kind is None or not is_plain(found) or (kind and found["type"] != kind):
        check_attribute(name, found, label=change.label)
    return found


class _Making:
    """The columns as they come to be."""

    __slots__ = (
        "attrs", "entity", "event", "geo", "history", "meta", "names", "now_text", "received", "segs", "vals",
    )  # fmt: skip

    def __init__(self, row: Row, entity: str, now_text: str, received: str, event: str) -> None:
        self.entity, self.now_text, self.received, self.event = entity, now_text, received, event
        self.names, self.segs, self.vals, self.meta = row.names, row.segs.copy(), row.vals.copy(), row.meta.copy()
        self.history: list[HistoryRow] = []
        self.attrs: list[AttrPatch] = []
        self.geo: dict[str, bytes | None] = {}

    def note(self, name: str, one: Instance, key: Key, floor: Key | None) -> None:
        """Note an instance for the history, and put it where the apply rule admits it; `floor` None: there is none."""
        scalar = one.get("value")
        if scalar is None:
            scalar = one.get("object")
        geometry = None
        if type(scalar) in _SCALARS and one.keys() <= _FLAT:
            text = dumps(one).decode()
            if len(text) > LONGEST:
                scalar = segments.scalar_of(one)
        else:
            scalar, text, geometry = segments.scalar_of(one), segments.segment(one), segments.geometry_of(one)
        row = (self.entity, name, "", key[0], self.received, self.event, text, "value")
        self.history.append(_tuple(HistoryRow, row))
        entry = self.meta.get(name)
        stored = entry[""] if entry is not None else None
        if floor is not None and (key < floor or (stored is not None and key < (stored[0], stored[3], stored[4]))):
            return
        was = None
        if stored is None:
            self.names = [*self.names, name]
            self.segs.append(text)
            created = self.now_text
        else:
            at = self.names.index(name)
            was, created = self.segs[at], stored[1]
            if was == text and (stored[0], stored[3], stored[4]) == key:
                return
            self.segs[at] = text
        self.meta[name] = {"": [key[0], created, self.now_text, key[1], key[2]]}
        self.attrs.append(_tuple(AttrPatch, (name, "", was, text)))
        self.vals[name] = scalar
        if geometry is not None or (was is not None and _GEO in was):
            self.geo[name] = geometry

    def type(self, types: list[str], key: Key) -> bool:
        """Note when types that the row has were last named; say whether that is news."""
        keys = self.meta.get("@type", {})
        raised = {one: list(key) for one in types if one not in keys or _key(keys[one]) < key}
        if raised:
            self.meta["@type"] = {**keys, **raised}
        return bool(raised)

    def result(self, row: Row, now: datetime, moved: bool) -> Result:
        """Conclude."""
        if not self.attrs and not moved:
            return Result("noop", None, row.version, {}, self.history)
        version, modified = (row.version + 1, now) if self.attrs else (row.version, row.modified_at)
        made = Row(
            row.id, row.types, row.scopes, self.names, self.segs, self.vals, self.meta, row.created_at, modified,
            version, row.expires_at,
        )  # fmt: skip
        if not self.attrs:
            return Result("noop", made, version, {}, self.history)
        return Result("updated", made, version, self.geo, self.history, self.attrs)


def _key(stored: list[str]) -> Key:
    return (stored[0], stored[1], stored[2])
