"""Subscriptions against changes: undo and redo, the index, what fires (CIM 009 V1.9.1, 5.8.6)."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import change as change_event
from broker.core import patch, segments
from broker.core.change import ChangeEvent
from broker.core.entity import Doc
from broker.core.patch import Change, Row
from broker.core.query import TRUE, And, Or, TypeIs
from broker.core.state import moved
from broker.core.subscription import (
    Endpoint,
    Index,
    Selector,
    Subscriber,
    Subscription,
    Trigger,
    fires,
    redo,
    undo,
)

_TYPES = ["https://x.example/A", "https://x.example/B", "https://x.example/C"]
_NAMES = ["https://x.example/p", "https://x.example/q", "https://x.example/r"]
_WHO = Subscriber("urn:party:a", "", "vendor", (), "")


def _subscription(id: str, selectors: tuple[Selector, ...], watched: frozenset[str] | None = None) -> Subscription:
    return Subscription(
        id=id,
        tenant="default",
        selectors=selectors,
        watched=watched,
        where=TRUE,
        format="normalized",
        sys_attrs=False,
        endpoint=Endpoint("http://r.example"),
        context="",
        subscriber=_WHO,
        created_at="2026-01-01T00:00:00.000000Z",
    )


_instance = st.builds(
    lambda value, dataset: {"type": "Property", "value": value} | ({"datasetId": dataset} if dataset else {}),
    st.integers(0, 3),
    st.sampled_from(["", "urn:d:1", "urn:d:2"]),
)


def _attribute(found: list[dict[str, Any]]) -> Any:
    by_dataset = {one.get("datasetId", ""): one for one in found}
    kept = [by_dataset[name] for name in sorted(by_dataset)]
    return kept[0] if len(kept) == 1 and "datasetId" not in kept[0] else kept


_doc = st.builds(
    lambda attrs, types, scope: {
        "id": "urn:a:1",
        "type": types,
        **({"scope": scope} if scope else {}),
        **{k: _attribute(v) for k, v in attrs.items()},
    },
    st.dictionaries(st.sampled_from(_NAMES), st.lists(_instance, min_size=1, max_size=3), min_size=1),
    st.lists(st.sampled_from(_TYPES), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(["/a", "/b"]), max_size=2, unique=True),
)
_step = st.one_of(
    st.tuples(st.sampled_from(["create", "upsert_replace", "upsert_update"]), _doc),
    st.tuples(st.just("delete"), st.none()),
)


def _state(row: Row | None) -> Doc | None:
    return None if row is None else segments.doc(row.id, row.types, row.scopes, row.names, row.segs)


def _plain(doc: Doc | None) -> Any:
    """Return a document in a form that does not depend on the order of instances."""
    if doc is None:
        return None
    return {
        name: sorted(map(json.dumps, value if isinstance(value, list) else [value])) if name in _NAMES else value
        for name, value in doc.items()
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(_step, min_size=1, max_size=8))
def test_undo_and_redo_lead_to_the_states_that_were(steps: list[tuple[Any, Doc | None]]) -> None:
    row: Row | None = None
    tombstone = None
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for kind, doc in steps:
        now += timedelta(seconds=1)
        before = copy.deepcopy(_state(row))
        result = patch.apply(row, Change(kind, "urn:a:1", doc), now, tombstone)
        if result.op is None:
            continue
        types = result.row.types if result.row is not None else row.types if row is not None else []
        members = moved(row, None if result.outcome == "deleted" else result.row)
        row = None if result.outcome == "deleted" else result.row
        tombstone = result.tombstone
        after = _state(row)
        text = change_event.payload(
            "default",
            "urn:a:1",
            types,
            result.version,
            "2026-11-22T00:00:00.000000Z",
            result.op,
            result.attrs,
            "",
            members,
        )
        event = change_event.parse(text)
        assert _plain(undo(after, event)) == _plain(before)
        assert _plain(redo(before, event)) == _plain(after)


_selector = st.builds(
    Selector,
    st.one_of(
        st.just(TRUE),
        st.sampled_from([TypeIs(one) for one in _TYPES]),
        st.builds(lambda a, b: Or((TypeIs(a), TypeIs(b))), st.sampled_from(_TYPES), st.sampled_from(_TYPES)),
        st.builds(lambda a, b: And((TypeIs(a), TypeIs(b))), st.sampled_from(_TYPES), st.sampled_from(_TYPES)),
    ),
    st.sampled_from([(), ("urn:a:1",), ("urn:a:2",)]),
    st.sampled_from([None, ".*:1$", ".*:2$"]),
)
_watched = st.one_of(st.none(), st.frozensets(st.sampled_from(_NAMES), min_size=1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.lists(_selector, max_size=2), _watched), max_size=8),
    st.lists(st.sampled_from(_TYPES), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(_NAMES), min_size=1, max_size=2, unique=True),
)
def test_the_index_finds_all_that_a_scan_finds(
    made: list[tuple[list[Selector], frozenset[str] | None]], types: list[str], changed: list[str]
) -> None:
    every = [_subscription(f"urn:s:{n}", tuple(one), watched) for n, (one, watched) in enumerate(made)]
    after: Doc = {"id": "urn:a:1", "type": types}
    after |= {name: {"type": "Property", "value": 1} for name in changed}
    event = _event(types, changed)
    scanned = [one.id for one in every if fires(one, event, after)]
    found = [one.id for one in Index(every).candidates(event) if fires(one, event, after)]
    assert sorted(found) == sorted(scanned)


def test_what_is_not_watched_or_gone_fires_nothing() -> None:
    one = _subscription("urn:s:1", (Selector(TypeIs(_TYPES[0])),), frozenset({_NAMES[0]}))
    after: Doc = {"id": "urn:a:1", "type": [_TYPES[0]], _NAMES[0]: {"type": "Property", "value": 1}}
    assert fires(one, _event([_TYPES[0]], [_NAMES[0]]), after)
    assert not fires(one, _event([_TYPES[0]], [_NAMES[1]]), after)
    gone = replace(_event([_TYPES[0]], [_NAMES[0]]), op="deleted")
    gone = replace(gone, attrs=tuple(replace(attr, was=attr.now, now=None) for attr in gone.attrs))
    assert not fires(one, gone, after)
    wanted: list[tuple[Trigger, bool]] = [("entityDeleted", True), ("attributeDeleted", True), ("entityUpdated", False)]
    for trigger, expected in wanted:
        assert fires(replace(one, triggers=frozenset({trigger})), gone, after) is expected
    unwatched = replace(gone, attrs=())
    assert fires(replace(one, triggers=frozenset({"entityDeleted"})), unwatched, after)
    assert not fires(replace(one, triggers=frozenset({"attributeDeleted"})), unwatched, after)
    assert not fires(one, _event([_TYPES[1]], [_NAMES[0]]), after | {"type": [_TYPES[1]]})


def _event(types: list[str], changed: list[str]) -> ChangeEvent:
    attrs = tuple(change_event.AttrChange(name, "", None, {"type": "Property", "value": 1}) for name in sorted(changed))
    return ChangeEvent(
        "default/urn:a:1/2", "default", "urn:a:1", tuple(types), 2, "2026-11-22T00:00:00.000000Z", "updated", attrs, ""
    )
