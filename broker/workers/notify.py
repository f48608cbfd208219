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
from broker.core.telling import told
from broker.ld.contexts import Contexts
from broker.ops.entities import page_query, query_entities
from broker.ops.view import Joined, View
from broker.remote.client import Answer, Client
from broker.store import beats, ledger
from broker.store.ledger import Debt, State
from broker.store.pool import Pool
from broker.workers.delivery import Sent, TooSoon, Withheld
from broker.workers.notifier import AccessOf, Book, shown, visible
from broker.workers.showing import content, entities
from ontologies import load

__all__ = ["Sender"]

_NOTHING = "null"
"""The state of an entity that is deleted."""


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
        """Send one notification. Raises Withheld if it may not or need not be sent, TooSoon, EngineUnavailable."""
        subscription = await self._subscription(debt)
        await self._cooled_down(subscription)
        active = await self._contexts.resolve(subscription.context or load.CORE_CONTEXT)
        if state is not None:
            deleted_at = times.of(state.at) if state.after == _NOTHING else None
            found = entities(subscription, [await self._visible(subscription, state)], active, deleted_at)
            if not found:
                raise Withheld("nothing of the entity is to be told")
            return Sent(await self._post(subscription, debt, found), cooldown_s=subscription.endpoint.cooldown_s)
        start: str | None = debt.entity
        while start is not None:
            docs, start = await self._from(subscription, debt, start)
            found = entities(subscription, docs, active)
            if found:
                until = None if subscription.interval_s is None else _next(debt, subscription.interval_s)
                answer = await self._post(subscription, debt, found)
                return Sent(answer, start, until, subscription.endpoint.cooldown_s)
        raise Withheld("no entity matches")

    async def _post(self, subscription: Subscription, debt: Debt, found: Sequence[dict[str, Any]]) -> Answer:
        body, headers = content(subscription, debt.name, times.shown(_now()), found)
        endpoint = subscription.endpoint
        return await self._client.post(endpoint.uri, orjson.dumps(body), headers, endpoint.timeout_s)

    async def _subscription(self, debt: Debt) -> Subscription:
        await self._book.fresh()
        found = self._book.one(debt.tenant, debt.subscription)
        if found is None:
            raise Withheld("the subscription was deleted")
        status = found.status(_now())
        if status != "active":
            raise Withheld(f"the subscription is {status}")
        return found

    async def _cooled_down(self, subscription: Subscription) -> None:
        """Raise TooSoon while the receiver is to be left alone, whichever worker it failed (5.2.15 cooldown)."""
        cooldown_s = subscription.endpoint.cooldown_s
        if cooldown_s is None:
            return
        async with self._pool.lend(None) as conn:
            since_s = await ledger.since_failure(conn, subscription.tenant, subscription.id)
        if since_s is not None and since_s < cooldown_s:
            raise TooSoon(cooldown_s - since_s)

    async def _visible(self, subscription: Subscription, state: State) -> Doc:
        access = await self._access(subscription)
        after: Doc | None = orjson.loads(state.after)
        before: Doc | None = None if state.before is None else orjson.loads(state.before)
        masks = None if access is None else visible(before, after, access)
        if masks is None:
            raise Withheld("the subscriber may not see the entity any more")
        if before is not None:
            for mask in masks:
                before = shown(before, mask)
        return told(subscription, before, None if after is None else shown(after, masks[-1]))

    async def _from(self, subscription: Subscription, debt: Debt, start: str) -> tuple[list[Doc], str | None]:
        """Find a page by the clock, of entities after `start`; say after which one the next begins."""
        if subscription.interval_s is not None:
            return await self._matching(subscription, debt.tenant, subscription.condition, start)
        async with self._pool.lend(None) as conn:
            ids = await beats.pending(conn, replace(debt, entity=start), self._page + 1)
        if not ids:
            return [], None
        among = And((IdIn(tuple(ids[: self._page])), subscription.condition))
        docs, _ = await self._matching(subscription, debt.tenant, among, "")
        return docs, ids[self._page - 1] if len(ids) > self._page else None

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
