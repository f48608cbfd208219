"""Each operation on attributes against a plain dictionary: {(attribute, datasetId): instance}, types and scope.

The model is written from the clauses alone (5.5.8, 5.5.12, 5.6.2 to 5.6.5, 5.6.17 to 5.6.19, 5.6.21) and shares no code
with the product. A merge is RFC 7396 on the instance's JSON.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.access import AttrSet
from broker.core.errors import BadRequestData, NgsiLdError, ResourceNotFound
from broker.core.patch import Change, ChangeKind, Result
from tests.broker.core.test_patch import Store, check_columns

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NS = "https://city.example/def/"
NAMES = [NS + "a", NS + "b", NS + "c"]
NULL = "urn:ngsi-ld:null"
DATASETS = ["", "urn:d:1", "urn:d:2"]
MEMBER = {
    "Property": "value",
    "Relationship": "object",
    "GeoProperty": "value",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
Slot = tuple[str, str]
EXAMPLES = 3000 if os.environ.get("DATAPOLIS_PROVE") == "1" else 60


class Missing(Exception):
    """404."""


class Wrong(Exception):
    """400."""


@dataclass
class Model:
    """The entity as the clauses see it."""

    types: set[str] = field(default_factory=set)
    scope: list[str] | None = None
    slots: dict[Slot, dict[str, Any]] = field(default_factory=dict)

    def run(self, op: str, arguments: dict[str, Any]) -> None:
        """Do the operation or raise."""
        before = copy.deepcopy((self.types, self.scope, self.slots))
        try:
            getattr(self, op)(**copy.deepcopy(arguments))
        except (Missing, Wrong):
            self.types, self.scope, self.slots = before
            raise

    def append(self, types: set[str], scope: list[str] | None, slots: dict[Slot, Any], overwrite: bool) -> None:
        for slot, one in slots.items():
            if overwrite or slot not in self.slots:
                self.slots[slot] = one
        self.types |= types
        if scope is not None and (overwrite or self.scope is None):
            self.scope = scope
        elif scope is not None and self.scope is not None:
            self.scope += [one for one in scope if one not in self.scope]

    def update(self, types: set[str], scope: list[str] | None, slots: dict[Slot, Any]) -> None:
        for slot, one in slots.items():
            if one[MEMBER[one["type"]]] == NULL:
                self.slots.pop(slot, None)
            else:
                self.slots[slot] = one
        self.types |= types
        if scope is not None and self.scope is not None:
            self.scope = scope

    def replace(self, types: set[str], scope: list[str] | None, slots: dict[Slot, Any]) -> None:
        self.types, self.scope, self.slots = types, scope, slots

    def merge(self, types: set[str], scope: list[str] | None, slots: dict[Slot, Any]) -> None:
        for slot, one in slots.items():
            self._merge_one(slot, one)
        self.types |= types
        if scope is not None:
            self.scope = scope

    def _merge_one(self, slot: Slot, fragment: dict[str, Any]) -> None:
        patch = nulls(fragment)
        if patch == NULL:
            self.slots.pop(slot, None)
            return
        stored = self.slots.get(slot)
        if stored is not None and conflicts(stored, patch):
            raise Wrong
        self.slots[slot] = rfc7396(stored, patch)

    def partial_update(self, slot: Slot, fragment: dict[str, Any]) -> None:
        stored = self.slots.get(slot)
        if stored is None:
            raise Missing
        patch = nulls(fragment)
        if patch == NULL:
            del self.slots[slot]
            return
        if fragment.get("type", stored["type"]) != stored["type"]:
            raise Wrong
        if set(fragment) & set(MEMBER.values()) - {MEMBER[stored["type"]]}:
            raise Wrong
        for member, value in patch.items():
            if value == NULL:
                stored.pop(member, None)
            else:
                stored[member] = value
        if stored["type"] == "GeoProperty" and "coordinates" not in dict_of(stored["value"]):
            raise Wrong
        if "unitCode" in stored and stored["type"] not in ("Property", "GeoProperty", "ListProperty"):
            raise Wrong

    def replace_attribute(self, slot: Slot, one: dict[str, Any]) -> None:
        if slot not in self.slots:
            raise Missing
        self.slots[slot] = one

    def delete_attribute(self, name: str, dataset: str | None) -> None:
        if name == "scope":
            if self.scope is None:
                raise Missing
            self.scope = None
            return
        found = [slot for slot in self.slots if slot[0] == name and dataset in (None, slot[1])]
        if not found:
            raise Missing
        for slot in found:
            del self.slots[slot]

    def drop(self, names: set[str], keep: bool, hidden: set[str]) -> None:
        self.slots = {slot: one for slot, one in self.slots.items() if slot[0] in hidden or (slot[0] in names) is keep}


def dict_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def nulls(value: Any) -> Any:
    """Turn whole attributes that are marked as null into plain nulls."""
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    members = [MEMBER[kind]] if kind in MEMBER else [one for one in MEMBER.values() if one in value]
    if any(value.get(one) in (NULL, [NULL], {"@none": NULL}) for one in members):
        return NULL
    return {key: nulls(one) if key.startswith(NS) else one for key, one in value.items()}


def conflicts(stored: dict[str, Any], patch: dict[str, Any]) -> bool:
    """Say whether the patch would change an attribute's type, here or in a sub-attribute."""
    if patch.get("type", stored["type"]) != stored["type"]:
        return True
    return any(
        key.startswith(NS) and isinstance(one, dict) and key in stored and conflicts(stored[key], one)
        for key, one in patch.items()
    )


