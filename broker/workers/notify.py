"""One notification: decided anew, rendered for its subscriber, sent (CIM 009 V1.9.1, 5.3.1, 5.8.6, 6.3.8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from broker.core import times
from broker.core.entity import Doc
from broker.core.subscription import Subscription
from broker.ld.contexts import Contexts
from broker.ld.internal import to_external
from broker.remote.client import Answer, Client
from broker.store.ledger import Debt, State
from broker.workers.delivery import Withheld
from broker.workers.notifier import AccessOf, Book, shown, visible
from ontologies import load

__all__ = ["Sender", "notification"]

_CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"


class Sender:
    """Sends notifications for the subscriptions in a book."""

    def __init__(self, book: Book, client: Client, access: AccessOf, contexts: Contexts) -> None:
        self._book = book
        self._client = client
        self._access = access
        self._contexts = contexts

    async def send(self, debt: Debt, state: State) -> Answer:
        """Send one notification. Raises Withheld if it may not or need not be sent any more, EngineUnavailable."""
        subscription = await self._subscription(debt)
        doc = await self._visible(subscription, state)
        context = subscription.context or load.CORE_CONTEXT
        active = await self._contexts.resolve(context)
        body = notification(subscription, debt, to_external(doc, active, subscription.format))
        headers = {"Content-Type": subscription.endpoint.accept, "NGSILD-Tenant": subscription.tenant}
        if subscription.tenant == "default":
            del headers["NGSILD-Tenant"]
        if subscription.endpoint.accept == "application/ld+json":
            for entity in body["data"]:
                entity["@context"] = context
        else:
            headers["Link"] = f'<{context}>; rel="{_CONTEXT_REL}"; type="application/ld+json"'
        headers.update(subscription.endpoint.headers)
        return await self._client.post(
            subscription.endpoint.uri, orjson.dumps(body), headers, subscription.endpoint.timeout_s
        )

    async def _subscription(self, debt: Debt) -> Subscription:
        await self._book.fresh()
        found = self._book.one(debt.tenant, debt.subscription)
        if found is None:
            raise Withheld("the subscription was deleted")
        status = found.status(_now())
        if status != "active":
            raise Withheld(f"the subscription is {status}")
        return found

    async def _visible(self, subscription: Subscription, state: State) -> Doc:
        access = await self._access(subscription)
        after: Doc = orjson.loads(state.after)
        before: Doc | None = None if state.before is None else orjson.loads(state.before)
        masks = None if access is None else visible(before, after, access)
        if masks is None:
            raise Withheld("the subscriber may not see the entity any more")
        doc = shown(after, masks[-1])
        if subscription.attributes is not None:
            wanted = {"id", "type", "scope", *subscription.attributes}
            doc = {name: value for name, value in doc.items() if name in wanted}
        return doc


def notification(subscription: Subscription, debt: Debt, entity: dict[str, Any]) -> dict[str, Any]:
    """Build the Notification (5.3.1). Its id is the same at every try, so that a receiver can tell repeats."""
    return {
        "id": f"urn:ngsi-ld:Notification:{debt.name}",
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": times.shown(_now()),
        "data": [entity],
    }


def _now() -> str:
    return times.of(datetime.now(UTC))
