"""One notification of registrations: decided anew, rendered, sent (CIM 009 V1.9.1, 5.3.2, 5.11.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from broker.core import times
from broker.core.csource_subscription import CsourceSubscription, Reason, reason, relevant
from broker.core.registration_access import Reach
from broker.ld.active import Active
from broker.ld.contexts import Contexts
from broker.ops.csource_subscriptions import seen
from broker.ops.registrations import shown
from broker.remote.client import Client
from broker.store.ledger import Debt, State
from broker.store.registrations import Stored
from broker.workers.csource_notifier import AccessOf, CsourceBook, Told, of_state
from broker.workers.delivery import Sent, Withheld
from ontologies import load

__all__ = ["CsourceSender"]

_CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"


class CsourceSender:
    """Sends notifications for the subscriptions in a book."""

    def __init__(self, book: CsourceBook, client: Client, access: AccessOf, contexts: Contexts) -> None:
        self._book = book
        self._client = client
        self._access = access
        self._contexts = contexts

    async def send(self, debt: Debt, state: State | None) -> Sent:
        """Send one notification. Raises Withheld if it may not or need not be sent any more, EngineUnavailable."""
        if state is None:
            raise Withheld("what it tells of is not kept any more")
        told = of_state(state)
        one = await self._subscription(debt, told)
        access = await self._access(one.base)
        if access is None:
            raise Withheld("the subscriber may not see registrations any more")
        why, found = content(one, told, Reach(access))
        context = one.base.context or load.CORE_CONTEXT
        active = await self._contexts.resolve(context)
        body: dict[str, Any] = {
            "id": f"urn:ngsi-ld:Notification:{debt.name}",
            "type": "ContextSourceNotification",
            "subscriptionId": one.base.id,
            "notifiedAt": times.shown(_now()),
            "triggerReason": why,
            "data": [_shown(one, each, active) for each in found],
        }
        headers = {"Content-Type": one.base.endpoint.accept}
        if one.base.tenant != "default":
            headers["NGSILD-Tenant"] = one.base.tenant
        if one.base.endpoint.accept == "application/ld+json":
            for registration in body["data"]:
                registration["@context"] = context
        else:
            headers["Link"] = f'<{context}>; rel="{_CONTEXT_REL}"; type="application/ld+json"'
        headers.update(one.base.endpoint.headers)
        answer = await self._client.post(
            one.base.endpoint.uri, orjson.dumps(body), headers, one.base.endpoint.timeout_s
        )
        return Sent(answer, until=None if told.first or one.every is None else state.at + one.every)

    async def _subscription(self, debt: Debt, told: Told) -> CsourceSubscription:
        await self._book.fresh()
        found = self._book.one(debt)
        if found is None or found.base.created_at != told.of:
            raise Withheld("the subscription was deleted")
        status = found.base.status(_now())
        if status != "active":
            raise Withheld(f"the subscription is {status}")
        return found


def content(one: CsourceSubscription, told: Told, reach: Reach) -> tuple[Reason, list[Stored]]:
    """Say why and of which registrations the subscriber is told, as it may see them now. Withheld if of none.

    SPEC 5.11.7: a registration that no longer matches is shown as it was when it did.
    """
    if told.all is not None:
        matching = [found for stored in told.all if (found := _relevant(one, stored, reach)) is not None]
        if not matching:
            raise Withheld("nothing matches that the subscriber may see")
        return ("newlyMatching" if told.first else "updated"), matching
    party = one.base.subscriber.party
    why = reason(one, seen(told.was, reach, party), seen(told.now, reach, party))
    found = _relevant(one, told.was if why == "noLongerMatching" else told.now, reach)
    if why is None or found is None:
        raise Withheld("there is no change that the subscriber may see")
    return why, [found]


def _relevant(one: CsourceSubscription, stored: Stored | None, reach: Reach) -> Stored | None:
    """Return the registration as the subscriber may see it, with what matches; None if nothing does."""
    doc = relevant(one, seen(stored, reach, one.base.subscriber.party))
    return None if stored is None or doc is None else replace(stored, doc=doc)


def _now() -> str:
    return times.of(datetime.now(UTC))


def _shown(one: CsourceSubscription, stored: Stored, active: Active) -> dict[str, Any]:
    """Show a registration. SPEC 5.2.8: types are always arrays here, as ETSI's own tests have it.

    When another party's was changed is not told: it would tell of changes of what is hidden.
    """
    found = shown(stored, active.name, active.attr)
    for info in found["information"]:
        for entity in info.get("entities", ()):
            if isinstance(entity.get("type"), str):
                entity["type"] = [entity["type"]]
    if one.sys_attrs:
        found["createdAt"] = times.shown(times.of(stored.created_at))
        if stored.party == one.base.subscriber.party:
            found["modifiedAt"] = times.shown(times.of(stored.modified_at))
    return found
