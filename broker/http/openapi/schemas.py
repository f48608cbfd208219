"""Component schemas: what goes in and out (CIM 009 V1.9.1, 5.2)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from broker.core.entity import KINDS
from broker.http.openapi.parameters import URI

__all__ = ["components", "ref"]

Schema: TypeAlias = dict[str, Any]

_URI: Final[Schema] = {"type": "string", "pattern": URI}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
_ANY: Final[Schema] = {"description": "any JSON value"}
_LIST: Final[Schema] = {"type": "array", "items": {}}
_NOT_NULL: Final[Schema] = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}, _LIST]
}
_STRING_LIST: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_ONE_OR_MORE: Final[Schema] = {
    "oneOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}

# What the member that holds an attribute's value may be, by kind.
_VALUES: Final[dict[str, Schema]] = {
    "Property": _NOT_NULL,
    "Relationship": {"oneOf": [_URI, {"type": "array", "items": _URI, "minItems": 1}]},
    "GeoProperty": {"$ref": "#/components/schemas/Geometry"},
    "LanguageProperty": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"oneOf": [{"type": "string"}, _STRING_LIST]},
    },
    "VocabProperty": {"oneOf": [{"type": "string", "minLength": 1}, {**_STRING_LIST, "minItems": 1}]},
    "JsonProperty": _NOT_NULL,
    "ListProperty": {"type": "array", "items": _NOT_NULL},
    "ListRelationship": {"type": "array", "items": {"oneOf": [_URI, {"type": "object"}]}},
}


def ref(name: str) -> Schema:
    """Point at a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def components() -> dict[str, Schema]:
    """Give all component schemas by name."""
    return {
        **{name: _kind(name, value) for name, value in _VALUES.items()},
        "Attribute": {
            "description": "An attribute in normalized form: one instance, or several told apart by datasetId (4.5.5).",
            "oneOf": [
                {"oneOf": [ref(name) for name in KINDS]},
                {"type": "array", "minItems": 1, "items": {"oneOf": [ref(name) for name in KINDS]}},
            ],
        },
        "Geometry": _geometry(),
        "LdContext": {
            "description": "A JSON-LD @context: URL, object, or a list of these.",
            "oneOf": [
                _URI,
                {"type": "object"},
                {"type": "array", "items": {"oneOf": [_URI, {"type": "object"}]}},
            ],
        },
        "Entity": _entity(),
        "EntityFragment": _fragment(),
        "AttributeFragment": _attribute_fragment(),
        "AnyEntity": _any_entity(),
        "Feature": _feature(),
        "FeatureCollection": {
            "type": "object",
            "required": ["type", "features"],
            "properties": {
                "type": {"const": "FeatureCollection"},
                "features": {"type": "array", "items": ref("Feature")},
                "@context": ref("LdContext"),
            },
        },
        "EntityTemporal": _temporal(),
        "Query": _query(),
        **_subscriptions(),
        "BatchOperationResult": _batch(),
        "UpdateResult": {
            "type": "object",
            "required": ["updated", "notUpdated"],
            "properties": {
                "updated": _STRING_LIST,
                "notUpdated": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["attributeName", "reason"],
                        "properties": {"attributeName": {"type": "string"}, "reason": {"type": "string"}},
                    },
                },
            },
        },
        "ProblemDetails": {
            "description": "An error: what was wrong, where, what to do (RFC 9457; 5.5.3).",
            "type": "object",
            "required": ["type", "title", "detail", "status"],
            "properties": {
                "type": _URI,
                "title": {"type": "string", "minLength": 1},
                "detail": {"type": "string", "minLength": 1},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
            },
        },
        **_discovery(),
        **_contexts(),
        "ContextSourceIdentity": {
            "type": "object",
            "required": ["id", "type", "contextSourceAlias", "contextSourceUptime", "contextSourceTimeAt"],
            "properties": {
                "id": _URI,
                "type": {"const": "ContextSourceIdentity"},
                "contextSourceAlias": {"type": "string", "minLength": 1},
                "contextSourceUptime": {"type": "string", "pattern": "^P"},
                "contextSourceTimeAt": _TIME,
                "@context": ref("LdContext"),
            },
        },
    }


def _kind(name: str, value: Schema) -> Schema:
    member = KINDS[name].member
    found: Schema = {
        "type": "object",
        "description": f"{name} (5.2); members not named here are sub-attributes.",
        "required": ["type", member],
        "properties": {
            "type": {"const": name},
            member: value,
            "datasetId": _URI,
            "observedAt": _TIME,
            "createdAt": {**_TIME, "readOnly": True},
            "modifiedAt": {**_TIME, "readOnly": True},
            "deletedAt": {**_TIME, "readOnly": True},
            "instanceId": {**_URI, "readOnly": True},
        },
    }
    if name in ("Property", "ListProperty"):
        found["properties"]["unitCode"] = {"type": "string", "minLength": 1}
    return found


