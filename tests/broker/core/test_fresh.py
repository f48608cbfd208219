"""A new entity built at once is what the draft makes of it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import fresh, patch
from broker.core.draft import Draft
from broker.core.entity import Doc
from broker.core.ids import NULL
from broker.core.patch import Change, ChangeKind, Result
from tests.strategies.entities import NS, docs

NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)
REQUESTS: list[ChangeKind] = ["create", "upsert_replace", "upsert_update"]


def drafted(change: Change) -> Result:
    """Go the long way."""
    draft = Draft(None, change, NOW, None)
    if change.received_at is None:
        patch._write(draft, change, lambda _: True)
    else:
        patch._ingest(draft, change)
    return draft.result()


@st.composite
def changes(draw: st.DrawFn) -> Change:
    doc = draw(docs(ids=st.just("urn:x:a")))
    if draw(st.integers(0, 9)) == 0:
        doc[NS + "vocab"] = {"type": "VocabProperty", "vocab": NS + "free"}
    if draw(st.booleans()):
        return Change(draw(st.sampled_from(REQUESTS)), "urn:x:a", doc, cause="http:1", overwrite=draw(st.booleans()))
    minute = draw(st.integers(0, 40))
    return Change("ingest_merge", "urn:x:a", doc, f"2026-01-01T00:{minute:02}:00.5Z", "feed/0/1/0", "ingest:feed")


@settings(max_examples=500, deadline=None)
@given(changes())
def test_it_is_what_the_draft_makes_of_it(change: Change) -> None:
    before = copy.deepcopy(change)
    found = fresh.create(change, NOW)
    assert change == before
    attributes = [value for name, value in (change.doc or {}).items() if name not in ("type", "scope")]
    several = any(isinstance(value, list) for value in attributes)
    assert (found is None) == several
    if found is not None:
        assert found == drafted(change)
        assert list(found.row.names if found.row else ()) == [one.name for one in found.attrs]


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Property", "value": "x" * 500},
        {"type": "Property", "value": "x" * 501},
        {"type": "Property", "value": "x" * 501, "unitCode": "C62", "observedAt": "2026-01-01T00:00:00Z"},
        {"type": "Relationship", "object": "urn:x:" + "y" * 494},
        {"type": "Relationship", "object": "urn:x:" + "y" * 495},
        {"type": "Relationship", "object": "urn:x:b", "objectType": [NS + "T"]},
        {"type": "Property", "value": 1, "lang": "en"},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1.5, 2]}},
        {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [1, 2]},
            "observedAt": "2026-01-01T00:00:00Z",
        },
        {"type": "Property", "value": {"type": "Point", "coordinates": [1.5, 2]}},
    ],
    ids=range(10),
)
def test_each_shape_is_what_the_draft_makes_of_it(value: Any) -> None:
    other = {"type": "Property", "value": 1, "observedAt": "2026-01-01T00:00:00Z"}
    doc: Doc = {"id": "urn:x:a", "type": [NS + "T"], NS + "a": value, NS + "b": other, NS + "c": value}
    change = Change("create", "urn:x:a", doc)
    assert fresh.create(change, NOW) == drafted(change)


@settings(max_examples=200, deadline=None)
@given(changes(), changes())
def test_what_comes_after_it_alters_nothing_that_attributes_share(first: Change, second: Change) -> None:
    made, slow = fresh.create(first, NOW), drafted(first)
    if made is None or made.row is None:
        return
    before = copy.deepcopy(made.row)
    assert patch.apply(made.row, second, NOW) == patch.apply(slow.row, second, NOW)
    assert made.row == before


@pytest.mark.parametrize(
    "change",
    [
        Change("upsert_update", "urn:x:a", {"id": "urn:x:a", "type": [NS + "T"], "expiresAt": "2027-01-01T00:00:00Z"}),
        Change("upsert_update", "urn:x:a", {"id": "urn:x:a", NS + "a": {"type": "Property", "value": 1}}),
        Change("ingest_replace", "urn:x:a", {"id": "urn:x:a", "type": [NS + "T"]}, "2026-01-01T00:00:00Z", "f/0/0/0"),
        Change("delete", "urn:x:a", None, "2026-01-01T00:00:00Z", "f/0/0/0"),
    ],
)
def test_what_it_leaves_to_the_draft(change: Change) -> None:
    assert fresh.create(change, NOW) is None


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Property", "value": NULL},
        {"type": "Relationship", "object": NULL},
        {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
    ],
)
def test_a_null_is_left_to_the_draft(value: Any) -> None:
    doc: Doc = {"id": "urn:x:a", "type": [NS + "T"], NS + "a": value}
    change = Change("upsert_update", "urn:x:a", doc)
    assert fresh.create(change, NOW) is None
    result = patch.apply(None, change, NOW)
    assert result.row is not None
    assert result.row.names == []
