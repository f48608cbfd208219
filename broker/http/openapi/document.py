"""Put the document together: served at /openapi.json, and checked by tests against routes and answers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from broker.http import answers
from broker.http.openapi.operations import OPERATIONS, Operation
from broker.http.openapi.parameters import HEADERS, PATHS, parameter
from broker.http.openapi.schemas import components, ref
from broker.http.openapi.source_schemas import source_components
from broker.http.params import COMMON

__all__ = ["document"]

Schema: TypeAlias = dict[str, Any]

_ABOUT: Final = """
NGSI-LD API (ETSI GS CIM 009 V1.9.1) of a city data platform run as a data trust. Every request is decided by the
agreements in force and recorded: without a token the caller is the public. What an agreement hides is answered as if it
were not there. Every answer's header `Datapolis-Audit` is the receipt of its record in the public log.
""".strip()

_PROBLEMS: Final[dict[int, str]] = {
    400: "The request is at fault (BadRequestData, InvalidRequest): the detail names where.",
    401: "No token and no public agreement, or a token that is not accepted.",
    403: "The policy refuses this action, with the reason and where to apply, and of a used-up quota with Retry-After; "
    "or the query is too complex.",
    404: "There is no such resource, or no such tenant.",
    406: "None of the media types accepted can be given.",
    409: "There is one already.",
    411: "Content-Length is missing.",
    413: "The body is too long.",
    415: "The body's media type is none that this operation reads.",
    422: "The standard has it, this broker does not.",
    429: "The agreed rate is exceeded; Retry-After says when a request fits again.",
    503: "The request cannot be decided or recorded now; nothing was done.",
    504: "A @context cannot be had.",
}
_EMPTY: Final = {411, 415}
_RESPONSE_HEADERS: Final[dict[str, str]] = {
    "Content-Range": "With 206: which part of the time range this is, `date-time <start>-<end>/<size>` (6.3.10).",
    "Location": "Relative URL of what was made.",
    "Link": "The @context of the answer, and the next and previous page.",
    "NGSILD-Results-Count": "How many entities match, on all pages.",
    "NGSILD-Tenant": "The tenant named in the request.",
    "Datapolis-Audit": "Receipt of this request's audit record.",
}


@cache
def document(server: str) -> Schema:
    """Write the document for a broker at this URL."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"{answers.BASE}{operation.path}", {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Datapolis context broker",
            "version": version("datapolis"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{}, {"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": components() | source_components(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(operation: Operation) -> Schema:
    found: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _bodies(operation)}
    return found


def _parameters(operation: Operation) -> list[Schema]:
    in_path = [name for name in PATHS if f"{{{name}}}" in operation.path]
    headers = [name for name in HEADERS if name != "Prefer" or operation.geo is not None]
    names = sorted({*operation.query, *COMMON} if operation.tag != "@contexts" else operation.query)
    return [
        *(parameter("path", name) for name in in_path),
        *(parameter("query", name, operation.tag) for name in names),
        *(parameter("header", name) for name in headers),
    ]


def _bodies(operation: Operation) -> Schema:
    schema = _schema(operation.body or "")
    # Generators that set one type for all take the last.
    media = ["application/ld+json", "application/json"]
    if operation.method == "patch":
        media.insert(0, "application/merge-patch+json")
    return {one: {"schema": schema} for one in media}


def _responses(operation: Operation) -> Schema:
    found: Schema = {}
    for status, name in operation.answers.items():
        found[str(status)] = {
            "description": "As asked." if status != 207 else "Some of it was done; each item says what became of it.",
            "headers": {one: _header(one) for one in (*operation.headers, "NGSILD-Tenant", "Datapolis-Audit")},
        }
        if name is not None:
            found[str(status)]["content"] = _contents(operation, name)
    for status in sorted({*_common(operation), *operation.problems}):
        found[str(status)] = {"description": _PROBLEMS[status]}
        if status not in _EMPTY:
            found[str(status)]["content"] = {"application/json": {"schema": ref("ProblemDetails")}}
    return found


def _common(operation: Operation) -> set[int]:
    found = {400, 401, 403, 404, 429, 503, 504}
    if operation.body is not None:
        found |= {411, 413, 415}
    if any(name is not None for name in operation.answers.values()):
        found.add(406)
    return found


def _contents(operation: Operation, name: str) -> Schema:
    found: Schema = {media: {"schema": _schema(name)} for media in operation.media}
    if operation.geo is not None:
        found["application/geo+json"] = {"schema": _schema(operation.geo)}
    return found


def _schema(name: str) -> Schema:
    """Read the shorthand of `Operation`: `X`, `[X]`, `X|Y`; `Id` and `string` are no components."""
    if "|" in name:
        return {"anyOf": [_schema(one) for one in name.split("|")]}
    if name.startswith("["):
        return {"type": "array", "items": _schema(name[1:-1])}
    return {"type": "string"} if name in ("Id", "string") else ref(name)


def _header(name: str) -> Schema:
    whole = name == "NGSILD-Results-Count"
    return {"description": _RESPONSE_HEADERS[name], "schema": {"type": "integer" if whole else "string"}}
