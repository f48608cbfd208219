"""Every operation of the API (CIM 009 V1.9.1, 6.4 to 6.33)."""

from __future__ import annotations

from typing import Final

from broker.http.openapi.consumption import CONSUMPTION
from broker.http.openapi.operation import Operation
from broker.http.openapi.provision import PROVISION
from broker.http.openapi.sources import SOURCES
from broker.http.openapi.temporal import TEMPORAL

__all__ = ["OPERATIONS", "Operation"]

_SUBSCRIPTIONS: Final = "Subscriptions"
_CONTEXTS: Final = "@contexts"
_ONE: Final = "/subscriptions/{subscriptionId}"
_CONTEXT: Final = "/jsonldContexts/{contextId}"
_SOURCES: Final = "Context source subscriptions"
_OF_SOURCES: Final = "/csourceSubscriptions"
_ONE_OF_SOURCES: Final = f"{_OF_SOURCES}/{{subscriptionId}}"

_OTHERS: Final[tuple[Operation, ...]] = (
    Operation("post", "/subscriptions", "createSubscription", _SUBSCRIPTIONS, "Create a subscription (5.8.1)",
              {201: None}, body="Subscription", problems=(409, 422), headers=("Location",)),
    Operation("get", "/subscriptions", "querySubscriptions", _SUBSCRIPTIONS, "The caller's subscriptions (5.8.4)",
              {200: "[Subscription]"}, {"limit", "offset", "count"}, headers=("Link", "NGSILD-Results-Count")),
    Operation("get", _ONE, "retrieveSubscription", _SUBSCRIPTIONS, "One subscription of the caller (5.8.3)",
              {200: "Subscription"}, headers=("Link",)),
    Operation("patch", _ONE, "updateSubscription", _SUBSCRIPTIONS, "Change a subscription of the caller (5.8.2)",
              {204: None}, body="SubscriptionFragment", problems=(422,)),
    Operation("delete", _ONE, "deleteSubscription", _SUBSCRIPTIONS, "Delete a subscription of the caller (5.8.5)",
              {204: None}),
    Operation("post", _OF_SOURCES, "createCsourceSubscription", _SOURCES,
              "Subscribe to context source registrations (5.11.2)", {201: None}, body="CsourceSubscription",
              problems=(409, 422), headers=("Location",)),
    Operation("get", _OF_SOURCES, "queryCsourceSubscriptions", _SOURCES, "The caller's ones (5.11.5)",
              {200: "[CsourceSubscription]"}, {"limit", "offset", "count"}, headers=("Link", "NGSILD-Results-Count")),
    Operation("get", _ONE_OF_SOURCES, "retrieveCsourceSubscription", _SOURCES, "One of the caller (5.11.4)",
              {200: "CsourceSubscription"}, headers=("Link",)),
    Operation("patch", _ONE_OF_SOURCES, "updateCsourceSubscription", _SOURCES, "Change one of the caller (5.11.3)",
              {204: None}, body="CsourceSubscriptionFragment", problems=(422,)),
    Operation("delete", _ONE_OF_SOURCES, "deleteCsourceSubscription", _SOURCES, "Delete one of the caller (5.11.6)",
              {204: None}),
    Operation("post", "/jsonldContexts", "addContext", _CONTEXTS, "Store a @context (5.13.2)", {201: None},
              body="ContextBody", headers=("Location",)),
    Operation("get", "/jsonldContexts", "listContexts", _CONTEXTS, "Stored @contexts (5.13.3)",
              {200: "[string]|[ContextEntry]"}, {"details", "kind"}, media=("application/json",)),
    Operation("get", _CONTEXT, "serveContext", _CONTEXTS, "One stored @context (5.13.4)",
              {200: "ContextBody|ContextEntry"}, {"details"}, problems=(422,)),
    Operation("delete", _CONTEXT, "deleteContext", _CONTEXTS, "Delete a stored @context, or fetch it anew (5.13.5)",
              {204: None}, {"reload"}),
)  # fmt: skip
OPERATIONS: Final = (*PROVISION, *CONSUMPTION, *TEMPORAL, *_OTHERS, *SOURCES)
