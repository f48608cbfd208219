"""Subscriptions: create, retrieve, query, update, delete (CIM 009 V1.9.1, 5.2.12, 5.8.1 to 5.8.5).

What is stored is the subscription in expanded form; what a subscriber gets back is compacted with the @context of the
request. A member that this broker does not act on is refused by name, never stored and forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from uuid_utils import uuid7

from broker.core import times
from broker.core.errors import (
    AlreadyExists,
    BadRequestData,
    OperationNotSupported,
    ResourceNotFound,
    TooManyResults,
)
from broker.core.ids import parse_entity_id, parse_uri
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.pattern import pattern
from broker.core.print_q import print_q, print_scope, print_type
from broker.core.query import TRUE, And, GeoRel, Node
from broker.core.subscription import (
    DEFAULT_TRIGGERS,
    TRIGGERS,
    Endpoint,
    Selector,
    Subscriber,
    Subscription,
    Trigger,
)
from broker.store import subscriptions as rows
from broker.store.ledger import Totals
from broker.store.pool import Conn
from broker.store.subscriptions import Stored

__all__ = [
    "MOST_PER_PARTY",
    "compiled",
    "count",
    "create",
    "delete",
    "fragment",
    "page",
    "read",
    "retrieve",
    "shown",
    "update",
]

Expand = Callable[[str], str]

MOST_PER_PARTY: Final = 1000
_MOST_NAMES: Final = 200
_LATER: Final = ("temporalQ", "csf", "datasetId", "expandValues", "jsonKeys", "lang", "ngsildConformance")
_LATER_TOO: Final = ("splitEntities", "throttling", "timeInterval")
_READ_ONLY: Final = ("status", "createdAt", "modifiedAt", "@context")
_NOTIFICATION_OUT: Final = (
    "lastFailure",
    "lastNotification",
    "lastSuccess",
    "status",
    "timesFailed",
    "timesSent",
)
_TRIGGERS_NOW: Final = ("entityCreated", "attributeCreated", "attributeUpdated")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_TEXT: Final = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,4096}")
_OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "link", "upgrade", "te", "trailer"}
)


# ---- what comes in


def read(data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Validate a Subscription and return it in expanded form, with an id (5.8.1). Errors name the member."""
    given = _object(data, "subscription")
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
    if "entities" not in found and "watchedAttributes" not in found and not found.get("localOnly"):
        raise BadRequestData("entities: at least one of entities and watchedAttributes is needed")
    return found


