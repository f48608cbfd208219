"""Every operation: where it is, what it takes, what it answers (CIM 009 V1.9.1, 6.4 to 6.33)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from broker.http import querying, temporal_params

__all__ = ["OPERATIONS", "Operation"]

Method = Literal["get", "post", "put", "patch", "delete"]
_ENTITY_FORMS: Final = ("AnyEntity", "Feature")
_PAGE_FORMS: Final = ("[AnyEntity]", "FeatureCollection")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `answers`: the component of each good status's body, None: no body; `[X]`: an array of them.

    `geo`: the component of the same answer as GeoJSON. `context`: whether a @context is taken from the Link header.
    """

    method: Method
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, str | None]
    query: Collection[str] = ()
    body: str | None = None
    geo: str | None = None
    media: Collection[str] = ("application/json", "application/ld+json")
    problems: Collection[int] = ()
    headers: Collection[str] = field(default=())
    governed: bool = True


_PROVISION: Final = "Provision"
_CONSUMPTION: Final = "Consumption"
_DISCOVERY: Final = "Discovery"
_SUBSCRIPTIONS: Final = "Subscriptions"
_CONTEXTS: Final = "@contexts"
_TEMPORAL: Final = "Temporal evolution"
_GEO: Final = ("coordinates", "geometry", "geoproperty", "georel")
_FOUND: Final = ("Link", "NGSILD-Results-Count")

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "post",
        "/entities",
        "createEntity",
        _PROVISION,
        "Create an entity (5.6.1)",
        {201: None},
        body="Entity",
        problems=(409, 422),
        headers=("Location",),
    ),
    Operation(
        "get",
        "/entities",
        "queryEntities",
        _CONSUMPTION,
        "Query entities (5.7.2)",
        {200: "[AnyEntity]"},
        querying.QUERY,
        geo="FeatureCollection",
        problems=(403, 422),
        headers=_FOUND,
    ),
    Operation(
        "get",
        "/entities/{entityId}",
        "retrieveEntity",
        _CONSUMPTION,
        "Retrieve an entity (5.7.1)",
        {200: "AnyEntity"},
        querying.RETRIEVE,
        geo="Feature",
        headers=("Link",),
    ),
    Operation(
        "delete", "/entities/{entityId}", "deleteEntity", _PROVISION, "Delete an entity (5.6.6)", {204: None}, {"type"}
    ),
    Operation(
        "delete",
        "/entities",
        "purgeEntities",
        _PROVISION,
        "Delete what a query finds, or attributes of it (5.6.21)",
        {204: None, 207: "BatchOperationResult"},
        ("attrs", "type", "id", "idPattern", "q", "scopeQ", "drop", "keep", *_GEO),
        problems=(403, 422),
    ),
    Operation(
        "put",
        "/entities/{entityId}",
        "replaceEntity",
        _PROVISION,
        "Replace an entity (5.6.18)",
        {204: None},
        {"type"},
        body="EntityFragment",
    ),
    Operation(
        "patch",
        "/entities/{entityId}",
        "mergeEntity",
        _PROVISION,
        "Merge a fragment into an entity (5.5.12, 5.6.17)",
        {204: None},
        {"format", "lang", "observedAt", "options", "type"},
        body="EntityFragment",
    ),
    Operation(
        "post",
        "/entities/{entityId}/attrs",
        "appendAttributes",
        _PROVISION,
        "Append attributes (5.6.3); `options`: noOverwrite",
        {204: None, 207: "UpdateResult"},
        {"options", "type"},
        body="EntityFragment",
    ),
    Operation(
        "patch",
        "/entities/{entityId}/attrs",
        "updateAttributes",
        _PROVISION,
        "Update attributes (5.6.2)",
        {204: None, 207: "UpdateResult"},
        {"type"},
        body="EntityFragment",
    ),
    Operation(
        "patch",
        "/entities/{entityId}/attrs/{attrId}",
        "updateAttributeInPart",
        _PROVISION,
        "Update members of an attribute (5.6.4)",
        {204: None},
        {"type"},
        body="AttributeFragment",
    ),
    Operation(
        "put",
        "/entities/{entityId}/attrs/{attrId}",
        "replaceAttribute",
        _PROVISION,
        "Replace an attribute (5.6.19)",
        {204: None},
        {"type"},
        body="AttributeFragment",
    ),
    Operation(
        "delete",
        "/entities/{entityId}/attrs/{attrId}",
        "deleteAttribute",
        _PROVISION,
        "Delete an attribute, an instance of it, or the scope (5.6.5)",
        {204: None},
        {"datasetId", "deleteAll", "type"},
    ),
    Operation(
        "post",
        "/entityOperations/create",
        "batchCreate",
        _PROVISION,
        "Create entities (5.6.7)",
        {201: "[Id]", 207: "BatchOperationResult"},
        body="[Entity]",
    ),
    Operation(
        "post",
        "/entityOperations/upsert",
        "batchUpsert",
        _PROVISION,
        "Create or update entities (5.6.8); `options`: replace (the default) or update",
        {201: "[Id]", 204: None, 207: "BatchOperationResult"},
        {"options"},
        body="[Entity]",
    ),
    Operation(
        "post",
        "/entityOperations/update",
        "batchUpdate",
        _PROVISION,
        "Update entities (5.6.9); `options`: noOverwrite",
        {204: None, 207: "BatchOperationResult"},
        {"options"},
        body="[EntityFragment]",
    ),
    Operation(
        "post",
        "/entityOperations/merge",
        "batchMerge",
        _PROVISION,
        "Merge entities (5.6.20)",
        {204: None, 207: "BatchOperationResult"},
        body="[EntityFragment]",
    ),
    Operation(
        "post",
        "/entityOperations/delete",
        "batchDelete",
        _PROVISION,
        "Delete entities (5.6.10)",
        {204: None, 207: "BatchOperationResult"},
        body="[Id]",
    ),
    Operation(
        "post",
        "/entityOperations/query",
        "queryEntitiesByPost",
        _CONSUMPTION,
        "Query entities by a Query (5.7.2, 6.23)",
        {200: "[AnyEntity]"},
        querying.POSTED,
        body="Query",
        geo="FeatureCollection",
        problems=(403, 422),
        headers=_FOUND,
    ),
    Operation(
        "get",
        "/types",
        "listTypes",
        _DISCOVERY,
        "Entity types in use (5.7.5, 5.7.6)",
        {200: "EntityTypeList|[EntityType]"},
        {"details"},
        headers=("Link",),
    ),
    Operation(
        "get",
        "/types/{type}",
        "retrieveType",
        _DISCOVERY,
        "One entity type in use (5.7.7)",
        {200: "EntityTypeInfo"},
        headers=("Link",),
    ),
    Operation(
        "get",
        "/attributes",
        "listAttributes",
        _DISCOVERY,
        "Attributes in use (5.7.8, 5.7.9)",
        {200: "AttributeList|[AttributeInUse]"},
        {"details"},
        headers=("Link",),
    ),
    Operation(
        "get",
        "/attributes/{attrName}",
        "retrieveAttribute",
        _DISCOVERY,
        "One attribute in use (5.7.10)",
        {200: "AttributeInfo"},
        headers=("Link",),
    ),
    Operation(
        "post",
        "/subscriptions",
        "createSubscription",
        _SUBSCRIPTIONS,
        "Create a subscription (5.8.1)",
        {201: None},
        body="Subscription",
        problems=(409, 422),
        headers=("Location",),
    ),
    Operation(
        "get",
        "/subscriptions",
        "querySubscriptions",
        _SUBSCRIPTIONS,
        "The caller's subscriptions (5.8.4)",
        {200: "[Subscription]"},
        {"limit", "offset", "count"},
        headers=_FOUND,
    ),
    Operation(
        "get",
        "/subscriptions/{subscriptionId}",
        "retrieveSubscription",
        _SUBSCRIPTIONS,
        "One subscription of the caller (5.8.3)",
        {200: "Subscription"},
        headers=("Link",),
    ),
    Operation(
        "patch",
        "/subscriptions/{subscriptionId}",
        "updateSubscription",
        _SUBSCRIPTIONS,
        "Change a subscription of the caller (5.8.2)",
        {204: None},
        body="SubscriptionFragment",
        problems=(422,),
    ),
    Operation(
        "delete",
        "/subscriptions/{subscriptionId}",
        "deleteSubscription",
        _SUBSCRIPTIONS,
        "Delete a subscription of the caller (5.8.5)",
        {204: None},
    ),
    Operation(
        "post",
        "/jsonldContexts",
        "addContext",
        _CONTEXTS,
        "Store a @context (5.13.2)",
        {201: None},
        body="ContextBody",
        headers=("Location",),
    ),
    Operation(
        "get",
        "/jsonldContexts",
        "listContexts",
        _CONTEXTS,
        "Stored @contexts (5.13.3)",
        {200: "[string]|[ContextEntry]"},
        {"details", "kind"},
        media=("application/json",),
        governed=False,
    ),
    Operation(
        "get",
        "/jsonldContexts/{contextId}",
        "serveContext",
        _CONTEXTS,
        "One stored @context (5.13.4)",
        {200: "ContextBody|ContextEntry"},
        {"details"},
        problems=(422,),
        governed=False,
    ),
    Operation(
        "delete",
        "/jsonldContexts/{contextId}",
        "deleteContext",
        _CONTEXTS,
        "Delete a stored @context, or fetch it anew (5.13.5)",
        {204: None},
        {"reload"},
    ),
    Operation(
        "get",
        "/info/sourceIdentity",
        "sourceIdentity",
        _DISCOVERY,
        "Who this context source is (5.15.1)",
        {200: "ContextSourceIdentity"},
        headers=("Link",),
    ),
    Operation(
        "post",
        "/temporal/entities",
        "upsertTemporal",
        _TEMPORAL,
        "Create or update the evolution of an entity (5.6.11)",
        {201: None, 204: None},
        body="EntityTemporal",
        problems=(422,),
        headers=("Location",),
    ),
    Operation(
        "get",
        "/temporal/entities",
        "queryTemporal",
        _TEMPORAL,
        "Query evolutions of entities (5.7.4); 206: the rest by another time range (6.3.10)",
        {200: "[EntityTemporal]", 206: "[EntityTemporal]"},
        temporal_params.QUERY,
        problems=(403, 422),
        headers=(*_FOUND, "Content-Range"),
    ),
    Operation(
        "post",
        "/temporal/entityOperations/query",
        "queryTemporalByPost",
        _TEMPORAL,
        "Query evolutions of entities by a Query (5.7.4, 6.24)",
        {200: "[EntityTemporal]", 206: "[EntityTemporal]"},
        temporal_params.QUERY_BODY_URL,
        body="Query",
        problems=(403, 422),
        headers=(*_FOUND, "Content-Range"),
    ),
    Operation(
        "get",
        "/temporal/entities/{entityId}",
        "retrieveTemporal",
        _TEMPORAL,
        "Retrieve the evolution of an entity (5.7.3); 206: the rest by another time range (6.3.10)",
        {200: "EntityTemporal", 206: "EntityTemporal"},
        temporal_params.RETRIEVE,
        problems=(403, 422),
        headers=("Link", "Content-Range"),
    ),
    Operation(
        "delete",
        "/temporal/entities/{entityId}",
        "deleteTemporal",
        _TEMPORAL,
        "Delete the evolution of an entity (5.6.16)",
        {204: None},
    ),
    Operation(
        "post",
        "/temporal/entities/{entityId}/attrs",
        "appendTemporalAttributes",
        _TEMPORAL,
        "Add instances to the evolution of an entity (5.6.12)",
        {204: None},
        body="EntityTemporal",
        problems=(422,),
    ),
    Operation(
        "delete",
        "/temporal/entities/{entityId}/attrs/{attrId}",
        "deleteTemporalAttribute",
        _TEMPORAL,
        "Delete an attribute from the evolution of an entity (5.6.13)",
        {204: None},
        {"datasetId", "deleteAll"},
    ),
    Operation(
        "patch",
        "/temporal/entities/{entityId}/attrs/{attrId}/{instanceId}",
        "updateTemporalInstance",
        _TEMPORAL,
        "Modify an instance in the evolution of an entity (5.6.14)",
        {204: None},
        body="EntityTemporal",
        problems=(409, 422),
    ),
    Operation(
        "delete",
        "/temporal/entities/{entityId}/attrs/{attrId}/{instanceId}",
        "deleteTemporalInstance",
        _TEMPORAL,
        "Delete an instance from the evolution of an entity (5.6.15)",
        {204: None},
    ),
)
