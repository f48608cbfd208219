"""An entity that was not there before, built at once: what `Draft` comes to where nothing is stored (`patch`).

Most of a batch of new entities and of a feed's first data goes this way. It takes a document whose attributes have one
default instance each; `create` gives None for anything else, and a property test holds it equal to the draft.
Instances are serialised once; what is equal in all attributes (the order key, the times) is shared between them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from orjson import dumps

from broker.core import segments, times
from broker.core.entity import ENTITY_MEMBERS, Doc
from broker.core.ids import NULL
from broker.core.segments import LONGEST
from broker.core.state import SCOPE, AttrPatch, Change, HistoryRow, Result, Row
from broker.core.validate import is_null

__all__ = ["create"]

_SCALARS: Final = frozenset({str, int, float, bool})
_tuple: Final = tuple.__new__
"""Makes a named tuple in a third of the time."""
_KINDS: Final = frozenset({"create", "upsert_replace", "upsert_update"})


def create(change: Change, now: datetime) -> Result | None:
    """Apply a change to nothing; None if it needs the draft."""
    doc = change.doc
    feed = change.received_at is not None
    if not doc or not doc.get("type") or "expiresAt" in doc or change.scope_at is not None:
        return None
    if not (change.kind == "ingest_merge" if feed else change.kind in _KINDS):
        return None
    types = list(dict.fromkeys(doc["type"]))
    scopes = list(doc["scope"]) if "scope" in doc else None
    if scopes == [NULL]:
        return None
    result = Result("created", Row(change.id, types, scopes, [], [], {}, {}, now, now, 1), 1)
    now_text = times.of(now)
    received = (times.canonical(change.received_at) or "") if feed else now_text
    entries: dict[str, dict[str, list[str]]] = {}
    if result.row is None or not _fill(result, result.row, doc, change, now_text, received, entries):
        return None
    # a feed's types and scope follow the highest key that its envelope brings, a request's the request
    key = (max(received, *entries) if feed and entries else received, received, change.event)
    result.row.meta["@type"] = {one: list(key) for one in types}
    if scopes is not None:
        result.row.meta[SCOPE] = {"": list(key)}
        text = segments.scope_segment(scopes, key[0])
        row = HistoryRow(change.id, SCOPE, "", key[0], received, change.event, text)
        result.history.insert(len(result.history) if feed else 0, row)
    return result


def _fill(
    result: Result,
    row: Row,
    doc: Doc,
    change: Change,
    now_text: str,
    received: str,
    entries: dict[str, dict[str, list[str]]],
) -> bool:
    """Take the attributes over; `entries` collects the meta entries by instant of observation. False: not plain."""
    entity, event, request = change.id, change.event, change.received_at is None
    names, segs, vals, meta, history, attrs = row.names, row.segs, row.vals, row.meta, result.history, result.attrs
    observed, entry, last = received, entries.get(received), None
    for name, value in doc.items():
        if type(value) is not dict:
            if name in ENTITY_MEMBERS:
                continue
            return False
        at, scalar = value.get("observedAt"), value.get("value")
        if scalar is None:
            scalar = value.get("object")
        size = 2 if at is None else 3
        if type(scalar) in _SCALARS and len(value) == (size + 1 if "unitCode" in value else size):
            if scalar == NULL:
                return False
            text = dumps(value).decode()
            if len(text) > LONGEST:
                scalar = segments.scalar_of(value)
        elif type(scalar) is dict and scalar.get("type") == "Point" and _is_geo(value, size):
            result.geo[name] = segments.ewkb(scalar)
            scalar, text = [], dumps(value).decode()
        else:
            if "datasetId" in value or "expiresAt" in value or (request and is_null(value)):
                return False
            scalar, text, shape = segments.scalar_of(value), segments.segment(value), segments.geometry_of(value)
            if shape is not None:
                result.geo[name] = shape
        if entry is None or at != last:
            observed, last = times.canonical(at) or received, at
            entry = entries.get(observed)
            if entry is None:
                entries[observed] = entry = {"": [observed, now_text, now_text, received, event]}
        names.append(name)
        segs.append(text)
        vals[name] = scalar
        meta[name] = entry
        history.append(_tuple(HistoryRow, (entity, name, "", observed, received, event, text, "value")))
        attrs.append(_tuple(AttrPatch, (name, "", None, text)))
    return True


def _is_geo(value: dict[str, Any], size: int) -> bool:
    """Say whether an instance of so many members is a GeoProperty of nothing but a geometry, perhaps observed."""
    return len(value) == size and value["type"] == "GeoProperty"
