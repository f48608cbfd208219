"""Query parameters, path parameters and headers by name (CIM 009 V1.9.1, 6.3, 6.4.3.2, 6.18.3.2)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

__all__ = ["HEADERS", "PATHS", "QUERY", "URI", "parameter"]

Schema: TypeAlias = dict[str, Any]

URI: Final = r"^[A-Za-z][A-Za-z0-9+.\-]*:[A-Za-z0-9._~:/?#@!$&()*+,;=\-]+$"
_NAMES: Final[Schema] = {"type": "string", "minLength": 1, "example": "temperature,name"}
_FLAG: Final[Schema] = {"type": "string", "enum": ["true", "false"]}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_TIME: Final[Schema] = {"type": "string", "format": "date-time", "example": "2026-01-01T00:00:00Z"}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_URIS: Final[Schema] = {"type": "string", "minLength": 1, "example": "urn:ngsi-ld:Vehicle:A4567"}

# Name: what it does, its schema.
QUERY: Final[dict[str, tuple[str, Schema]]] = {
    "after": (
        "Walk: the entities whose id comes after this one, in order of ids. Unlike `offset`, a walk shows none twice "
        "and misses none while others write. Start with an empty value; the Link header has the next page.",
        {"type": "string"},
    ),
    "aggrMethods": (
        "Methods of aggregation, with aggregatedValues (4.5.19).",
        {"type": "string", "example": "avg,max", "minLength": 1},
    ),
    "aggrPeriodDuration": (
        "Length of the periods as an ISO 8601 duration; PT0S: one period over all (4.5.19).",
        {"type": "string", "example": "PT1H"},
    ),
    "attrs": ("Attributes; an entity without any of them is left out (4.21). Deprecated: use pick and q.", _NAMES),
    "collation": ("Language tag of the order of strings (4.23.3).", {"type": "string", "example": "en"}),
    "containedBy": ("Ids of entities that linked retrieval has passed already (4.5.23).", _URIS),
    "coordinates": (
        "Coordinates of the reference geometry, as GeoJSON has them (4.10).",
        {"type": "string", "example": "[2.1,41.4]"},
    ),
    "count": ("Whether the answer has the header NGSILD-Results-Count (6.3.13).", _FLAG),
    "csf": ("Context source filter (4.9); none is asked for entities yet, so there it changes nothing.", _TEXT),
    "datasetId": ("Only instances with these datasetIds; `@none` is the default instance (4.5.5).", _URIS),
    "deleteAll": ("Whether all instances of the attribute go, not the default one alone (6.7.3.2).", _FLAG),
    "details": ("Whether each item is described (6.25.3.1).", _FLAG),
    "drop": ("Attributes that are removed from the entities selected, which stay (5.6.21).", _NAMES),
    "endTimeAt": ("End of the time range of `between` (4.11).", _TIME),
    "entityMap": ("Whether an entity map is made (4.21); this broker has none.", _FLAG),
    "entityMapLifetime": ("How long an entity map is wanted; this broker has none.", {"type": "string"}),
    "expandValues": ("Attributes of q whose values are names, to be expanded (4.9).", _NAMES),
    "format": (
        "Representation (6.3.7).",
        {"type": "string", "enum": ["normalized", "concise", "simplified", "keyValues"]},
    ),
    "geometry": (
        "Kind of the reference geometry (4.10).",
        {
            "type": "string",
            "enum": ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"],
        },
    ),
    "geometryProperty": ("GeoProperty that is the geometry of GeoJSON Features (6.3.15).", _TEXT),
    "geoproperty": ("GeoProperty that georel looks at; `location` if none (4.10).", _TEXT),
    "georel": (
        "Geographical relation (4.10).",
        {"type": "string", "example": "near;maxDistance==2000"},
    ),
    "id": ("Ids of entities, comma-separated.", _URIS),
    "idPattern": ("Regular expression of ids; expressions that take time beyond measure are refused.", _TEXT),
    "join": ("How linked entities are shown (4.5.23).", {"type": "string", "enum": ["flat", "inline", "@none"]}),
    "joinLevel": ("How many links are followed (4.5.23).", {"type": "integer", "minimum": 1}),
    "jsonKeys": ("Members of the simplified form that are raw JSON (4.5.24).", _NAMES),
    "keep": ("Attributes that stay on the entities selected; all others are removed (5.6.21).", _NAMES),
    "kind": ("Kind of stored @context.", {"type": "string", "enum": ["Hosted", "Cached", "ImplicitlyCreated"]}),
    "lang": (
        "Languages wanted of LanguageProperties, by preference (4.15).",
        {"type": "string", "example": "en,*;q=0.5"},
    ),
    "lastN": ("Only the last so many instances of each attribute (5.7.4.4).", {"type": "integer", "minimum": 1}),
    "limit": ("Most entities of a page.", _WHOLE),
    "local": ("Whether only what is stored here counts; there are no context sources here.", _FLAG),
    "observedAt": ("When the values of a merge were observed, where they do not say (6.5.3.4).", _TIME),
    "offset": ("How many entities to pass over; for long ways use `after`.", _WHOLE),
    "omit": ("Members to leave out (4.21).", _NAMES),
    "options": ("Options, comma-separated; which ones, the operation's description says (6.3.11).", {"type": "string"}),
    "orderBy": (
        "Members to order by, each with `;desc` or `;asc` (4.23).",
        {"type": "string", "example": "speed;desc,name"},
    ),
    "orderFrom": (
        "Coordinates of the place from which distances are ordered (4.23.2).",
        {"type": "string", "example": "[2.1,41.4]"},
    ),
    "orderGeometry": ("Kind of that place's geometry (4.23.2).", {"type": "string", "example": "Point"}),
    "pick": ("Members to show (4.21).", _NAMES),
    "q": (
        "Condition on attributes (4.9).",
        {"type": "string", "minLength": 1, "example": 'speed>50;brandName=="Mercedes"'},
    ),
    "reload": ("Whether a cached @context is fetched anew instead (5.13.5).", _FLAG),
    "scopeQ": ("Condition on scopes (4.19).", {"type": "string", "example": "/Madrid/#"}),
    "splitEntities": ("Whether entities may be answered in parts (4.21).", _FLAG),
    "timeAt": ("The time of `timerel`, or its start (4.11).", _TIME),
    "timeproperty": (
        "Which time of an instance counts (4.11).",
        {"type": "string", "enum": ["observedAt", "createdAt", "modifiedAt", "deletedAt"]},
    ),
    "timerel": ("Relation to that time (4.11).", {"type": "string", "enum": ["before", "after", "between"]}),
    "type": (
        "Entity types: a type selection expression (4.17).",
        {"type": "string", "minLength": 1, "example": "Vehicle|(Bus;Electric)"},
    ),
}

# What a parameter takes in operations of one tag, where that is not what it takes elsewhere.
_VARIANTS: Final[dict[tuple[str, str], tuple[str, Schema]]] = {
    ("Temporal evolution", "format"): (
        "Representation (6.3.12).",
        {"type": "string", "enum": ["normalized", "temporalValues", "aggregatedValues"]},
    ),
    ("Temporal evolution", "orderBy"): (
        "Order of the entities: by their id (5.7.4.4).",
        {"type": "string", "enum": ["id", "id;asc", "id;desc"]},
    ),
    ("Context sources", "attrs"): ("Attributes that a source may have (5.10.2).", _NAMES),
    ("Context sources", "csf"): (
        "Condition on the properties of sources (4.9): members of their registrations, and their own.",
        {"type": "string", "example": 'endpoint=="http://source.example"'},
    ),
    ("Context sources", "options"): (
        "`sysAttrs`: with createdAt and modifiedAt.",
        {"type": "string", "enum": ["sysAttrs"]},
    ),
}

PATHS: Final[dict[str, tuple[str, Schema]]] = {
    "entityId": ("Id of the entity.", {"type": "string", "pattern": URI, "example": "urn:ngsi-ld:Vehicle:A4567"}),
    "attrId": ("Attribute name, as the request's @context has it, or an IRI.", {"type": "string", "minLength": 1}),
    "instanceId": ("Id of the attribute instance.", {"type": "string", "pattern": URI}),
    "type": ("Type name, as the request's @context has it, or an IRI.", {"type": "string", "minLength": 1}),
    "attrName": ("Attribute name, as the request's @context has it, or an IRI.", {"type": "string", "minLength": 1}),
    "subscriptionId": ("Id of the subscription.", {"type": "string", "pattern": URI}),
    "registrationId": ("Id of the registration.", {"type": "string", "pattern": URI}),
    "contextId": ("Local id of the stored @context, or its URL.", {"type": "string", "minLength": 1}),
}

HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "NGSILD-Tenant": (
        "Tenant; without it the default one (6.3.14).",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    ),
    "Data-Purpose": (
        "Purpose of the use, a DPV term: needed where the token names several.",
        {"type": "string", "example": "dpv:ServiceProvision"},
    ),
    "Link": (
        "URL of the @context (6.3.5).",
        {
            "type": "string",
            "example": "<https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld>; "
            'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"',
        },
    ),
    "Prefer": (
        "`body=json`: GeoJSON without @context; `ngsi-ld=1.x`: the version wanted (6.3.18).",
        {"type": "string"},
    ),
}


def parameter(place: str, name: str, tag: str = "") -> Schema:
    """Write a parameter object of a place (query, path or header), as operations of the tag take it."""
    known = {"query": QUERY, "path": PATHS, "header": HEADERS}[place][name]
    text, schema = _VARIANTS.get((tag, name), known)
    return {"name": name, "in": place, "required": place == "path", "description": text, "schema": schema}
