"""Operations that write entities and attributes (CIM 009 V1.9.1, 6.4 to 6.7, 6.14 to 6.17, 6.31)."""

from __future__ import annotations

from typing import Final

from broker.http.openapi.operation import Operation

__all__ = ["PROVISION"]

_TAG: Final = "Provision"
_BATCH: Final = "BatchOperationResult"
_ENTITY: Final = "/entities/{entityId}"

PROVISION: Final[tuple[Operation, ...]] = (
    Operation("post", "/entities", "createEntity", _TAG, "Create an entity (5.6.1)", {201: None},
              body="Entity", problems=(409, 422), headers=("Location",)),
    Operation("delete", _ENTITY, "deleteEntity", _TAG, "Delete an entity (5.6.6)", {204: None}, {"type"}),
    Operation("post", "/entityOperations/create", "batchCreate", _TAG, "Create entities (5.6.7)",
              {201: "[Id]", 207: _BATCH}, body="[Entity]"),
    Operation("post", "/entityOperations/upsert", "batchUpsert", _TAG,
              "Create or update entities (5.6.8); `options`: replace (the default) or update",
              {201: "[Id]", 204: None, 207: _BATCH}, {"options"}, body="[Entity]"),
    Operation("post", "/entityOperations/delete", "batchDelete", _TAG, "Delete entities (5.6.10)",
              {204: None, 207: _BATCH}, body="[Id]"),
)  # fmt: skip
