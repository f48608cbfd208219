"""One notification: decided anew, rendered for its subscriber, sent (CIM 009 V1.9.1, 5.3.1, 5.8.6, 6.3.8).

One of a change shows the entity as the change left it. A periodic one is a query, asked with the subscriber's access as
any query is when it is sent: a page of what matches, and where the next page begins. A throttled one is such a query
among the entities that changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from broker.core import times
from broker.core.entity import Doc
from broker.core.query import And, IdIn, Node, Query
from broker.core.segments import doc as document
from broker.core.subscription import Subscription
from broker.ld.contexts import Contexts
from broker.ld.internal import to_external
from broker.ops.entities import page_query, query_entities
from broker.ops.view import Joined, View
from broker.remote.client import Answer, Client
from broker.store import beats
from broker.store.ledger import Debt, State
from broker.store.pool import Pool
from broker.workers.delivery import Sent, Withheld
from broker.workers.notifier import AccessOf, Book, shown, visible
from ontologies import load

__all__ = ["Sender", "notification"]

_CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"


class Sender:
    """Sends notifications for the subscriptions in a book."""

    def __init__(
        self, pool: Pool, book: Book, client: Client, access: AccessOf, contexts: Contexts, *, page: int = 500
    ) -> None:
        self._pool = pool
        self._book = book
        self._client = client
        self._access = access
        self._contexts = contexts
        self._page = page

    async def send(self, debt: Debt, state: State | None) -> Sent:
        """Send one notification. Raises Withheld if it may not or need not be sent any more, EngineUnavailable."""
        subscription = await self._subscription(debt)
        if state is not None:
            return Sent(await self._post(subscription, debt, [await self._visible(subscription, state)]))
        interval_s = subscription.interval_s
        if interval_s is None:
            docs, rest = await self._changed(subscription, debt)
        else:
            docs, rest = await self._matching(subscription, debt.tenant, subscription.condition, debt.entity)
        if not docs:
            raise Withheld("no entity matches")
        until = None if interval_s is None else _next(debt, interval_s)
        return Sent(await self._post(subscription, debt, docs), rest, until)

    async def _post(self, subscription: Subscription, debt: Debt, docs: Sequence[Doc]) -> Answer:
        context = subscription.context or load.CORE_CONTEXT
        active = await self._contexts.resolve(context)
        body = notification(
            subscription, debt, [to_external(_chosen(doc, subscription), active, subscription.format) for doc in docs]
        )
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
        return shown(after, masks[-1])

    async def _changed(self, subscription: Subscription, debt: Debt) -> tuple[list[Doc], str | None]:
        """Find what a throttled notification tells: of a page of what changed, what matches now."""
        start: str | None = debt.entity
        while start is not None:
            async with self._pool.lend(None) as conn:
                found = await beats.pending(conn, replace(debt, entity=start), self._page + 1)
            ids = found[: self._page]
            start = ids[-1] if len(found) > self._page else None
            if ids:
                condition = And((IdIn(tuple(ids)), subscription.condition))
                docs, _ = await self._matching(subscription, debt.tenant, condition, "")
                if docs:
                    return docs, start
        return [], None

    async def _matching(
        self, subscription: Subscription, tenant: str, condition: Node, after: str
    ) -> tuple[list[Doc], str | None]:
        """Query a page with the access of this instant; say after which entity the next one begins."""
        access = await self._access(subscription)
        if access is None:
            raise Withheld("the subscriber may not see anything any more")
        asked = page_query(access, Query(condition, limit=self._page, after=after or None), sys_attrs=False)
        try:
            found = await query_entities(self._pool, self._book.schemas[tenant], asked)
        except (asyncpg.QueryCanceledError, asyncpg.DataError) as error:
            # The same query would fail again at once.
            raise Withheld(f"the query failed: {error}") from error
        docs = [_document(view) for view in found.views()]
        return docs, docs[-1]["id"] if found.more else None


def notification(subscription: Subscription, debt: Debt, entities: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Build the Notification (5.3.1). Its id is the same at every try, so that a receiver can tell repeats."""
    return {
        "id": f"urn:ngsi-ld:Notification:{debt.name}",
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": times.shown(_now()),
        "data": list(entities),
    }


def _chosen(doc: Doc, subscription: Subscription) -> Doc:
    if subscription.attributes is None:
        return doc
    wanted = {"id", "type", "scope", *subscription.attributes}
    return {name: value for name, value in doc.items() if name in wanted}


def _document(found: View | Joined) -> Doc:
    view = found.view() if isinstance(found, Joined) else found
    return shown(document(view.id, view.types, view.scopes, view.names, view.segs), view.mask)


def _next(debt: Debt, interval_s: float) -> datetime:
    """Return when the interval ends that is running now, counted from when the notification was due."""
    due = datetime.fromtimestamp(-debt.version / 1_000_000, UTC)
    passed = (datetime.now(UTC) - due).total_seconds()
    return due + timedelta(seconds=interval_s * (passed // interval_s + 1))


def _now() -> str:
    return times.of(datetime.now(UTC))
