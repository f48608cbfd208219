"""Operations that read entities and say what is there (CIM 009 V1.9.1, 6.4, 6.5, 6.23, 6.25 to 6.28, 6.33)."""

from __future__ import annotations

from typing import Final

from broker.http import querying
from broker.http.openapi.operation import Operation

__all__ = ["CONSUMPTION"]

_TAG: Final = "Consumption"
_DISCOVERY: Final = "Discovery"
_FOUND: Final = ("Link", "NGSILD-Results-Count")

CONSUMPTION: Final[tuple[Operation, ...]] = (
    Operation("get", "/entities", "queryEntities", _TAG, "Query entities (5.7.2)", {200: "[AnyEntity]"},
              querying.QUERY, geo="FeatureCollection", problems=(403, 422), headers=_FOUND),
    Operation("get", "/entities/{entityId}", "retrieveEntity", _TAG, "Retrieve an entity (5.7.1)",
              {200: "AnyEntity|[AnyEntity]"}, querying.RETRIEVE, geo="Feature|FeatureCollection", problems=(422,),
              headers=("Link",)),
    Operation("post", "/entityOperations/query", "queryEntitiesByPost", _TAG,
              "Query entities by a Query (5.7.2, 6.23)", {200: "[AnyEntity]"}, querying.POSTED, body="Query",
              geo="FeatureCollection", problems=(403, 422), headers=_FOUND),
    Operation("get", "/types", "listTypes", _DISCOVERY, "Entity types in use (5.7.5, 5.7.6)",
              {200: "EntityTypeList|[EntityType]"}, {"details"}, headers=("Link",)),
    Operation("get", "/types/{type}", "retrieveType", _DISCOVERY, "One entity type in use (5.7.7)",
              {200: "EntityTypeInfo"}, headers=("Link",)),
    Operation("get", "/attributes", "listAttributes", _DISCOVERY, "Attributes in use (5.7.8, 5.7.9)",
              {200: "AttributeList|[AttributeInUse]"}, {"details"}, headers=("Link",)),
    Operation("get", "/attributes/{attrName}", "retrieveAttribute", _DISCOVERY, "One attribute in use (5.7.10)",
              {200: "AttributeInfo"}, headers=("Link",)),
    Operation("get", "/info/sourceIdentity", "sourceIdentity", _DISCOVERY, "Who this context source is (5.15.1)",
              {200: "ContextSourceIdentity"}, headers=("Link",)),
)  # fmt: skip