def fragment(stored: dict[str, Any], data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Merge a Subscription Fragment into a stored subscription (5.8.2); null removes a member that is not mandatory."""
    given = _object(data, "subscription")
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
        members["notification"] = stored["notification"] | members["notification"]
    found = {name: value for name, value in (stored | members).items() if name not in gone}
    if "entities" not in found and "watchedAttributes" not in found and not found.get("localOnly"):
        raise BadRequestData("entities: at least one of entities and watchedAttributes is needed")
    return found


def _only_known(given: Mapping[str, Any]) -> None:
    known = {"id", "type", *_READ_ONLY, *_READERS, *_LATER, *_LATER_TOO}
    for name in given:
        if name not in known:
            raise BadRequestData(f"{name}: a Subscription has no such member (5.2.12)")
    for name in (*_LATER, *_LATER_TOO):
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
    return [_selector(one, f"{name}[{at}]", expand) for at, one in enumerate(_array(value, name))]


def _selector(value: Any, where: str, expand: Expand) -> dict[str, Any]:
    given = _object(value, where)
    unknown = next((name for name in given if name not in ("type", "id", "idPattern")), None)
    if unknown is not None:
        raise BadRequestData(f"{where}.{unknown}: an EntitySelector has no such member (5.2.33)")
    if "type" not in given:
        raise BadRequestData(f"{where}.type: missing")
    found: dict[str, Any] = {"type": _type(_text(given["type"], f"{where}.type"), expand)}
    if "id" in given:
        ids = given["id"] if isinstance(given["id"], list) else [given["id"]]
        found["id"] = [parse_entity_id(one, f"{where}.id") for one in _array(ids, f"{where}.id")]
    if "idPattern" in given:
        found["idPattern"] = _text(given["idPattern"], f"{where}.idPattern")
        pattern(found["idPattern"])
    return found


def _type(text: str, expand: Expand) -> str:
    node = parse_type(text, expand)
    return "*" if node == TRUE else print_type(node)


def _names(value: Any, name: str, expand: Expand) -> list[str]:
    items = [_text(one, f"{name}[{at}]") for at, one in enumerate(_array(value, name))]
    return list(dict.fromkeys(expand(one) for one in items))


def _q(value: Any, name: str, expand: Expand) -> str:
    node = parse_q(_text(value, name), expand)
    printed = print_q(node)
    if parse_q(printed, str) != node:
        raise BadRequestData(f"{name}: cannot be kept in full names; say it more simply")
    return printed


def _geo(value: Any, name: str, expand: Expand) -> dict[str, Any]:
    given = _object(value, name)
    unknown = next((one for one in given if one not in ("geometry", "coordinates", "georel", "geoproperty")), None)
    if unknown is not None:
        raise BadRequestData(f"{name}.{unknown}: a GeoQuery has no such member (5.2.13)")
    node = _georel(given, expand)
    found = dict(given)
    if node is not None and "geoproperty" in given:
        found["geoproperty"] = node.attr
    return found


def _georel(given: Mapping[str, Any], expand: Expand) -> GeoRel | None:
    return parse_geo(
        given.get("georel"), given.get("geometry"), given.get("coordinates"), given.get("geoproperty"), expand
    )


def _triggers(value: Any, name: str, expand: Expand) -> list[str]:
    for one in _array(value, name):
        if one not in TRIGGERS:
            raise BadRequestData(f"{name}: {one!r:.40} is none of {', '.join(TRIGGERS)}")
        if one not in _TRIGGERS_NOW:
            raise OperationNotSupported(f"{name}: {one} is not supported; {', '.join(_TRIGGERS_NOW)} are")
    return cast("list[str]", value)


def _notification(value: Any, name: str, expand: Expand) -> dict[str, Any]:
    given = _object(value, name)
    found: dict[str, Any] = {}
    for member, one in given.items():
        where = f"{name}.{member}"
        if member == "attributes":
            found[member] = _names(one, where, expand)
        elif member == "format":
            if one not in ("normalized", "concise", "simplified", "keyValues"):
                raise BadRequestData(f"{where}: must be normalized, concise, simplified or keyValues")
            found[member] = "simplified" if one == "keyValues" else one
        elif member == "endpoint":
            found[member] = _endpoint(one, where)
        elif member in ("pick", "omit", "join", "joinLevel", "showChanges", "sysAttrs"):
            if one not in (False, "@none"):
                raise OperationNotSupported(f"{where}: notifications with this member are not supported")
        elif member not in _NOTIFICATION_OUT:
            raise BadRequestData(f"{where}: NotificationParams has no such member (5.2.14)")
    if "endpoint" not in found:
        raise BadRequestData(f"{name}.endpoint: missing")
    return found


def _endpoint(value: Any, where: str) -> dict[str, Any]:
    given = _object(value, where)
    uri = parse_uri(given.get("uri"), f"{where}.uri")
    scheme = uri.partition(":")[0].lower()
    if scheme in ("mqtt", "mqtts"):
        raise OperationNotSupported(f"{where}.uri: {scheme} notifications are not supported; http and https are")
    if scheme not in ("http", "https") or not uri.partition("://")[2].strip("/"):
        raise BadRequestData(f"{where}.uri: must be an http or https URL with a host")
    found: dict[str, Any] = {"uri": uri}
    for member, one in given.items():
        at = f"{where}.{member}"
        if member == "accept":
            if one == "application/geo+json":
                raise OperationNotSupported(f"{at}: {one} is not supported")
            if one not in ("application/json", "application/ld+json"):
                raise BadRequestData(f"{at}: must be application/json or application/ld+json")
            found[member] = one
        elif member == "receiverInfo":
            found[member] = [_pair(item, f"{at}[{n}]") for n, item in enumerate(_array(one, at))]
        elif member in ("timeout", "cooldown"):
            if isinstance(one, bool) or not isinstance(one, int | float) or one <= 0:
                raise BadRequestData(f"{at}: must be a number of milliseconds greater than 0")
            found[member] = one
        elif member == "notifierInfo":
            raise OperationNotSupported(f"{at}: is for bindings other than HTTP, which are not supported")
        elif member != "uri":
            raise BadRequestData(f"{at}: an Endpoint has no such member (5.2.15)")
    return found


def _pair(value: Any, where: str) -> dict[str, str]:
    given = _object(value, where)
    if given.keys() != {"key", "value"}:
        raise BadRequestData(f"{where}: needs key and value, and nothing else (5.2.22)")
    key, text = _text(given["key"], f"{where}.key"), given["value"]
    if _TOKEN.fullmatch(key) is None:
        raise BadRequestData(f"{where}.key: cannot name an HTTP header")
    if key.lower() in _OWN_HEADERS:
        raise BadRequestData(f"{where}.key: {key} is set by the broker itself")
    if not isinstance(text, str) or _TEXT.fullmatch(text) is None:
        raise BadRequestData(f"{where}.value: cannot be the value of an HTTP header")
    return {"key": key, "value": text}


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData(f"{name}: must be a JSON object")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_NAMES:
        raise BadRequestData(f"{name}: must be an array of 1 to {_MOST_NAMES} items")
    return value


def _text(value: Any, name: str, _: Any = None) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 8192:
        raise BadRequestData(f"{name}: must be a string, not empty")
    return value


def _flag(value: Any, name: str, _: Any = None) -> bool:
    if not isinstance(value, bool):
        raise BadRequestData(f"{name}: must be true or false")
    return value


_READERS: Final[Mapping[str, Callable[[Any, str, Expand], Any]]] = {
    "subscriptionName": _text,
    "description": _text,
    "entities": _entities,
    "watchedAttributes": _names,
    "notificationTrigger": _triggers,
    "q": _q,
    "geoQ": _geo,
    "scopeQ": lambda value, name, _: print_scope(parse_scope(_text(value, name))),
    "notification": _notification,
    "isActive": _flag,
    "localOnly": _flag,
    "expiresAt": lambda value, name, _: times.parse(value, name),
    "jsonldContext": lambda value, name, _: parse_uri(value, name),
}


# ---- what it means


def compiled(tenant: str, stored: Stored) -> Subscription:
    """Make a stored subscription ready for matching."""
    doc = stored.doc
    notification = doc["notification"]
    endpoint = notification["endpoint"]
    conditions: list[Node] = []
    if "q" in doc:
        conditions.append(parse_q(doc["q"], str))
    if "scopeQ" in doc:
        conditions.append(parse_scope(doc["scopeQ"]))
    if "geoQ" in doc:
        node = _georel(doc["geoQ"], str)
        if node is not None:
            conditions.append(node)
    watched = doc.get("watchedAttributes")
    attributes = notification.get("attributes")
    return Subscription(
        id=stored.id,
        tenant=tenant,
        selectors=tuple(
            Selector(parse_type(one["type"], str), tuple(one.get("id", ())), one.get("idPattern"))
            for one in doc.get("entities", ())
        ),
        watched=None if watched is None else frozenset(watched),
        where=conditions[0] if len(conditions) == 1 else And(tuple(conditions)),
        attributes=None if attributes is None else tuple(attributes),
        format=notification.get("format", "normalized"),
        sys_attrs=False,
        endpoint=Endpoint(
            endpoint["uri"],
            endpoint.get("accept", "application/json"),
            tuple((pair["key"], pair["value"]) for pair in endpoint.get("receiverInfo", ())),
            endpoint["timeout"] / 1000 if "timeout" in endpoint else None,
            endpoint["cooldown"] / 1000 if "cooldown" in endpoint else None,
        ),
        context=doc.get("jsonldContext", ""),
        subscriber=stored.subscriber,
        created_at=times.of(stored.created_at),
        expires_at=doc.get("expiresAt"),
        active=doc.get("isActive", True),
        triggers=frozenset(cast("list[Trigger]", doc.get("notificationTrigger", DEFAULT_TRIGGERS))),
    )


# ---- the operations


async def create(conn: Conn, doc: dict[str, Any], who: Subscriber, now: datetime) -> str:
    """Store a subscription (5.8.1) and return its id. `conn` is the tenant's, in a transaction."""
    if await rows.count(conn, who.party) >= MOST_PER_PARTY:
        raise TooManyResults(f"subscriptions: a party has at most {MOST_PER_PARTY}; delete one first")
    if not await rows.insert(conn, Stored(doc["id"], doc, who, now, now, _expiry(doc))):
        raise AlreadyExists(f"id: there is a subscription {doc['id']} already")
    return cast(str, doc["id"])


async def retrieve(conn: Conn, id: str, party: str) -> Stored:
    """Return a subscription of the party (5.8.3); another's does not exist for it."""
    found = await rows.one(conn, id)
    if found is None or found.subscriber.party != party:
        raise ResourceNotFound(f"id: there is no subscription {id}")
    return found


async def page(conn: Conn, party: str, limit: int, offset: int) -> list[Stored]:
    """Return a page of the party's subscriptions (5.8.4)."""
    return await rows.page(conn, party, limit, offset)


async def count(conn: Conn, party: str) -> int:
    """Count the party's subscriptions."""
    return await rows.count(conn, party)


async def update(
    conn: Conn, id: str, party: str, merge: Callable[[dict[str, Any]], dict[str, Any]], now: datetime
) -> None:
    """Change a subscription of the party (5.8.2); `merge` makes the new document of the old one."""
    found = await rows.lock(conn, id)
    if found is None or found.subscriber.party != party:
        raise ResourceNotFound(f"id: there is no subscription {id}")
    doc = merge(found.doc)
    await rows.update(conn, id, doc, now, _expiry(doc))


async def delete(conn: Conn, id: str, party: str) -> None:
    """Delete a subscription of the party (5.8.5); what is still owed to it is settled as dead."""
    await retrieve(conn, id, party)
    await rows.delete(conn, id)


def _expiry(doc: Mapping[str, Any]) -> datetime | None:
    return times.to_datetime(doc["expiresAt"]) if "expiresAt" in doc else None


# ---- what goes out


def shown(stored: Stored, totals: Totals | None, name: Callable[[str], str], now: datetime) -> dict[str, Any]:
    """Return a subscription as an answer shows it; `name` compacts an IRI. No `@context` in it."""
    doc = dict(stored.doc)
    if "entities" in doc:
        doc["entities"] = [_shown_selector(one, name) for one in doc["entities"]]
    if "watchedAttributes" in doc:
        doc["watchedAttributes"] = [name(one) for one in doc["watchedAttributes"]]
    if "q" in doc:
        doc["q"] = print_q(parse_q(doc["q"], str), name)
    if "geoproperty" in doc.get("geoQ", {}):
        doc["geoQ"] = doc["geoQ"] | {"geoproperty": name(doc["geoQ"]["geoproperty"])}
    if "expiresAt" in doc:
        doc["expiresAt"] = times.shown(doc["expiresAt"])
    notification = dict(doc["notification"])
    if "attributes" in notification:
        notification["attributes"] = [name(one) for one in notification["attributes"]]
    doc["notification"] = notification | _bookkeeping(totals)
    doc["isActive"] = doc.get("isActive", True)
    doc["status"] = compiled("", stored).status(times.of(now.astimezone(UTC)))
    return doc


def _shown_selector(one: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    found = dict(one)
    if found["type"] != "*":
        found["type"] = print_type(parse_type(found["type"], str), name)
    if "id" in found and len(found["id"]) == 1:
        found["id"] = found["id"][0]
    return found


def _bookkeeping(totals: Totals | None) -> dict[str, Any]:
    if totals is None or not totals.sent:
        return {}
    found: dict[str, Any] = {"timesSent": totals.sent}
    if totals.failed:
        found["timesFailed"] = totals.failed
    for member, at in (
        ("lastNotification", totals.last_notification),
        ("lastSuccess", totals.last_success),
        ("lastFailure", totals.last_failure),
    ):
        if at is not None:
            found[member] = times.shown(times.of(at))
    succeeded = totals.last_success is not None and totals.last_success == totals.last_notification
    return found | {"status": "ok" if succeeded else "failed"}