def _geometry() -> Schema:
    position: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
    line: Schema = {"type": "array", "items": position, "minItems": 2}
    ring: Schema = {"type": "array", "items": position, "minItems": 4}
    polygon: Schema = {"type": "array", "items": ring, "minItems": 1}
    coordinates: dict[str, Schema] = {
        "Point": position,
        "MultiPoint": {"type": "array", "items": position, "minItems": 1},
        "LineString": line,
        "MultiLineString": {"type": "array", "items": line, "minItems": 1},
        "Polygon": polygon,
        "MultiPolygon": {"type": "array", "items": polygon, "minItems": 1},
    }
    return {
        "description": "A GeoJSON geometry, WGS 84, longitude before latitude (RFC 7946).",
        "oneOf": [
            {
                "type": "object",
                "required": ["type", "coordinates"],
                "properties": {"type": {"const": name}, "coordinates": schema},
            }
            for name, schema in coordinates.items()
        ],
    }


def _entity() -> Schema:
    return {
        "description": "An entity; normalized or concise form (4.5.1, 4.5.4). Members not named here are attributes.",
        "type": "object",
        "required": ["id", "type"],
        "properties": {
            "id": _URI,
            "type": _ONE_OR_MORE,
            "scope": {"oneOf": [{"type": "string"}, _STRING_LIST]},
            "location": {"oneOf": [ref("GeoProperty"), ref("Geometry")]},
            "expiresAt": _TIME,
            "@context": ref("LdContext"),
        },
        "patternProperties": {_NAME_PATTERN: _ANY},
    }


def _fragment() -> Schema:
    found = _entity()
    found["description"] = "Part of an entity: the attributes to write, by name (5.4)."
    del found["required"]
    return found


def _attribute_fragment() -> Schema:
    return {
        "description": "An attribute, or the members of it to write (5.4).",
        "anyOf": [ref("Attribute"), {"type": "object", "properties": {"@context": ref("LdContext")}}],
    }


def _any_entity() -> Schema:
    return {
        "description": "An entity as the request wants it: normalized, concise or simplified, all or some members.",
        "type": "object",
        "properties": {"id": _URI, "type": _ONE_OR_MORE, "@context": ref("LdContext")},
        "additionalProperties": True,
    }


def _feature() -> Schema:
    return {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "id": _URI,
            "type": {"const": "Feature"},
            "geometry": {"oneOf": [ref("Geometry"), {"type": "null"}, {"type": "object", "required": ["geometries"]}]},
            "properties": {"type": "object"},
            "@context": ref("LdContext"),
        },
    }


def _temporal() -> Schema:
    return {
        "description": "The evolution of an entity: each attribute is an array of instances (4.5.6 to 4.5.9).",
        "type": "object",
        "properties": {"id": _URI, "type": _ONE_OR_MORE, "@context": ref("LdContext")},
        "additionalProperties": True,
    }


def _query() -> Schema:
    return {
        "description": "A query in a body; its members mean what the parameters of that name mean (5.2.23).",
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"const": "Query"},
            "entities": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {"type": "string", "minLength": 1},
                        "id": {"oneOf": [_URI, {"type": "array", "items": _URI, "minItems": 1}]},
                        "idPattern": {"type": "string", "minLength": 1},
                    },
                },
            },
            **{name: {"type": "string", "minLength": 1} for name in ("q", "scopeQ", "lang", "geometryProperty")},
            **{name: {**_STRING_LIST, "minItems": 1} for name in ("attrs", "pick", "omit", "datasetId")},
            "geoQ": {
                "type": "object",
                "required": ["georel", "geometry", "coordinates"],
                "properties": {
                    "georel": {"type": "string"},
                    "geometry": {"type": "string"},
                    "coordinates": {"oneOf": [_LIST, {"type": "string"}]},
                    "geoproperty": {"type": "string"},
                },
            },
            "temporalQ": {"type": "object"},
            "@context": ref("LdContext"),
        },
    }


def _subscriptions() -> dict[str, Schema]:
    return {
        "Subscription": _subscription(),
        "SubscriptionFragment": {**_subscription(), "required": []},
        "CsourceSubscription": _csource_subscription(),
        "CsourceSubscriptionFragment": {**_csource_subscription(), "required": []},
    }


