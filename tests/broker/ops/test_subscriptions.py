"""Validation and presentation of subscriptions (CIM 009 V1.9.1, 5.2.12 to 5.2.15, 5.2.22, 5.2.33, 5.8)."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.core.errors import BadRequestData, NgsiLdError, OperationNotSupported
from broker.core.project import Projection
from broker.core.subscription import Subscriber
from broker.ops.subscriptions import compiled, fragment, read, shown
from broker.store.ledger import Totals
from broker.store.subscriptions import Stored

NOW = "2026-11-22T06:00:00.000000Z"
INSTANT = datetime(2026, 11, 22, 6, tzinfo=UTC)
WHO = Subscriber("urn:party:a", "s", "vendor", (), "")


def _expand(name: str) -> str:
    return name if ":" in name else f"https://x.example/{name}"


def _compact(iri: str) -> str:
    return iri.removeprefix("https://x.example/")


def _valid() -> dict[str, Any]:
    return {
        "type": "Subscription",
        "entities": [{"type": "Vehicle"}],
        "notification": {"endpoint": {"uri": "http://r.example/x"}},
    }


FULL: dict[str, Any] = {
    "id": "urn:ngsi-ld:Subscription:1",
    "type": "Subscription",
    "subscriptionName": "n",
    "description": "d",
    "entities": [
        {"type": "(Vehicle;Bus)|Tram", "id": "urn:ngsi-ld:Vehicle:1"},
        {"type": "Bus", "id": ["urn:a:1", "urn:a:2"], "idPattern": ".*1"},
        {"type": "*"},
    ],
    "watchedAttributes": ["speed"],
    "notificationTrigger": ["entityCreated", "attributeUpdated"],
    "q": 'speed>5;name=="a"',
    "scopeQ": "/a/b",
    "geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [1, 2], "geoproperty": "place"},
    "isActive": True,
    "localOnly": True,
    "expiresAt": "2027-01-01T00:00:00Z",
    "jsonldContext": "https://x.example/context.jsonld",
    "notification": {
        "attributes": ["speed", "name"],
        "format": "concise",
        "endpoint": {
            "uri": "https://r.example/x",
            "accept": "application/ld+json",
            "receiverInfo": [{"key": "Authorization", "value": "Bearer t"}],
            "timeout": 500,
            "cooldown": 100,
        },
    },
}


def _stored(doc: dict[str, Any]) -> Stored:
    return Stored(doc["id"], doc, WHO, INSTANT, INSTANT, None)


def test_what_is_given_comes_back_under_the_same_context() -> None:
    doc = read(copy.deepcopy(FULL), _expand, NOW)
    assert doc["watchedAttributes"] == ["https://x.example/speed"]
    assert shown(_stored(doc), None, _compact, INSTANT) == FULL | {"status": "active"}


def test_an_id_is_made_where_none_is_given() -> None:
    doc = read(_valid(), _expand, NOW)
    assert doc["id"].startswith("urn:ngsi-ld:Subscription:")
    assert read(_valid(), _expand, NOW)["id"] != doc["id"]


def test_read_only_members_are_ignored() -> None:
    given = _valid() | {"status": "expired", "createdAt": "x", "modifiedAt": 1}
    given["notification"] |= {"timesSent": 9, "lastSuccess": "x", "status": "ok"}
    doc = read(given, _expand, NOW)
    assert not {"status", "createdAt", "modifiedAt"} & set(doc)
    assert set(doc["notification"]) == {"endpoint"}


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("", [], "subscription"),
        ("type", "Thing", "type"),
        ("id", "not a uri", "id"),
        ("entities", [], "entities"),
        ("entities", {}, "entities"),
        ("entities.0", "x", "entities[0]"),
        ("entities.0.type", None, "entities[0].type"),
        ("entities.0.type", "a b", "type"),
        ("entities.0.id", "no uri", "entities[0].id"),
        ("entities.0.idPattern", 7, "entities[0].idPattern"),
        ("entities.0.other", 7, "entities[0].other"),
        ("watchedAttributes", [], "watchedAttributes"),
        ("watchedAttributes", [7], "watchedAttributes[0]"),
        ("q", "a===", "q"),
        ("q", "", "q"),
        ("geoQ", {"georel": "near;maxDistance==1"}, "geometry"),
        ("geoQ", {"shape": 1}, "geoQ.shape"),
        ("scopeQ", "//", "scopeQ"),
        ("isActive", "true", "isActive"),
        ("expiresAt", "tomorrow", "expiresAt"),
        ("expiresAt", "2026-01-01T00:00:00Z", "expiresAt"),
        ("jsonldContext", "x", "jsonldContext"),
        ("notificationTrigger", ["never"], "notificationTrigger"),
        ("notification", 7, "notification"),
        ("notification", {}, "notification.endpoint"),
        ("notification.format", "xml", "notification.format"),
        ("notification.attributes", [], "notification.attributes"),
        ("notification.surprise", 1, "notification.surprise"),
        ("notification.endpoint.uri", "ftp://r.example/x", "notification.endpoint.uri"),
        ("notification.endpoint.uri", "http://", "notification.endpoint.uri"),
        ("notification.endpoint.accept", "text/html", "notification.endpoint.accept"),
        ("notification.endpoint.timeout", 0, "notification.endpoint.timeout"),
        ("notification.endpoint.timeout", True, "notification.endpoint.timeout"),
        ("notification.endpoint.surprise", 1, "notification.endpoint.surprise"),
        ("notification.endpoint.receiverInfo", [{"key": "a"}], "notification.endpoint.receiverInfo[0]"),
        ("notification.endpoint.receiverInfo", [{"key": "a b", "value": ""}], "receiverInfo[0].key"),
        ("notification.endpoint.receiverInfo", [{"key": "Host", "value": "x"}], "receiverInfo[0].key"),
        ("notification.endpoint.receiverInfo", [{"key": "a", "value": "x\r\nb: c"}], "receiverInfo[0].value"),
        ("datasetId", ["no uri"], "datasetId[0]"),
        ("datasetId", [], "datasetId"),
        ("lang", "en;;", "lang"),
        ("csf", "a===", "csf"),
        ("notification.pick", ["a b"], "notification.pick[0]"),
        ("notification.omit", [], "notification.omit"),
        ("notification.showChanges", "true", "notification.showChanges"),
        ("timeInterval", 0, "timeInterval"),
        ("timeInterval", "5", "timeInterval"),
        ("timeInterval", True, "timeInterval"),
        ("timeInterval", 1e10, "timeInterval"),
        ("throttling", -30, "throttling"),
        ("throttling", "5", "throttling"),
        ("surprise", 1, "surprise"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, named: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        read(_changed(path, value), _expand, NOW)
    assert named in caught.value.detail


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("csf", "a==1", "csf"),
        ("splitEntities", True, "splitEntities"),
        ("ngsildConformance", "1.3", "ngsildConformance"),
        ("notification.pick", ["stop{name}"], "notification.pick[0]"),
        ("notification.join", "flat", "notification.join"),
        ("notification.sysAttrs", True, "notification.sysAttrs"),
        ("notification.endpoint.uri", "mqtt://r.example/x", "notification.endpoint.uri"),
        ("notification.endpoint.notifierInfo", [{"key": "a", "value": "b"}], "notification.endpoint.notifierInfo"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(path: str, value: Any, named: str) -> None:
    with pytest.raises(OperationNotSupported) as caught:
        read(_changed(path, value), _expand, NOW)
    assert named in caught.value.detail


def test_what_a_notification_holds_is_kept_and_shown_and_has_to_go_together() -> None:
    given = _valid() | {"datasetId": ["urn:a:b", "@none"], "lang": "fr-CH,en;q=0.5"}
    given["notification"] |= {"pick": ["id", "speed", "name,scope"], "omit": ["level"]}
    doc = read(given, _expand, NOW)
    found = compiled("t", _stored(doc))
    assert found.projection == Projection(
        frozenset({"id", "scope", "https://x.example/speed", "https://x.example/name"}),
        frozenset({"https://x.example/level"}),
        None,
        frozenset({"urn:a:b", ""}),
    )
    assert found.languages == (("fr-ch", 1.0), ("en", 0.5))
    given["notification"]["pick"] = ["id", "speed", "name", "scope"]
    seen = shown(_stored(doc), None, _compact, INSTANT)
    assert {name: seen[name] for name in ("datasetId", "lang", "notification")} == {
        name: given[name] for name in ("datasetId", "lang", "notification")
    }
    changed = fragment(doc, {"notification": {"pick": None, "omit": None, "attributes": ["speed"]}}, _expand, NOW)
    assert changed["notification"].keys() == {"endpoint", "attributes"}
    for params, named in (
        ({"attributes": ["speed"]}, "notification.attributes"),
        ({"omit": ["speed"]}, "notification.omit"),
    ):
        with pytest.raises(BadRequestData) as caught:
            fragment(doc, {"notification": params}, _expand, NOW)
        assert caught.value.detail.startswith(named)


@pytest.mark.parametrize(
    "more", [{"notificationTrigger": ["entityCreated", "attributeDeleted"]}, {"notification": {"showChanges": True}}]
)
def test_a_throttled_notification_cannot_show_single_changes(more: dict[str, Any]) -> None:
    given = _valid() | {"throttling": 5}
    given["notification"] |= more.get("notification", {})
    with pytest.raises(OperationNotSupported) as caught:
        read(more | given, _expand, NOW)
    assert caught.value.detail.startswith("throttling: beside ")
    del given["throttling"]
    doc = read(more | given, _expand, NOW)
    with pytest.raises(OperationNotSupported):
        fragment(doc, {"throttling": 5}, _expand, NOW)


def test_previous_values_need_a_form_that_has_room_for_them() -> None:
    given = _valid()
    given["notification"] |= {"showChanges": True, "format": "keyValues"}
    with pytest.raises(BadRequestData) as caught:
        read(given, _expand, NOW)
    assert caught.value.detail.startswith("notification.showChanges: ")


def test_a_periodic_subscription_watches_no_attributes() -> None:
    given = _valid() | {"timeInterval": 2.5}
    doc = read(given, _expand, NOW)
    assert (doc["timeInterval"], compiled("t", _stored(doc)).interval_s) == (2.5, 2.5)
    assert compiled("t", _stored(doc | {"timeInterval": 0.1})).interval_s == 1.0
    assert shown(_stored(doc), None, _compact, INSTANT)["timeInterval"] == 2.5
    for data, before in (({"watchedAttributes": ["speed"]}, doc), ({"timeInterval": 5}, read(FULL, _expand, NOW))):
        with pytest.raises(BadRequestData) as caught:
            fragment(before, data, _expand, NOW)
        assert caught.value.detail == "timeInterval: cannot stand beside watchedAttributes (5.2.12)"
    with pytest.raises(BadRequestData) as caught:
        read(given | {"throttling": 30}, _expand, NOW)
    assert caught.value.detail == "timeInterval: cannot stand beside throttling (5.2.12)"
    assert "timeInterval" not in fragment(doc, {"timeInterval": None}, _expand, NOW)
    without = {name: value for name, value in given.items() if name != "entities"}
    with pytest.raises(BadRequestData) as caught:
        read(without, _expand, NOW)
    assert caught.value.detail.startswith("entities: ")
    assert read(without | {"localOnly": True}, _expand, NOW)["timeInterval"] == 2.5


@pytest.mark.parametrize("missing", ["type", "entities", "notification"])
def test_what_is_missing_is_named(missing: str) -> None:
    given = _valid()
    del given[missing]
    with pytest.raises(BadRequestData) as caught:
        read(given, _expand, NOW)
    assert missing in caught.value.detail


def test_local_subscriptions_need_no_entities() -> None:
    given = _valid() | {"localOnly": True}
    del given["entities"]
    assert "entities" not in read(given, _expand, NOW)


def test_a_fragment_changes_what_it_names_and_removes_what_it_nulls() -> None:
    doc = read(copy.deepcopy(FULL), _expand, NOW)
    changed = fragment(
        doc,
        {"type": "Subscription", "q": None, "isActive": False, "notification": {"format": "normalized"}},
        _expand,
        NOW,
    )
    assert "q" not in changed
    assert changed["isActive"] is False
    assert changed["notification"]["format"] == "normalized"
    assert changed["notification"]["attributes"] == doc["notification"]["attributes"]
    assert changed["notification"]["endpoint"] == doc["notification"]["endpoint"]
    assert compiled("t", _stored(changed)).status(NOW) == "paused"


@pytest.mark.parametrize(
    ("data", "named"),
    [({"id": "urn:a:other"}, "id"), ({"notification": None}, "notification"), ({"type": None}, "type")],
)
def test_a_fragment_cannot_take_what_is_mandatory(data: dict[str, Any], named: str) -> None:
    doc = read(copy.deepcopy(FULL), _expand, NOW)
    with pytest.raises(NgsiLdError) as caught:
        fragment(doc, data, _expand, NOW)
    assert caught.value.detail.startswith(named)


def test_status_and_bookkeeping() -> None:
    doc = read(copy.deepcopy(FULL), _expand, NOW)
    late = datetime(2027, 2, 1, tzinfo=UTC)
    totals = Totals(5, 3, 1, 1, 4, 1, late, late, INSTANT)
    found = shown(_stored(doc), totals, _compact, late)
    assert found["status"] == "expired"
    assert {name: found["notification"][name] for name in ("timesSent", "timesFailed", "status")} == {
        "timesSent": 4,
        "timesFailed": 1,
        "status": "ok",
    }
    assert found["notification"]["lastSuccess"] == "2027-02-01T00:00:00Z"
    assert found["notification"]["lastFailure"] == "2026-11-22T06:00:00Z"


def _changed(path: str, value: Any) -> Any:
    if not path:
        return value
    given: Any = _valid()
    at = given
    *above, last = path.split(".")
    for step in above:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is None:
        del at[last]
    elif last.isdigit():
        at[int(last)] = value
    else:
        at[last] = value
    return given
