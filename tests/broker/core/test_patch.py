"""How writes change an entity: the apply rule as a function of the set of envelopes, and requests' writes."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import patch, segments, times
from broker.core.entity import ENTITY_MEMBERS, LOCATION, Doc, dataset_of, instances
from broker.core.ids import NULL
from broker.core.patch import Change, HistoryRow, Result, Row, Tombstone
from tests.strategies.entities import docs

NOW = datetime(2026, 1, 2, tzinfo=UTC)
T = "https://city.example/def/temperature"
S = "https://city.example/def/speed"
VEHICLE = "https://city.example/def/Vehicle"


@dataclass
class Store:
    """What the database does around `patch.apply`, for one entity."""

    row: Row | None = None
    tombstone: Tombstone | None = None
    geo: dict[str, bytes] = field(default_factory=dict)
    history: dict[tuple[str, str, str], HistoryRow] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def apply(self, change: Change, now: datetime = NOW, shows: patch.Shows | None = None) -> Result:
        before = copy.deepcopy(self.row)
        try:
            result = patch.apply(self.row, change, now, self.tombstone, shows)
        finally:
            assert self.row == before, "the stored row was altered"
        self.results.append(result)
        for one in result.history:
            key = (one.attr, one.dataset_id, one.observed_at)
            stored = self.history.get(key)
            if stored is None or (stored.received_at, stored.event) <= (one.received_at, one.event):
                self.history[key] = one
        if result.row is not None:
            self.row = result.row
        if result.outcome == "deleted":
            self.row = None
        if result.tombstone is not None:
            self.tombstone = result.tombstone
        if result.row is None and result.outcome != "deleted":
            assert not result.geo
        for name, shape in result.geo.items():
            if shape is None:
                self.geo.pop(name, None)
            else:
                self.geo[name] = shape
        return result

    def seen(self) -> tuple[Any, ...] | None:
        """The current state, as far as it must not depend on order."""
        if self.row is None:
            return None
        flat = {
            (name, dataset_of(one)): one
            for name, text in zip(self.row.names, self.row.segs, strict=True)
            for one in instances(segments.parse(text))
        }
        return (sorted(self.row.types), self.row.scopes, self.row.expires_at, flat)


@dataclass(frozen=True)
class Arrival:
    """An envelope as far as the apply rule reads it."""

    op: str
    doc: Doc
    received_at: str
    event: str

    def change(self) -> Change:
        kinds: dict[str, patch.ChangeKind] = {"merge": "ingest_merge", "replace": "ingest_replace", "delete": "delete"}
        doc = None if self.op == "delete" else self.doc
        return Change(kinds[self.op], "urn:x:a", doc, self.received_at, self.event)


def expected_state(arrivals: list[Arrival]) -> tuple[Any, ...] | None:
    """Work the state out from the set of arrivals, with no thought of order: the oracle."""
    whole = {a.event: (canonical(a.received_at), canonical(a.received_at), a.event) for a in arrivals}
    floor = max((whole[a.event] for a in arrivals if a.op != "merge"), default=("", "", ""))
    best: dict[tuple[str, str], tuple[Any, Any]] = {}
    types: set[str] = set()
    scope: tuple[Any, Any] = (floor, None)
    expiry: tuple[Any, Any] = (floor, None)
    for a in arrivals:
        if a.op == "delete":
            continue
        top = whole[a.event]
        for name, value in a.doc.items():
            for one in instances(value) if name not in ENTITY_MEMBERS else []:
                key = (canonical(one.get("observedAt", a.received_at)), canonical(a.received_at), a.event)
                if a.op == "replace":
                    key = max(key, whole[a.event])
                top = max(top, key)
                slot = (name, dataset_of(one))
                if key >= floor and (slot not in best or best[slot][0] <= key):
                    best[slot] = (key, one)
        if top >= floor:
            types |= set(a.doc["type"])
            if "scope" in a.doc and top >= scope[0]:
                scope = (top, a.doc["scope"])
            if "expiresAt" in a.doc and top >= expiry[0]:
                expiry = (top, times.to_datetime(canonical(a.doc["expiresAt"])))
    if not types:
        return None
    return (sorted(types), scope[1], expiry[1], {slot: one for slot, (_, one) in best.items()})


def expected_history(arrivals: list[Arrival]) -> dict[tuple[str, str, str], tuple[str, str, str, Any]]:
    found: dict[tuple[str, str, str], tuple[str, str, str, Any]] = {}

    def add(key: tuple[str, str, str], value: tuple[str, str, str, Any]) -> None:
        if key not in found or found[key][:2] <= value[:2]:
            found[key] = value

    for a in arrivals:
        received = canonical(a.received_at)
        if a.op != "merge":
            kind = "replaced" if a.op == "replace" else "deleted"
            add(("", "", received), (received, a.event, kind, None))
        if a.op == "delete":
            continue
        for name, value in a.doc.items():
            for one in instances(value) if name not in ENTITY_MEMBERS else []:
                observed = canonical(one.get("observedAt", a.received_at))
                add((name, dataset_of(one), observed), (received, a.event, "value", one))
        if "scope" in a.doc:
            since = max([received, *(canonical(one["observedAt"]) for one in parts(a.doc) if "observedAt" in one)])
            scope = {"type": "Property", "value": a.doc["scope"], "observedAt": times.shown(since)}
            add(("@scope", "", since), (received, a.event, "value", scope))
    return found


def parts(doc: Doc) -> list[Any]:
    return [one for name, value in doc.items() if name not in ENTITY_MEMBERS for one in instances(value)]


def canonical(text: str) -> str:
    found = times.canonical(text)
    assert found is not None
    return found


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    found = []
    for n in range(draw(st.integers(1, 6))):
        doc = draw(docs(ids=st.just("urn:x:a")))
        if draw(st.integers(0, 5)) == 0:
            doc["expiresAt"] = f"2027-01-0{draw(st.integers(1, 3))}T00:00:00Z"
        op = draw(st.sampled_from(["merge", "merge", "merge", "replace", "delete"]))
        minute = draw(st.integers(0, 40))
        found.append(Arrival(op, doc, f"2026-01-01T00:{minute:02}:00Z", f"feed/0/{n}/0"))
    return found


@settings(max_examples=150, deadline=None)
@given(arrivals(), st.integers(0, 2**32))
def test_any_order_and_duplication_of_envelopes_gives_the_same_state_and_history(
    given_arrivals: list[Arrival], seed: int
) -> None:
    shuffled = list(given_arrivals)
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    order.shuffle(shuffled)
    repeated = shuffled + order.choices(given_arrivals, k=len(given_arrivals))
    for order_of_arrival in (given_arrivals, shuffled, repeated):
        store = Store()
        for at, one in enumerate(order_of_arrival):
            store.apply(one.change(), NOW + timedelta(seconds=at))
        assert store.seen() == expected_state(given_arrivals)
        history = {
            key: (row.received_at, row.event, row.kind, None if row.body is None else segments.parse(row.body))
            for key, row in store.history.items()
        }
        assert history == expected_history(given_arrivals)
        check_columns(store)


def check_columns(store: Store) -> None:
    """The columns say what the document says, and every event follows from the one before."""
    versions = [result.version for result in store.results if result.op is not None]
    assert versions == list(range(1, len(versions) + 1))
    state: dict[tuple[str, str], str] = {}
    for result in store.results:
        for attr in result.attrs:
            assert state.pop((attr.name, attr.dataset_id), None) == attr.was
            if attr.now is not None:
                state[attr.name, attr.dataset_id] = attr.now
    if store.row is None:
        assert not state
        return
    row = store.row
    split = segments.segments(segments.doc(row.id, row.types, row.scopes, row.names, row.segs))
    assert split.segs == row.segs
    assert split.vals == row.vals
    assert split.geo == store.geo
    live = {(name, dataset): segments.segment(one) for (name, dataset), one in (store.seen() or ())[3].items()}
    assert state == live
    assert {(name, dataset) for name in row.names for dataset in row.meta[name]} == set(live)


def merge(value: Any, observed: str | None, received: str, event: str, name: str = T) -> Change:
    one = {"type": "Property", "value": value} | ({"observedAt": observed} if observed else {})
    return Change("ingest_merge", "urn:x:a", {"id": "urn:x:a", "type": [VEHICLE], name: one}, received, event)


def test_an_older_observation_enters_history_alone() -> None:
    store = Store()
    assert store.apply(merge(2, "2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z", "f/0/0/0")).outcome == "created"
    late = store.apply(merge(1, "2026-01-01T00:01:00Z", "2026-01-01T00:03:00Z", "f/0/0/0"))
    assert (late.outcome, late.row, late.op, late.version) == ("noop", None, None, 1)
    assert [one.observed_at for one in late.history] == ["2026-01-01T00:01:00.000000Z"]
    assert store.row is not None
    assert store.row.vals == {T: 2}
    assert store.row.version == 1


def test_a_duplicate_changes_nothing() -> None:
    store = Store()
    change = merge(2, "2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z", "f/0/0/0")
    store.apply(change)
    again = store.apply(change, NOW + timedelta(hours=1))
    assert (again.outcome, again.row, again.attrs) == ("noop", None, [])
    assert len(store.history) == 1


def test_the_same_event_remapped_replaces_what_it_said() -> None:
    store = Store()
    store.apply(merge(2, "2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z", "f/0/0/0"))
    result = store.apply(merge(3, "2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z", "f/0/0/0"))
    assert result.outcome == "updated"
    assert [segments.parse(one.body or "") for one in store.history.values()] == [
        {"type": "Property", "value": 3, "observedAt": "2026-01-01T00:02:00Z"}
    ]


def test_untouched_segments_stay_the_texts_they_were() -> None:
    store = Store()
    store.apply(merge(2, None, "2026-01-01T00:03:00Z", "f/0/0/0"))
    assert store.row is not None
    text = store.row.segs[0]
    store.apply(merge(9, None, "2026-01-01T00:04:00Z", "f/0/1/0", name=S))
    assert store.row.names == [T, S]
    assert store.row.segs[0] is text
    assert [attr.name for attr in store.results[-1].attrs] == [S]


def request(kind: patch.ChangeKind, doc: Doc | None = None, *, overwrite: bool = True) -> Change:
    return Change(kind, "urn:x:a", doc, overwrite=overwrite)


def entity(**attrs: Any) -> Doc:
    return {"id": "urn:x:a", "type": [VEHICLE], **{T if name == "t" else S: one for name, one in attrs.items()}}


def number(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


def test_create_twice_conflicts_and_delete_of_nothing_is_missing() -> None:
    store = Store()
    assert store.apply(request("delete")).outcome == "missing"
    assert store.apply(request("create", entity(t=number(1)))).outcome == "created"
    second = store.apply(request("create", entity(t=number(2))))
    assert (second.outcome, second.row, second.history) == ("conflict", None, [])
    assert store.row is not None
    assert store.row.vals == {T: 1}


def test_a_request_takes_effect_whatever_a_feed_said() -> None:
    store = Store()
    store.apply(merge(1, "2026-01-01T09:00:00Z", "2026-01-01T09:00:00Z", "f/0/0/0"))
    earlier = datetime(2026, 1, 1, 8, tzinfo=UTC)
    result = store.apply(request("upsert_update", entity(t=number(5))), earlier)
    assert result.outcome == "updated"
    assert store.row is not None
    assert store.row.vals == {T: 5}
    assert [(a.name, a.dataset_id) for a in result.attrs] == [(T, "")]
    assert [one.observed_at for one in result.history] == ["2026-01-01T08:00:00.000000Z"]


def test_replace_by_request_drops_the_rest_and_late_data_does_not_bring_it_back() -> None:
    store = Store()
    store.apply(merge(1, None, "2026-01-01T09:00:00Z", "f/0/0/0", name=S))
    result = store.apply(request("upsert_replace", entity(t=number(5))))
    assert result.outcome == "updated"
    assert store.row is not None
    assert store.row.names == [T]
    assert [(a.name, a.now is None) for a in result.attrs] == [(S, True), (T, False)]
    assert [(one.attr, one.kind) for one in result.history] == [(S, "deleted"), (T, "value")]
    late = store.apply(merge(2, None, "2026-01-01T09:30:00Z", "f/0/1/0", name=S))
    assert late.outcome == "noop"
    assert store.row.names == [T]


def test_delete_leaves_a_tombstone_and_versions_go_on() -> None:
    store = Store()
    store.apply(request("create", entity(t=number(1))))
    gone = store.apply(request("delete"))
    assert (gone.outcome, gone.version, gone.row) == ("deleted", 2, None)
    assert [(one.attr, one.kind) for one in gone.history] == [("", "deleted"), (T, "deleted")]
    assert store.apply(merge(1, None, "2026-01-01T00:00:00Z", "f/0/0/0")).outcome == "noop"
    back = store.apply(request("create", entity(t=number(3))), NOW + timedelta(seconds=1))
    assert (back.outcome, back.version) == ("created", 3)


def test_update_adds_instances_by_dataset_and_null_removes_one() -> None:
    store = Store()
    store.apply(request("create", entity(t=number(1))))
    store.apply(request("upsert_update", entity(t=[number(2, datasetId="urn:d:1")])))
    assert store.row is not None
    assert segments.parse(store.row.segs[0]) == [number(1), number(2, datasetId="urn:d:1")]
    assert store.row.vals == {T: []}
    result = store.apply(request("upsert_update", entity(t=[number(NULL, datasetId="urn:d:1")])))
    assert segments.parse(store.row.segs[0]) == number(1)
    assert store.row.vals == {T: 1}
    assert [(a.dataset_id, a.now) for a in result.attrs] == [("urn:d:1", None)]
    assert set(store.row.meta[T]) == {""}


def test_update_without_overwrite_leaves_what_is_there() -> None:
    store = Store()
    store.apply(request("create", entity(t=number(1))))
    result = store.apply(request("upsert_update", entity(t=number(2), s=number(3)), overwrite=False))
    assert store.row is not None
    assert store.row.vals == {T: 1, S: 3}
    assert [a.name for a in result.attrs] == [S]


def test_created_at_stays_and_modified_at_moves() -> None:
    store = Store()
    store.apply(request("create", entity(t=number(1), s=number(1))))
    store.apply(request("upsert_update", entity(t=number(2))), NOW + timedelta(hours=1))
    assert store.row is not None
    assert store.row.created_at == NOW
    assert store.row.modified_at == NOW + timedelta(hours=1)
    assert store.row.meta[T][""][1:3] == ["2026-01-02T00:00:00.000000Z", "2026-01-02T01:00:00.000000Z"]
    assert store.row.meta[S][""][1:3] == ["2026-01-02T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"]


def test_a_geometry_goes_with_its_attribute() -> None:
    store = Store()
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [2.5, 41.0]}}
    result = store.apply(request("create", {**entity(t=number(1)), LOCATION: place}))
    shape = result.geo[LOCATION]
    assert shape is not None
    assert shape.hex() == "0101000020e610000000000000000004400000000000804440"
    result = store.apply(request("upsert_replace", entity(t=number(1))))
    assert result.geo == {LOCATION: None}


def test_distinct_keeps_the_highest_per_key() -> None:
    def row(observed: str, received: str, event: str) -> HistoryRow:
        return HistoryRow("urn:x:a", T, "", observed, received, event, "{}")

    rows = [row("1", "1", "a"), row("1", "2", "a"), row("1", "1", "b"), row("2", "1", "a")]
    assert patch.distinct(rows) == [row("1", "2", "a"), row("2", "1", "a")]
