"""Operations that write entities and attributes (CIM 009 V1.9.1, 6.4 to 6.7, 6.14 to 6.17, 6.31)."""

from __future__ import annotations

from typing import Final

from broker.http.openapi.operation import Operation

__all__ = ["PROVISION"]

_TAG: Final = "Provision"
_BATCH: Final = "BatchOperationResult"
_ENTITY: Final = "/entities/{entityId}"
_ATTRS: Final = f"{_ENTITY}/attrs"
_ATTR: Final = f"{_ATTRS}/{{attrId}}"
_PART: Final = "EntityFragment"
_PURGE: Final = frozenset(
    {"attrs", "type", "id", "idPattern", "q", "scopeQ", "drop", "keep"}
    | {"coordinates", "geometry", "geoproperty", "georel"}
)

PROVISION: Final[tuple[Operation, ...]] = (
    Operation("post", "/entities", "createEntity", _TAG, "Create an entity (5.6.1)", {201: None},
              body="Entity", problems=(409, 422), headers=("Location",)),
    Operation("delete", _ENTITY, "deleteEntity", _TAG, "Delete an entity (5.6.6)", {204: None}, {"type"}),
    Operation("delete", "/entities", "purgeEntities", _TAG, "Delete what a query finds, or attributes of it (5.6.21)",
              {204: None, 207: _BATCH}, _PURGE, problems=(403, 422)),
    Operation("put", _ENTITY, "replaceEntity", _TAG, "Replace an entity (5.6.18)", {204: None}, {"type"}, body=_PART),
    Operation("patch", _ENTITY, "mergeEntity", _TAG, "Merge a fragment into an entity (5.5.12, 5.6.17)", {204: None},
              {"format", "lang", "observedAt", "options", "type"}, body=_PART),
    Operation("post", _ATTRS, "appendAttributes", _TAG, "Append attributes (5.6.3); `options`: noOverwrite",
              {204: None, 207: "UpdateResult"}, {"options", "type"}, body=_PART),
    Operation("patch", _ATTRS, "updateAttributes", _TAG, "Update attributes (5.6.2)",
              {204: None, 207: "UpdateResult"}, {"type"}, body=_PART),
    Operation("patch", _ATTR, "updateAttributeInPart", _TAG, "Update members of an attribute (5.6.4)", {204: None},
              {"type"}, body="AttributeFragment"),
    Operation("put", _ATTR, "replaceAttribute", _TAG, "Replace an attribute (5.6.19)", {204: None}, {"type"},
              body="AttributeFragment"),
    Operation("delete", _ATTR, "deleteAttribute", _TAG, "Delete an attribute, an instance of it, or the scope (5.6.5)",
              {204: None}, {"datasetId", "deleteAll", "type"}),
    Operation("post", "/entityOperations/create", "batchCreate", _TAG, "Create entities (5.6.7)",
              {201: "[Id]", 207: _BATCH}, body="[Entity]"),
    Operation("post", "/entityOperations/upsert", "batchUpsert", _TAG,
              "Create or update entities (5.6.8); `options`: replace (the default) or update",
              {201: "[Id]", 204: None, 207: _BATCH}, {"options"}, body="[Entity]"),
    Operation("post", "/entityOperations/update", "batchUpdate", _TAG,
              "Update entities (5.6.9); `options`: noOverwrite", {204: None, 207: _BATCH}, {"options"},
              body="[EntityFragment]"),
    Operation("post", "/entityOperations/merge", "batchMerge", _TAG, "Merge entities (5.6.20)",
              {204: None, 207: _BATCH}, body="[EntityFragment]"),
    Operation("post", "/entityOperations/delete", "batchDelete", _TAG, "Delete entities (5.6.10)",
              {204: None, 207: _BATCH}, body="[Id]"),
)  # fmt: skip