def _subscription() -> Schema:
    seconds: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000}
    triggers = [f"{what}{how}" for what in ("entity", "attribute") for how in ("Created", "Updated", "Deleted")]
    members: Schema = {**_STRING_LIST, "minItems": 1}
    endpoint: Schema = {
        "type": "object",
        "required": ["uri"],
        "properties": {
            "uri": _URI,
            "accept": {"enum": ["application/json", "application/ld+json", "application/geo+json"]},
            "timeout": {"type": "number", "exclusiveMinimum": 0},
            "cooldown": {"type": "number", "exclusiveMinimum": 0},
        },
    }
    notification: Schema = {
        "type": "object",
        "required": ["endpoint"],
        "properties": {
            "endpoint": endpoint,
            "format": {"enum": ["normalized", "concise", "simplified", "keyValues"]},
            "attributes": members,
            "pick": members,
            "omit": members,
            "showChanges": {"type": "boolean"},
        },
    }
    return {
        "description": "What is watched, and whom to tell (5.2.12).",
        "type": "object",
        "required": ["type", "notification"],
        "properties": {
            "id": _URI,
            "type": {"const": "Subscription"},
            "entities": {"type": "array", "items": {"type": "object"}, "minItems": 1},
            "watchedAttributes": members,
            "notificationTrigger": {"type": "array", "items": {"enum": triggers}, "minItems": 1},
            "notification": notification,
            "q": {"type": "string"},
            "datasetId": members,
            "lang": {"type": "string"},
            "isActive": {"type": "boolean"},
            "timeInterval": {**seconds, "description": "Tell all that matches this often, whatever changes."},
            "throttling": {**seconds, "description": "Least pause between two notifications."},
            "@context": ref("LdContext"),
        },
    }


def _csource_subscription() -> Schema:
    common = _subscription()
    text: Schema = {"type": "string", "minLength": 1}
    temporal: Schema = {
        "type": "object",
        "required": ["timerel", "timeAt"],
        "properties": {
            "timerel": {"enum": ["before", "after", "between"]},
            "timeAt": _TIME,
            "endTimeAt": _TIME,
            "timeproperty": {"enum": ["observedAt", "createdAt", "modifiedAt", "deletedAt"]},
        },
    }
    return {
        **common,
        "description": "Which context source registrations are watched, and whom to tell (5.2.12, 5.11). Sources of "
        "temporal information are watched with temporalQ, others without it.",
        "properties": {
            **common["properties"],
            **dict.fromkeys(("csf", "scopeQ", "lang", "expandValues", "jsonKeys"), text),
            "geoQ": {"type": "object", "required": ["georel", "geometry", "coordinates"]},
            "temporalQ": temporal,
            "datasetId": {**_STRING_LIST, "minItems": 1},
            "timeInterval": {"type": "number", "exclusiveMinimum": 0},
            "notificationTrigger": {**_STRING_LIST, "minItems": 1},
            **{name: {"type": "boolean"} for name in ("isActive", "localOnly", "splitEntities")},
            "expiresAt": _TIME,
            "jsonldContext": _URI,
            "status": {"enum": ["active", "paused", "expired"], "readOnly": True},
        },
    }


def _batch() -> Schema:
    return {
        "description": "What became of each entity of a batch (5.2.16).",
        "type": "object",
        "required": ["success", "errors"],
        "properties": {
            "success": _STRING_LIST,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["entityId", "error"],
                    "properties": {"entityId": {"type": "string"}, "error": ref("ProblemDetails")},
                },
            },
        },
    }


def _discovery() -> dict[str, Schema]:
    def one(kind: str, **members: Schema) -> Schema:
        properties = {"id": _URI, "type": {"const": kind}, **members}
        return {
            "type": "object",
            "required": list(properties),
            "properties": {**properties, "@context": ref("LdContext")},
        }

    count: Schema = {"type": "integer", "minimum": 0}
    name: Schema = {"type": "string"}
    return {
        "EntityTypeList": one("EntityTypeList", typeList=_STRING_LIST),
        "EntityType": one("EntityType", typeName=name, attributeNames=_STRING_LIST),
        "EntityTypeInfo": one(
            "EntityTypeInfo",
            typeName=name,
            entityCount=count,
            attributeDetails={"type": "array", "items": {"type": "object"}},
        ),
        "AttributeList": one("AttributeList", attributeList=_STRING_LIST),
        "AttributeInUse": one("Attribute", attributeName=name, typeNames=_STRING_LIST),
        "AttributeInfo": one(
            "Attribute", attributeName=name, attributeCount=count, attributeTypes=_STRING_LIST, typeNames=_STRING_LIST
        ),
    }


def _contexts() -> dict[str, Schema]:
    described: Schema = {
        "type": "object",
        "required": ["URL", "localId", "kind", "createdAt"],
        "properties": {
            "URL": {"type": "string"},
            "localId": {"type": "string"},
            "kind": {"enum": ["Hosted", "Cached", "ImplicitlyCreated"]},
            "createdAt": _TIME,
            "lastUsage": _TIME,
            "expiresAt": _TIME,
            "numberOfHits": {"type": "integer", "minimum": 0},
        },
    }
    return {
        "ContextBody": {
            "type": "object",
            "required": ["@context"],
            "properties": {"@context": ref("LdContext")},
        },
        "ContextEntry": described,
    }
