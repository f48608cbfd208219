"""Operations on the temporal evolution of entities (CIM 009 V1.9.1, 6.18 to 6.22, 6.24)."""

from __future__ import annotations

from typing import Final

from broker.http import temporal_params
from broker.http.openapi.operation import Operation

__all__ = ["TEMPORAL"]

_TAG: Final = "Temporal evolution"
_ENTITIES: Final = "/temporal/entities"
_ENTITY: Final = f"{_ENTITIES}/{{entityId}}"
_ATTR: Final = f"{_ENTITY}/attrs/{{attrId}}"
_FOUND: Final = ("Link", "NGSILD-Results-Count")

TEMPORAL: Final[tuple[Operation, ...]] = (
    Operation("post", _ENTITIES, "upsertTemporal", _TAG, "Create or extend the evolution of an entity (5.6.11)",
              {201: None, 204: None}, body="EntityTemporal", problems=(409, 422), headers=("Location",)),
    Operation("get", _ENTITIES, "queryTemporal", _TAG,
              "Evolutions of entities (5.7.4); 206: the rest by another time range (6.3.10)",
              {200: "[EntityTemporal]", 206: "[EntityTemporal]"}, temporal_params.QUERY, problems=(403, 422),
              headers=(*_FOUND, "Content-Range")),
    Operation("get", _ENTITY, "retrieveTemporal", _TAG, "The evolution of an entity (5.7.3); 206: as for queries",
              {200: "EntityTemporal", 206: "EntityTemporal"}, temporal_params.RETRIEVE, problems=(422,),
              headers=("Link", "Content-Range")),
    Operation("delete", _ENTITY, "deleteTemporal", _TAG, "Delete the evolution of an entity (5.6.16)", {204: None}),
    Operation("post", f"{_ENTITY}/attrs", "appendTemporalAttributes", _TAG, "Append instances of attributes (5.6.12)",
              {204: None}, body="EntityTemporal", problems=(409, 422)),
    Operation("delete", _ATTR, "deleteTemporalAttribute", _TAG, "Delete the evolution of an attribute (5.6.13)",
              {204: None}, {"datasetId", "deleteAll"}),
    Operation("patch", f"{_ATTR}/{{instanceId}}", "updateTemporalInstance", _TAG, "Change one instance (5.6.14)",
              {204: None}, body="EntityTemporal", problems=(409, 422)),
    Operation("delete", f"{_ATTR}/{{instanceId}}", "deleteTemporalInstance", _TAG, "Delete one instance (5.6.15)",
              {204: None}),
    Operation("post", "/temporal/entityOperations/query", "queryTemporalByPost", _TAG,
              "Query the evolution of entities by a Query (5.7.4, 6.24)",
              {200: "[EntityTemporal]", 206: "[EntityTemporal]"}, temporal_params.QUERY_BODY_URL, body="Query",
              problems=(403, 422), headers=(*_FOUND, "Content-Range")),
)  # fmt: skip