def rfc7396(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value == NULL:
            result.pop(key, None)
        elif patch.get("type") == "GeoProperty" and key == "value":
            result[key] = value
        else:
            result[key] = rfc7396(result.get(key), value)
    return result


# ---- generators

NUMBERS = st.integers(0, 3)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from([NS + "x", NS + "y"]), NUMBERS, min_size=1, max_size=2),
    lambda inner: st.dictionaries(st.sampled_from([NS + "x", NS + "y"]), inner, min_size=1, max_size=2),
    max_leaves=3,
)
POINTS = NUMBERS.map(lambda n: {"type": "Point", "coordinates": [n, n]})
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Property": NUMBERS | OBJECTS | st.lists(NUMBERS, max_size=2),
    "Relationship": NUMBERS.map(lambda n: f"urn:x:{n}"),
    "GeoProperty": POINTS,
    "LanguageProperty": st.dictionaries(st.sampled_from(["en", "fr"]), st.sampled_from(["p", "q"]), min_size=1),
    "VocabProperty": NUMBERS.map(lambda n: f"{NS}v{n}"),
    "JsonProperty": OBJECTS,
    "ListProperty": st.lists(NUMBERS, min_size=1, max_size=3),
    "ListRelationship": st.lists(NUMBERS.map(lambda n: {"object": f"urn:x:{n}"}), min_size=1, max_size=2),
}
KINDS = st.sampled_from(["Property"] * 4 + list(MEMBER))


@st.composite
def whole(draw: st.DrawFn, dataset: str = "", depth: int = 0) -> dict[str, Any]:
    """A whole instance."""
    kind = draw(KINDS)
    one: dict[str, Any] = {"type": kind, MEMBER[kind]: draw(VALUES[kind])}
    if draw(st.integers(0, 2)) == 0:
        one["observedAt"] = f"2026-01-01T00:00:0{draw(NUMBERS)}Z"
    if kind == "Property" and draw(st.booleans()):
        one["unitCode"] = draw(st.sampled_from(["CEL", "KMH"]))
    if depth == 0 and draw(st.integers(0, 2)) == 0:
        one[NS + "sub"] = draw(whole(depth=1))
    if dataset:
        one["datasetId"] = dataset
    return one


@st.composite
def fragment(draw: st.DrawFn, dataset: str, *, typed: bool, deep: bool) -> dict[str, Any]:
    """Members of an instance, some of them null."""
    one = draw(whole(dataset))
    member = MEMBER[one["type"]]
    what = draw(st.integers(0, 6))
    if what == 0:
        one[member] = NULL
    elif what == 1 and "unitCode" in one:
        one["unitCode"] = NULL
    elif what == 2 and "observedAt" in one:
        one["observedAt"] = NULL
    elif what == 3 and NS + "sub" in one:
        one[NS + "sub"] = {"type": "Property", "value": NULL}
    elif what == 4 and deep and isinstance(one[member], dict) and one["type"] in ("Property", "JsonProperty"):
        one[member][draw(st.sampled_from([NS + "x", NS + "y"]))] = NULL
    if not typed and draw(st.booleans()):
        del one["type"]
    return one


@st.composite
def slots(draw: st.DrawFn, how: str) -> dict[Slot, dict[str, Any]]:
    keys = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(DATASETS)), unique=True, max_size=4))
    found = {}
    for name, dataset in keys:
        if how == "merge":
            found[name, dataset] = draw(fragment(dataset, typed=True, deep=True))
        else:
            one = draw(whole(dataset))
            if how == "update" and draw(st.integers(0, 3)) == 0:
                one[MEMBER[one["type"]]] = NULL
            found[name, dataset] = one
    return found


