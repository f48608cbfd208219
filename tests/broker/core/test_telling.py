"""How changes are told: deletions and previous values, in every form (CIM 009 V1.9.1, 4.5.1 to 4.5.4, 5.8.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from broker.core.ids import NULL
from broker.core.query import TRUE
from broker.core.render import EXPANDED, Form, render
from broker.core.subscription import TRIGGERS, Endpoint, Subscriber, Subscription
from broker.core.telling import told

_PLAIN = Subscription(
    id="urn:s:1",
    tenant="default",
    selectors=(),
    watched=None,
    where=TRUE,
    format="normalized",
    sys_attrs=False,
    endpoint=Endpoint("http://r.example"),
    context="",
    subscriber=Subscriber("urn:party:a", "", "vendor", (), ""),
    created_at="2026-01-01T00:00:00.000000Z",
)
_DELETIONS = replace(_PLAIN, triggers=frozenset(TRIGGERS))
_CHANGES = replace(_PLAIN, show_changes=True)
_NS = "https://x.example/"
_VALUES: dict[str, dict[str, Any]] = {
    "Property": {"value": 1},
    "Relationship": {"object": "urn:a:1"},
    "GeoProperty": {"value": {"type": "Point", "coordinates": [1, 2]}},
    "LanguageProperty": {"languageMap": {"en": "one"}},
    "VocabProperty": {"vocab": _NS + "word"},
    "JsonProperty": {"json": {"a": 1}},
    "ListProperty": {"valueList": [1, 2]},
    "ListRelationship": {"objectList": [{"object": "urn:a:1"}]},
}


def _doc(**attrs: Any) -> dict[str, Any]:
    return {"id": "urn:e:1", "type": [_NS + "T"], **{_NS + name: value for name, value in attrs.items()}}


def _property(value: Any, dataset: str | None = None) -> dict[str, Any]:
    return {"type": "Property", "value": value} | ({"datasetId": dataset} if dataset else {})


@pytest.mark.parametrize("kind", _VALUES)
def test_a_deleted_attribute_is_told_in_each_form(kind: str) -> None:
    ((member, value),) = _VALUES[kind].items()
    before, after = _doc(a={"type": kind, member: value}, b=_property(2)), _doc(b=_property(2))
    null = {"@none": NULL} if kind == "LanguageProperty" else NULL

    def shown(subscription: Subscription, form: Form) -> Any:
        return render(told(subscription, before, after), EXPANDED, form)[_NS + "a"]

    assert shown(_DELETIONS, "normalized") == {"type": kind, member: null}
    assert shown(_DELETIONS, "concise") == NULL
    assert shown(_DELETIONS, "simplified") == NULL
    previous = "previous" + member[0].upper() + member[1:]
    assert shown(_CHANGES, "normalized") == {"type": kind, member: null, previous: value}
    assert shown(_CHANGES, "concise") == {member: null, previous: value}
    assert told(_PLAIN, before, after) == after


@pytest.mark.parametrize("kind", _VALUES)
def test_what_an_attribute_was_is_told_where_it_is_another(kind: str) -> None:
    ((member, value),) = _VALUES[kind].items()
    other: Any = [] if member in ("valueList", "objectList") else {"b": 2} if isinstance(value, dict) else "urn:a:2"
    before, after = _doc(a={"type": kind, member: value}), _doc(a={"type": kind, member: other})
    previous = "previous" + member[0].upper() + member[1:]
    assert told(_CHANGES, before, after)[_NS + "a"] == {"type": kind, member: other, previous: value}
    assert told(_DELETIONS, before, after) == after
    unit = _doc(a={"type": kind, member: value, "observedAt": "2026-01-01T00:00:00Z"})
    assert told(_CHANGES, before, unit) == unit
    assert told(_CHANGES, None, after) == after


def test_instances_are_told_one_by_one() -> None:
    before = _doc(a=[_property(1), _property(2, "urn:d:2"), _property(3, "urn:d:3")])
    after = _doc(a=[_property(1), _property(4, "urn:d:2")])
    assert told(_DELETIONS, before, after)[_NS + "a"] == [
        _property(1),
        _property(4, "urn:d:2"),
        _property(NULL, "urn:d:3"),
    ]
    assert told(_CHANGES, before, after)[_NS + "a"] == [
        _property(1),
        _property(4, "urn:d:2") | {"previousValue": 2},
        _property(NULL, "urn:d:3") | {"previousValue": 3},
    ]
    assert told(_DELETIONS, before, _doc())[_NS + "a"] == _property(NULL)
    assert len(told(_CHANGES, before, _doc())[_NS + "a"]) == 3
    simple = render(told(_DELETIONS, before, after), EXPANDED, "simplified")[_NS + "a"]
    assert simple == {"dataset": {"@none": 1, "urn:d:2": 4, "urn:d:3": NULL}}


def test_a_deleted_entity_is_told_by_its_id_unless_more_is_asked_for() -> None:
    before = {**_doc(a=_property(1), b=_property(2)), "scope": ["/a"]}
    bare = {"id": "urn:e:1", "type": [_NS + "T"]}
    assert told(replace(_PLAIN, triggers=frozenset({"entityDeleted"})), before, None) == bare
    assert told(_DELETIONS, before, None) == {**bare, _NS + "a": _property(NULL), _NS + "b": _property(NULL)}
    watching = replace(_DELETIONS, watched=frozenset({_NS + "b", _NS + "c"}))
    assert told(watching, before, None) == {**bare, _NS + "b": _property(NULL)}
    assert told(_CHANGES, before, None) == {
        **bare,
        _NS + "a": _property(NULL) | {"previousValue": 1},
        _NS + "b": _property(NULL) | {"previousValue": 2},
    }
