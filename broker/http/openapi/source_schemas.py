"""Components of context source registrations (CIM 009 V1.9.1, 5.2.8 to 5.2.11, 5.2.22, 5.2.34)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from broker.core.registration import GROUPS, MODES, OPERATIONS
from broker.http.openapi.parameters import URI

__all__ = ["source_components"]

Schema: TypeAlias = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_URI: Final[Schema] = {"type": "string", "pattern": URI}
_NAMES: Final[Schema] = {"type": "array", "minItems": 1, "items": _TEXT}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_DURATION: Final[Schema] = {"type": "string", "pattern": "^P", "example": "PT5M"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def source_components() -> dict[str, Schema]:
    """Give the components by name."""
    return {
        "CSourceRegistration": _registration(),
        "CSourceRegistrationFragment": {
            **_registration(),
            "description": "Members of a registration to change; null removes one that is not mandatory (5.9.3).",
            "required": [],
            "properties": {
                name: schema if name in ("id", "type", "endpoint", "information", "@context") else _or_null(schema)
                for name, schema in _registration()["properties"].items()
            },
        },
        "RegistrationInfo": {
            "description": "What a source may have (5.2.10).",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "entities": {"type": "array", "minItems": 1, "items": _ref("EntityInfo")},
                "propertyNames": _NAMES,
                "relationshipNames": _NAMES,
            },
        },
        "EntityInfo": {
            "description": "Entities that a source may have (5.2.8); without a type: of any.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {"type": {"oneOf": [_TEXT, _NAMES]}, "id": _URI, "idPattern": _TEXT},
        },
        "TimeInterval": {
            "description": "From when until when (5.2.11); no end: open.",
            "type": "object",
            "required": ["startAt"],
            "additionalProperties": False,
            "properties": {"startAt": _TIME, "endAt": _TIME},
        },
        "RegistrationManagementInfo": {
            "description": "How the source is to be called (5.2.34).",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cacheDuration": _DURATION,
                "cooldown": {"type": "number", "exclusiveMinimum": 0},
                "localOnly": {"type": "boolean"},
                "timeout": {"type": "number", "exclusiveMinimum": 0},
            },
        },
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _registration() -> Schema:
    pair: Schema = {
        "type": "object",
        "required": ["key", "value"],
        "additionalProperties": False,
        "properties": {"key": _TEXT, "value": {"type": "string"}},
    }
    return {
        "description": "A context source and what it may have (5.2.9). Other members are properties of the source. "
        "Of another party's registration the part is shown that the caller may read, and no contextSourceInfo.",
        "type": "object",
        "required": ["type", "endpoint", "information"],
        "properties": {
            "id": _URI,
            "type": {"const": "ContextSourceRegistration"},
            "endpoint": {"type": "string", "pattern": "^https?://", "example": "http://source.example"},
            "information": {"type": "array", "minItems": 1, "items": _ref("RegistrationInfo")},
            "contextSourceAlias": {"type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z\-]+$"},
            "contextSourceInfo": {"type": "array", "minItems": 1, "items": pair},
            "datasetId": _NAMES,
            "description": _TEXT,
            "expiresAt": _TIME,
            "location": _ref("Geometry"),
            "management": _ref("RegistrationManagementInfo"),
            "managementInterval": _ref("TimeInterval"),
            "mode": {"enum": list(MODES)},
            "observationInterval": _ref("TimeInterval"),
            "observationSpace": _ref("Geometry"),
            "operationSpace": _ref("Geometry"),
            "operations": {"type": "array", "minItems": 1, "items": {"enum": sorted({*GROUPS, *OPERATIONS})}},
            "refreshRate": _DURATION,
            "registrationName": _TEXT,
            "scope": {"oneOf": [_TEXT, _NAMES]},
            "tenant": _TEXT,
            "@context": _ref("LdContext"),
        },
    }
