"""Subscriptions as requests write them, to what is stored: checked, in expanded form (CIM 009 V1.9.1, 5.2.12, 5.8.1).

A member that this broker does not act on is refused by name, never stored and forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from uuid_utils import uuid7

from broker.core import times
from broker.core.errors import BadRequestData, OperationNotSupported
from broker.core.ids import parse_entity_id, parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.print_q import print_q, print_scope, print_type
from broker.core.project import parse_languages
from broker.core.query import TRUE, GeoRel
from broker.core.subscription import TRIGGERS
from broker.ops.members import Expand, array, flag, json_object, names, positive, text
from broker.ops.notification_input import check_projection, notification_params

__all__ = ["condition", "fragment", "georel", "read"]

_LATER: Final = ("temporalQ", "csf", "expandValues", "jsonKeys", "ngsildConformance", "splitEntities")
_READ_ONLY: Final = ("status", "createdAt", "modifiedAt", "@context")
_DELETIONS: Final = ("entityUpdated", "entityDeleted", "attributeDeleted")
_LONGEST_S: Final = 1e9


def read(data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Validate a Subscription and return it in expanded form, with an id (5.8.1). Errors name the member."""
    given = json_object(data, "subscription")
    _only_known(given)
    if given.get("type") != "Subscription":
        raise BadRequestData("type: must be Subscription")
    found: dict[str, Any] = {
        "id": parse_uri(given["id"], "id") if "id" in given else f"urn:ngsi-ld:Subscription:{uuid7()}",
        "type": "Subscription",
        **_members(given, expand, now),
    }
    if "notification" not in found:
        raise BadRequestData("notification: missing")
    _go_together(found)
    return found


