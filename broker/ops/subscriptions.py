"""Subscriptions: create, retrieve, query, update, delete (CIM 009 V1.9.1, 5.2.12, 5.8.1 to 5.8.5).

What is stored is the subscription in expanded form (`broker.ops.subscription_input`); what a subscriber gets back is
compacted with the @context of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from broker.core import times
from broker.core.entity import ENTITY_MEMBERS
from broker.core.errors import AlreadyExists, ResourceNotFound, TooManyResults
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.parse_type import parse_type
from broker.core.print_q import print_q, print_type
from broker.core.project import Projection, parse_languages
from broker.core.query import And, Node
from broker.core.subscription import (
    DEFAULT_TRIGGERS,
    SHORTEST_S,
    Endpoint,
    Format,
    Selector,
    Subscriber,
    Subscription,
    Trigger,
)
from broker.ops.subscription_input import fragment, georel, read
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
    "expiry",
    "fragment",
    "page",
    "read",
    "retrieve",
    "shown",
    "update",
]

MOST_PER_PARTY: Final = 1000
_FORMATS: Final[Mapping[Any, Format]] = {"concise": "concise", "simplified": "simplified", "keyValues": "simplified"}


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
        node = georel(doc["geoQ"], str)
        if node is not None:
            conditions.append(node)
    watched = doc.get("watchedAttributes")
    return Subscription(
        id=stored.id,
        tenant=tenant,
        selectors=tuple(
            Selector(parse_type(one["type"], str), tuple(one.get("id", ())), one.get("idPattern"))
            for one in doc.get("entities", ())
        ),
        watched=None if watched is None else frozenset(watched),
        where=conditions[0] if len(conditions) == 1 else And(tuple(conditions)),
        format=_FORMATS.get(notification.get("format"), "normalized"),
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
        interval_s=max(doc["timeInterval"], SHORTEST_S) if "timeInterval" in doc else None,
        throttling_s=doc.get("throttling"),
        projection=_projection(doc, notification),
        show_changes=notification.get("showChanges", False),
        languages=parse_languages(doc["lang"]) if "lang" in doc else (),
    )


def _projection(doc: Mapping[str, Any], notification: Mapping[str, Any]) -> Projection:
    def members(name: str) -> frozenset[str] | None:
        return frozenset(notification[name]) if name in notification else None

    datasets = frozenset("" if one == "@none" else one for one in doc["datasetId"]) if "datasetId" in doc else None
    return Projection(members("pick"), members("omit") or frozenset(), members("attributes"), datasets)


# ---- the operations


async def create(conn: Conn, doc: dict[str, Any], who: Subscriber, now: datetime) -> str:
    """Store a subscription (5.8.1) and return its id. `conn` is the tenant's, in a transaction."""
    if await rows.count(conn, who.party) >= MOST_PER_PARTY:
        raise TooManyResults(f"subscriptions: a party has at most {MOST_PER_PARTY}; delete one first")
    if not await rows.insert(conn, Stored(doc["id"], doc, who, now, now, expiry(doc))):
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
    await rows.update(conn, id, doc, now, expiry(doc))


async def delete(conn: Conn, id: str, party: str) -> None:
    """Delete a subscription of the party (5.8.5); what is still owed to it is settled as dead."""
    await retrieve(conn, id, party)
    await rows.delete(conn, id)


def expiry(doc: Mapping[str, Any]) -> datetime | None:
    """Return when a subscription expires."""
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
    for member in ("attributes", "pick", "omit"):
        if member in notification:
            notification[member] = [one if one in ENTITY_MEMBERS else name(one) for one in notification[member]]
    doc["notification"] = notification | _bookkeeping(totals)
    doc.setdefault("notificationTrigger", sorted(DEFAULT_TRIGGERS))
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
