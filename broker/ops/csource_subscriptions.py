"""Subscriptions to registrations: create, retrieve, query, update, delete (CIM 009 V1.9.1, 5.11.2 to 5.11.6).

They share their data type (5.2.12) and its validation with other subscriptions. What differs: `temporalQ`, `csf` and
`datasetId` select registrations; members that say how entities are watched and shown (`notificationTrigger`, `lang`,
`expandValues`, `jsonKeys`, `splitEntities`, `notification.format`) are valid and kept, and have no say here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from broker.core.csource_subscription import CsourceSubscription, Seen
from broker.core.entity import ENTITY_MEMBERS
from broker.core.errors import AlreadyExists, BadRequestData, OperationNotSupported, ResourceNotFound, TooManyResults
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_time import TemporalQuery, parse_time
from broker.core.print_q import print_q
from broker.core.query import TRUE
from broker.core.registration import Asked
from broker.core.registration_access import Reach
from broker.core.subscription import Subscriber
from broker.ops import subscription_input, subscriptions
from broker.ops.members import Expand, array, flag, json_object, text
from broker.ops.subscription_input import condition, georel
from broker.ops.subscriptions import MOST_PER_PARTY, expiry
from broker.store import csource_subscriptions as rows
from broker.store import registration_search
from broker.store.csource_subscriptions import Watched
from broker.store.ledger import Totals
from broker.store.pool import Conn
from broker.store.registrations import Stored as Registered
from broker.store.subscriptions import Stored

__all__ = [
    "IMPLIED",
    "compiled",
    "count",
    "create",
    "delete",
    "fragment",
    "page",
    "read",
    "retrieve",
    "seen",
    "shown",
    "update",
]


IMPLIED: Final = "impliedContext"
"""In a stored document: that its `jsonldContext` is the @context of the request, by its own URL."""


# ---- what comes in


def read(data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Validate a Subscription (5.11.2.4) and return it in expanded form, with an id. Errors name the member."""
    given = json_object(data, "subscription")
    theirs, own = _apart(given, expand)
    found = subscription_input.read(theirs, expand, now)
    return _checked(_joined(found, own))