def fragment(stored: dict[str, Any], data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Merge a Subscription Fragment into a stored subscription (5.8.2); null removes a member that is not mandatory."""
    given = json_object(data, "subscription")
    _only_known(given)
    if given.get("type", "Subscription") != "Subscription":
        raise BadRequestData("type: must be Subscription")
    if given.get("id", stored["id"]) != stored["id"]:
        raise BadRequestData("id: cannot be changed")
    gone = {name for name, value in given.items() if value is None or value == "urn:ngsi-ld:null"}
    for name in gone & {"id", "type", "notification"}:
        raise BadRequestData(f"{name}: is mandatory and cannot be removed")
    changed = dict(given)
    if isinstance(given.get("notification"), dict):
        changed["notification"] = {
            k: v
            for k, v in ({"endpoint": stored["notification"]["endpoint"]} | given["notification"]).items()
            if v is not None
        }
    members = _members({name: value for name, value in changed.items() if name not in gone}, expand, now)
    if "notification" in members:
        kept = {
            name: value
            for name, value in stored["notification"].items()
            if given["notification"].get(name, 0) is not None
        }
        members["notification"] = kept | members["notification"]
    found = {name: value for name, value in (stored | members).items() if name not in gone}
    _go_together(found)
    return found


def _go_together(found: Mapping[str, Any]) -> None:
    check_projection(found.get("notification", {}), "notification")
    if "entities" not in found and "watchedAttributes" not in found and not found.get("localOnly"):
        raise BadRequestData("entities: at least one of entities and watchedAttributes is needed")
    if "throttling" in found:
        _summed_up(found)
    if "timeInterval" in found:
        for name in ("watchedAttributes", "throttling"):
            if name in found:
                raise BadRequestData(f"timeInterval: cannot stand beside {name} (5.2.12)")


def _summed_up(found: Mapping[str, Any]) -> None:
    """Refuse what cannot be told of several changes at once: a throttled notification shows entities as they stand."""
    deletion = next((one for one in found.get("notificationTrigger", ()) if one in _DELETIONS), None)
    if deletion is not None:
        raise OperationNotSupported(f"throttling: beside the notificationTrigger {deletion} is not supported")
    if found.get("notification", {}).get("showChanges"):
        raise OperationNotSupported("throttling: beside notification.showChanges is not supported")


def _only_known(given: Mapping[str, Any]) -> None:
    known = {"id", "type", *_READ_ONLY, *_READERS, *_LATER}
    for name in given:
        if name not in known:
            raise BadRequestData(f"{name}: a Subscription has no such member (5.2.12)")
    if isinstance(given.get("csf"), str):
        try:
            parse_q(given["csf"], str)
        except BadRequestData as error:
            raise BadRequestData(f"csf: {error.detail.removeprefix('q: ')}") from error
    for name in _LATER:
        if given.get(name) is not None and not (name == "splitEntities" and given[name] is False):
            raise OperationNotSupported(f"{name}: subscriptions with this member are not supported")


def _members(given: Mapping[str, Any], expand: Expand, now: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, reader in _READERS.items():
        if name in given:
            found[name] = reader(given[name], name, expand)
    if found.get("expiresAt", "~") <= now:
        raise BadRequestData("expiresAt: lies in the past")
    return found


def _entities(value: Any, name: str, expand: Expand) -> list[dict[str, Any]]:
    return [_selector(one, f"{name}[{at}]", expand) for at, one in enumerate(array(value, name))]


def _selector(value: Any, where: str, expand: Expand) -> dict[str, Any]:
    given = json_object(value, where)
    unknown = next((name for name in given if name not in ("type", "id", "idPattern")), None)
    if unknown is not None:
        raise BadRequestData(f"{where}.{unknown}: an EntitySelector has no such member (5.2.33)")
    if "type" not in given:
        raise BadRequestData(f"{where}.type: missing")
    found: dict[str, Any] = {"type": _type(text(given["type"], f"{where}.type"), expand)}
    if "id" in given:
        ids = given["id"] if isinstance(given["id"], list) else [given["id"]]
        found["id"] = [parse_entity_id(one, f"{where}.id") for one in array(ids, f"{where}.id")]
    if "idPattern" in given:
        found["idPattern"] = text(given["idPattern"], f"{where}.idPattern")
        pattern(found["idPattern"])
    return found


def _type(text: str, expand: Expand) -> str:
    node = parse_type(text, expand)
    return "*" if node == TRUE else print_type(node)


def condition(value: Any, name: str, expand: Expand) -> str:
    """Check a condition in the query language (4.9) and return it with expanded names."""
    node = parse_q(text(value, name), expand)
    printed = print_q(node)
    if parse_q(printed, str) != node:
        raise BadRequestData(f"{name}: cannot be kept in full names; say it more simply")
    return printed


def _geo(value: Any, name: str, expand: Expand) -> dict[str, Any]:
    given = json_object(value, name)
    unknown = next((one for one in given if one not in ("geometry", "coordinates", "georel", "geoproperty")), None)
    if unknown is not None:
        raise BadRequestData(f"{name}.{unknown}: a GeoQuery has no such member (5.2.13)")
    node = georel(given, expand)
    found = dict(given)
    if node is not None and "geoproperty" in given:
        found["geoproperty"] = node.attr
    return found


def _datasets(value: Any, name: str, _: Expand) -> list[str]:
    return [one if one == "@none" else parse_uri(one, f"{name}[{at}]") for at, one in enumerate(array(value, name))]


def _lang(value: Any, name: str, _: Expand) -> str:
    said = text(value, name)
    parse_languages(said)
    return said


def _triggers(value: Any, name: str, expand: Expand) -> list[str]:
    for one in array(value, name):
        if one not in TRIGGERS:
            raise BadRequestData(f"{name}: {one!r:.40} is none of {', '.join(TRIGGERS)}")
    return cast("list[str]", value)


def georel(given: Mapping[str, Any], expand: Expand) -> GeoRel | None:
    """Read a GeoQuery (5.2.13)."""
    return parse_geo(
        given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
    )


_READERS: Final[Mapping[str, Callable[[Any, str, Expand], Any]]] = {
    "subscriptionName": text,
    "description": text,
    "entities": _entities,
    "watchedAttributes": names,
    "notificationTrigger": _triggers,
    "q": condition,
    "geoQ": _geo,
    "scopeQ": lambda value, name, _: print_scope(parse_scope(text(value, name))),
    "datasetId": _datasets,
    "lang": _lang,
    "notification": notification_params,
    "throttling": lambda value, name, _: positive(value, name, "seconds", _LONGEST_S),
    "timeInterval": lambda value, name, _: positive(value, name, "seconds", _LONGEST_S),
    "isActive": flag,
    "localOnly": flag,
    "expiresAt": lambda value, name, _: times.parse(value, name),
    "jsonldContext": lambda value, name, _: parse_uri(value, name),
}
