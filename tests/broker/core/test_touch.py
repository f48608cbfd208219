"""Attributes put into a row at once are what the draft makes of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from broker.core import patch, touch
from broker.core.draft import Draft
from broker.core.entity import Doc
from broker.core.errors import NgsiLdError
from broker.core.ids import NULL
from broker.core.patch import Change, ChangeKind, Result, Row
from tests.strategies.entities import NS, docs, instances

NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
ONE = "urn:x:a"
TYPE = NS + "T"
REQUESTS: list[ChangeKind] = ["upsert_update", "append", "update", "merge", "replace"]
_NAMES = [NS + "a", NS + "b", "https://uri.etsi.org/ngsi-ld/location"]


def drafted(row: Row, change: Change, now: datetime) -> Result:
    """Go the long way."""
    draft = Draft(row, change, now, None)
    if change.received_at is not None:
        patch._ingest(draft, change)
        return draft.result()
    expired = draft.expire()
    patch._ON_ROWS.get(change.kind, patch._write)(draft, change, patch._everything)
    if expired:
        draft.history = patch.distinct(draft.history)
    return draft.result()


@st.composite
def plain(draw: st.DrawFn) -> dict[str, Any]:
    """Instances as feeds write most: few values and instants, so that they repeat and meet."""
    found: dict[str, Any] = {"type": "Property", "value": draw(st.sampled_from([1, 2.5, "x", "y" * 501, True]))}
    if draw(st.booleans()):
        found["observedAt"] = f"2026-01-01T00:0{draw(st.integers(0, 3))}:00Z"
    if draw(st.integers(0, 3)) == 0:
        found["unitCode"] = "CEL"
    if draw(st.integers(0, 9)) == 0:
        return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [draw(st.integers(0, 2)), 2]}}
    return found


@st.composite
def fragments(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = draw(st.one_of(plain(), instances()))
    if draw(st.booleans()):
        found = {name: value for name, value in found.items() if name != "type"}
    if draw(st.integers(0, 9)) == 0:
        found["observedAt"] = NULL
    return found


@st.composite
def changes(draw: st.DrawFn) -> Change:
    doc: Doc = {"id": ONE, "type": [TYPE]}
    if draw(st.integers(0, 3)) == 0:
        doc = draw(docs(ids=st.just(ONE)))
    for name in draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=3)):
        doc[name] = draw(plain())
    if draw(st.booleans()):
        minute = draw(st.integers(0, 4))
        kind: ChangeKind = draw(st.sampled_from(["ingest_merge"] * 6 + ["ingest_replace"]))
        return Change(kind, ONE, doc, f"2026-01-01T00:0{minute}:00.5Z", f"feed/0/{draw(st.integers(0, 2))}/0", "i")
    if draw(st.booleans()):
        fragment = {
            name: draw(fragments()) for name in draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=2))
        }
        return Change("partial_update", ONE, fragment, cause="http:1")
    if draw(st.booleans()):
        del doc["type"]
    return Change(draw(st.sampled_from(REQUESTS)), ONE, doc, cause="http:1", overwrite=draw(st.integers(0, 4)) > 0)


def _texts(result: Result) -> bytes:
    """Write what is stored, in its order."""
    row = result.row
    columns = (row.types, row.names, row.segs, row.vals, row.meta) if row is not None else None
    return orjson.dumps([columns, list(map(list, result.history)), list(map(list, result.attrs))])


@settings(max_examples=700, deadline=None)
@given(docs(ids=st.just(ONE)), st.lists(changes(), min_size=1, max_size=5))
def test_it_is_what_the_draft_makes_of_it(first: Doc, following: list[Change]) -> None:
    made = patch.apply(
        None, Change("create", ONE, {**first, "type": [TYPE], NS + "a": {"type": "Property", "value": 1}}), NOW
    )
    row = made.row
    for turn, change in enumerate(following, 1):
        if row is None:
            return
        now = NOW + timedelta(seconds=turn)
        before = copy.deepcopy((row, change))
        wanted, fault = _tried(drafted, row, change, now)
        found, refused = _tried(touch.put, row, change, now)
        if refused is not None:
            assert refused == fault
            continue
        assert (row, change) == before
        event(f"{change.kind}: {'at once' if found is not None else 'drafted'}")
        if found is not None:
            assert found == wanted
            assert wanted is not None
            assert _texts(found) == _texts(wanted)
        if wanted is not None:
            row = wanted.row or (None if wanted.outcome == "deleted" else row)


def _tried(
    way: Callable[[Row, Change, datetime], Result | None], row: Row, change: Change, now: datetime
) -> tuple[Result | None, str | None]:
    try:
        return way(row, change, now), None
    except NgsiLdError as error:
        return None, error.detail


def _row(**attrs: Any) -> Row:
    made = patch.apply(None, Change("create", ONE, {"id": ONE, "type": [TYPE], **attrs}), NOW).row
    assert made is not None
    return made


PLAIN = {NS + "a": {"type": "Property", "value": 1}}


@pytest.mark.parametrize(
    "change",
    [
        Change("partial_update", ONE, {NS + "a": {"value": 2}}),
        Change("update", ONE, {NS + "a": {"type": "Property", "value": 2}}),
        Change("append", ONE, {NS + "b": {"type": "Property", "value": 2}}),
        Change("upsert_update", ONE, {"id": ONE, "type": [TYPE], NS + "a": {"type": "Property", "value": 2}}),
        Change("ingest_merge", ONE, {"id": ONE, "type": [TYPE], **PLAIN}, "2027-01-01T00:00:00Z", "f/0/1/0"),
    ],
    ids=lambda change: change.kind,
)
def test_what_most_changes_are_is_put_at_once(change: Change) -> None:
    row = _row(**PLAIN)
    assert touch.put(row, change, NOW) == drafted(row, change, NOW)


@pytest.mark.parametrize(
    "change",
    [
        Change("partial_update", ONE, {NS + "a": {"value": NULL}}),
        Change("partial_update", ONE, {NS + "missing": {"value": 2}}),
        Change("partial_update", ONE, {NS + "a": {"value": 2, "datasetId": "urn:d:1"}}),
        Change("append", ONE, {NS + "a": {"type": "Property", "value": 2}}, overwrite=False),
        Change("update", ONE, {NS + "a": {"type": "Property", "value": 2, "expiresAt": "2027-01-01T00:00:00Z"}}),
        Change("update", ONE, {"type": [TYPE + "2"]}),
        Change("update", ONE, {"scope": ["/a"]}),
        Change("merge", ONE, {NS + "a": {"type": "Property", "value": 2}}),
        Change("delete", ONE),
    ],
    ids=range(9),
)
def test_what_is_special_is_left_to_the_draft(change: Change) -> None:
    assert touch.put(_row(**PLAIN), change, NOW) is None


def test_rows_with_books_are_left_to_the_draft() -> None:
    change = Change("update", ONE, {NS + "a": {"type": "Property", "value": 2}})
    row = _row(**PLAIN)
    for book in ("@gone", "@transient"):
        assert (
            touch.put(replace(row, meta={**row.meta, book: {"x ": ["2026-01-01T00:00:00Z", "", ""]}}), change, NOW)
            is None
        )