def fragment(stored: dict[str, Any], data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Merge a Subscription Fragment into a stored one (5.11.3.4); null removes a member that is not mandatory."""
    given = json_object(data, "subscription")
    notification = given.get("notification")
    if isinstance(notification, dict) and notification.get("endpoint") is None:
        raise BadRequestData("notification.endpoint: missing")
    gone = {name for name in _OWN if name in given and given[name] in (None, "urn:ngsi-ld:null")}
    theirs, own = _apart({name: value for name, value in given.items() if name not in gone}, expand)
    kept = {name: value for name, value in stored.items() if name not in _OWN}
    found = subscription_input.fragment(kept, theirs, expand, now)
    if "jsonldContext" in given:
        found.pop(IMPLIED, None)
    before = {name: value for name, value in stored.items() if name in _OWN and name not in gone}
    return _checked(_joined(found, before | own))


def _apart(given: Mapping[str, Any], expand: Expand) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a document into what any subscription has, and what is read here."""
    if given.get("throttling") is not None:
        raise OperationNotSupported("throttling: subscriptions to registrations with this member are not supported")
    own = {name: reader(given[name], name, expand) for name, reader in _OWN.items() if name in given}
    theirs = {name: value for name, value in given.items() if name not in _OWN}
    notification = theirs.get("notification")
    if isinstance(notification, dict):
        part = {member: notification[member] for member in _NOTIFICATION if member in notification}
        theirs["notification"] = {member: one for member, one in notification.items() if member not in part}
        if part:
            own["notification"] = {
                member: _NOTIFICATION[member](one, f"notification.{member}", expand) for member, one in part.items()
            }
    return theirs, own


def _joined(found: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    whole = found | {name: value for name, value in own.items() if name != "notification"}
    whole["notification"] = found["notification"] | own.get("notification", {})
    return whole


def _checked(doc: dict[str, Any]) -> dict[str, Any]:
    if doc["notification"]["endpoint"].get("accept") == "application/geo+json":
        raise OperationNotSupported("notification.endpoint.accept: registrations have no representation as GeoJSON")
    if "timeInterval" in doc and "entities" not in doc and not doc.get("localOnly"):
        raise BadRequestData("entities: needed where timeInterval is (5.2.12)")
    return doc


def _temporal(value: Any, name: str, _: Expand) -> dict[str, Any]:
    given = json_object(value, name)
    known = ("timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods", "aggrPeriodDuration")
    unknown = next((one for one in given if one not in known), None)
    if unknown is not None:
        raise BadRequestData(f"{name}.{unknown}: a TemporalQuery has no such member (5.2.21)")
    if "timerel" not in given:
        raise BadRequestData(f"{name}.timerel: missing")
    for member in ("timerel", "timeAt", "endTimeAt", "timeproperty", "aggrPeriodDuration"):
        if member in given:
            text(given[member], f"{name}.{member}")
    last = given.get("lastN", 1)
    if isinstance(last, bool) or not isinstance(last, int) or last < 1:
        raise BadRequestData(f"{name}.lastN: must be a whole number greater than 0")
    methods = given.get("aggrMethods", "")
    if not isinstance(methods, str):
        for at, one in enumerate(array(methods, f"{name}.aggrMethods")):
            text(one, f"{name}.aggrMethods[{at}]")
    try:
        _parsed(given)
    except BadRequestData as error:
        raise BadRequestData(f"{name}.{error.detail}") from error
    return given


def _parsed(given: Mapping[str, Any]) -> TemporalQuery | None:
    return parse_time(given.get("timerel"), given.get("timeAt"), given.get("endTimeAt"), given.get("timeproperty"))


_OWN: Final[Mapping[str, Callable[[Any, str, Expand], Any]]] = {
    "temporalQ": _temporal,
    "csf": condition,
    "expandValues": text,
    "jsonKeys": text,
    "splitEntities": flag,
}
_NOTIFICATION: Final[Mapping[str, Callable[[Any, str, Expand], Any]]] = {"sysAttrs": flag}


# ---- what it means


def compiled(tenant: str, watched: Watched) -> CsourceSubscription:
    """Make a stored subscription ready for matching (5.11.2.4).

    Attributes narrow what matches where both the watched ones and those of the notification are named.
    """
    doc = watched.stored.doc
    base = subscriptions.compiled(tenant, watched.stored)
    datasets = doc.get("datasetId")
    notification = doc["notification"]
    named = notification.get("attributes") or [one for one in notification.get("pick", ()) if one not in ENTITY_MEMBERS]
    attrs = () if base.watched is None or not named else (*base.watched, *named)
    return CsourceSubscription(
        base=base,
        asked=Asked(
            selectors=base.selectors,
            attrs=tuple(dict.fromkeys(attrs)),
            geo=georel(doc["geoQ"], str) if "geoQ" in doc else None,
            temporal=_parsed(doc["temporalQ"]) if "temporalQ" in doc else None,
            csf=parse_q(doc["csf"], str) if "csf" in doc else TRUE,
            scope=parse_scope(doc["scopeQ"]) if "scopeQ" in doc else TRUE,
            datasets=None if datasets is None else frozenset(datasets),
        ),
        sys_attrs=doc["notification"].get("sysAttrs", False),
        every=None if base.interval_s is None else timedelta(seconds=base.interval_s),
    )


def seen(stored: Registered | None, reach: Reach, party: str) -> Seen | None:
    """Return a registration as discovery shows it to a party (5.10), None if it does not."""
    found = None if stored is None else registration_search.seen(stored, reach, party)
    return None if found is None else {**found.doc, "id": found.id}


# ---- the operations


async def create(conn: Conn, doc: dict[str, Any], who: Subscriber, now: datetime) -> str:
    """Store a subscription (5.11.2) and return its id. `conn` is the tenant's, in a transaction."""
    if await rows.count(conn, who.party) >= MOST_PER_PARTY:
        raise TooManyResults(f"csourceSubscriptions: a party has at most {MOST_PER_PARTY}; delete one first")
    if not await rows.insert(conn, Stored(doc["id"], doc, who, now, now, expiry(doc))):
        raise AlreadyExists(f"id: there is a subscription {doc['id']} already")
    return cast(str, doc["id"])


async def retrieve(conn: Conn, id: str, party: str) -> Stored:
    """Return a subscription of the party (5.11.4); another's does not exist for it."""
    return _own(await rows.one(conn, id), id, party)


async def page(conn: Conn, party: str, limit: int, offset: int) -> list[Stored]:
    """Return a page of the party's subscriptions (5.11.5)."""
    return await rows.page(conn, party, limit, offset)


async def count(conn: Conn, party: str) -> int:
    """Count the party's subscriptions."""
    return await rows.count(conn, party)


async def update(
    conn: Conn, id: str, party: str, merge: Callable[[dict[str, Any]], dict[str, Any]], now: datetime
) -> None:
    """Change a subscription of the party (5.11.3); `merge` makes the new document of the old one."""
    doc = merge(_own(await rows.lock(conn, id), id, party).doc)
    await rows.update(conn, id, doc, now, expiry(doc))


async def delete(conn: Conn, id: str, party: str) -> None:
    """Delete a subscription of the party (5.11.6); what is still owed to it is settled as dead."""
    await retrieve(conn, id, party)
    await rows.delete(conn, id)


def _own(found: Stored | None, id: str, party: str) -> Stored:
    if found is None or found.subscriber.party != party:
        raise ResourceNotFound(f"id: there is no subscription {id}")
    return found


# ---- what goes out


def shown(stored: Stored, totals: Totals | None, name: Callable[[str], str], now: datetime) -> dict[str, Any]:
    """Return a subscription as an answer shows it; `name` compacts an IRI. No `@context` in it."""
    doc = subscriptions.shown(stored, totals, name, now)
    if "notificationTrigger" not in stored.doc:
        del doc["notificationTrigger"]
    if doc.pop(IMPLIED, False):
        del doc["jsonldContext"]
    if "csf" in doc:
        doc["csf"] = print_q(parse_q(doc["csf"], str), name)
    return doc