@st.composite
def operation(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    op = draw(st.sampled_from(OPERATIONS))
    slot = (draw(st.sampled_from(NAMES)), draw(st.sampled_from(DATASETS)))
    if op == "partial_update":
        return op, {"slot": slot, "fragment": draw(fragment(slot[1], typed=False, deep=False))}
    if op == "replace_attribute":
        return op, {"slot": slot, "one": draw(whole(slot[1]))}
    if op == "delete_attribute":
        return op, {
            "name": draw(st.sampled_from([*NAMES, "scope"])),
            "dataset": draw(st.sampled_from([*DATASETS, None])),
        }
    if op == "drop":
        names = draw(st.sets(st.sampled_from(NAMES)))
        return op, {"names": names, "keep": draw(st.booleans()), "hidden": draw(st.sets(st.sampled_from(NAMES)))}
    body: dict[str, Any] = {
        "types": draw(st.sets(st.sampled_from([NS + "T", NS + "U"]), min_size=op == "replace")),
        "scope": draw(st.none() | st.lists(st.sampled_from(["/a", "/b", "/c"]), min_size=1, unique=True)),
        "slots": draw(slots(op)),
    }
    return op, body | ({"overwrite": draw(st.booleans())} if op == "append" else {})


OPERATIONS = ["append", "update", "replace", "merge", "partial_update", "replace_attribute", "delete_attribute", "drop"]


def doc_of(types: set[str], scope: list[str] | None, found: dict[Slot, dict[str, Any]]) -> dict[str, Any]:
    doc: dict[str, Any] = {"id": "urn:x:a"}
    if types:
        doc["type"] = sorted(types)
    if scope is not None:
        doc["scope"] = scope
    for (name, _), one in found.items():
        doc.setdefault(name, []).append(one)
    return doc


def apply(store: Store, op: str, arguments: dict[str, Any], now: datetime) -> Result:
    given = copy.deepcopy(arguments)
    if op in ("append", "update", "replace", "merge"):
        doc = doc_of(given["types"], given["scope"], given["slots"])
        return store.apply(Change(cast(ChangeKind, op), "urn:x:a", doc, overwrite=given.get("overwrite", True)), now)
    if op == "delete_attribute":
        return store.apply(Change("delete_attribute", "urn:x:a", attr=given["name"], dataset_id=given["dataset"]), now)
    if op == "drop":
        hidden = given["hidden"]
        change = Change("drop", "urn:x:a", dropped=AttrSet(frozenset(given["names"]), complement=given["keep"]))
        return store.apply(change, now, lambda name: name not in hidden)
    name, _ = given["slot"]
    one = given.get("fragment", given.get("one"))
    return store.apply(
        Change("partial_update" if "fragment" in given else "replace_attribute", "urn:x:a", {name: one}), now
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(slots("append"), st.lists(operation(), min_size=1, max_size=6))
def test_every_operation_does_what_the_clauses_say(
    first: dict[Slot, dict[str, Any]], operations: list[tuple[str, dict[str, Any]]]
) -> None:
    store, model = Store(), Model({NS + "T"}, None, copy.deepcopy(first))
    store.apply(Change("create", "urn:x:a", doc_of({NS + "T"}, None, first)), NOW)
    for at, (op, arguments) in enumerate(operations):
        outcome: Any = None
        try:
            apply(store, op, arguments, NOW + timedelta(seconds=at + 1))
        except NgsiLdError as error:
            outcome = type(error)
        expected: Any = None
        try:
            model.run(op, arguments)
        except Missing:
            expected = ResourceNotFound
        except Wrong:
            expected = BadRequestData
        assert outcome is expected, (op, arguments, model)
        seen = store.seen()
        assert seen is not None
        assert (set(seen[0]), seen[1], seen[3]) == (model.types, model.scope, model.slots)
    check_columns(store)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(slots("append"), operation())
def test_what_an_operation_removes_stays_away_whatever_a_feed_observed_before(
    first: dict[Slot, dict[str, Any]], done: tuple[str, dict[str, Any]]
) -> None:
    """And each removal is in the history, as deleted."""
    store = Store()
    store.apply(Change("create", "urn:x:a", doc_of({NS + "T"}, None, first)), NOW)
    try:
        result = apply(store, *done, NOW + timedelta(seconds=1))
    except NgsiLdError:
        return
    state = store.seen()
    assert state is not None
    removed = set(first) - set(state[3])
    assert {(one.attr, one.dataset_id) for one in result.history if one.kind == "deleted"} == removed
    for name, dataset in removed:
        one = first[name, dataset] | {"observedAt": "2026-01-02T00:00:00.500Z"}
        late = Change(
            "ingest_merge",
            "urn:x:a",
            doc_of({NS + "T"}, None, {(name, dataset): one}),
            "2026-01-02T00:01:00Z",
            "f/0/0/0",
        )
        store.apply(late, NOW + timedelta(minutes=1))
        found = store.seen()
        assert found is not None
        assert (name, dataset) not in found[3]
        newer = first[name, dataset] | {"observedAt": "2026-01-02T00:00:02Z"}
        fresh = Change(
            "ingest_merge",
            "urn:x:a",
            doc_of({NS + "T"}, None, {(name, dataset): newer}),
            "2026-01-02T00:02:00Z",
            "f/0/1/0",
        )
        store.apply(fresh, NOW + timedelta(minutes=2))
        found = store.seen()
        assert found is not None
        assert found[3][name, dataset] == newer
