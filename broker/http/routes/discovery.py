"""/types and /attributes (CIM 009 V1.9.1, 6.25 to 6.28)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import BadRequestData, ResourceNotFound
from broker.http import answers, negotiate, params
from broker.http.deps import Call, enter
from broker.http.negotiate import LD_JSON, Media
from broker.ld.active import Active
from broker.ops import discovery
from ontologies import load

__all__ = ["router"]

router = APIRouter(prefix=answers.BASE)


@router.get("/types")
@router.get("/types/", include_in_schema=False)
async def types(request: Request) -> Response:
    """Retrieve the entity types in use (5.7.5), with `details` also their attributes (5.7.6)."""
    call, asked = await _asked(request, {"details"})
    if not params.flag(asked.given, "details"):
        found = await discovery.types(call.services.pool, call.schema, call.access)
        return await asked.answer(call, _list("EntityTypeList", "typeList", found, asked.active))
    details = await discovery.types_with_attributes(call.services.pool, call.schema, call.access)
    name = asked.active.name
    body = [
        {
            "id": one,
            "type": "EntityType",
            "typeName": name(one),
            "attributeNames": [asked.active.attr(attr) for attr in attrs],
        }
        for one, attrs in details.items()
    ]
    return await asked.answer(call, body)


@router.get("/types/{type_name}")
async def type_info(request: Request, type_name: str) -> Response:
    """Retrieve information about an entity type (5.7.7)."""
    call, asked = await _asked(request, ())
    type_ = _name(asked, type_name, "type")
    found = await discovery.type_info(call.services.pool, call.schema, call.access, type_)
    details = [
        {"id": attr, "type": "Attribute", "attributeName": asked.active.attr(attr), "attributeTypes": kinds}
        for attr, kinds in found.attributes.items()
    ]
    body = {
        "id": found.type,
        "type": "EntityTypeInfo",
        "typeName": asked.active.name(found.type),
        "entityCount": found.count,
        "attributeDetails": details,
    }
    return await asked.answer(call, body)


@router.get("/attributes")
@router.get("/attributes/", include_in_schema=False)
async def attributes(request: Request) -> Response:
    """Retrieve the attributes in use (5.7.8), with `details` also the types that have them (5.7.9)."""
    call, asked = await _asked(request, {"details"})
    found = await discovery.attributes(call.services.pool, call.schema, call.access)
    active = asked.active
    if not params.flag(asked.given, "details"):
        return await asked.answer(call, _list("AttributeList", "attributeList", list(found), active, attrs=True))
    body = [
        {
            "id": one,
            "type": "Attribute",
            "attributeName": active.attr(one),
            "typeNames": [active.name(type_) for type_ in types_],
        }
        for one, types_ in found.items()
    ]
    return await asked.answer(call, body)


@router.get("/attributes/{attribute_name}")
async def attribute_info(request: Request, attribute_name: str) -> Response:
    """Retrieve information about an attribute (5.7.10)."""
    call, asked = await _asked(request, ())
    name = _name(asked, attribute_name, "attribute")
    found = await discovery.attribute_info(call.services.pool, call.schema, call.access, name)
    body = {
        "id": found.name,
        "type": "Attribute",
        "attributeName": asked.active.attr(found.name),
        "attributeCount": found.count,
        "attributeTypes": found.kinds,
        "typeNames": [asked.active.name(one) for one in found.types],
    }
    return await asked.answer(call, body)


class _Asked:
    """What a discovery request asks for: parameters, media type, @context."""

    def __init__(self, given: dict[str, str], media: Media, active: Active, link: str | None) -> None:
        self.given = given
        self.media = media
        self.active = active
        self.link = link

    async def answer(self, call: Call, body: dict[str, Any] | list[dict[str, Any]]) -> Response:
        """Answer, after the audit record is committed; it names no entity, so it counts none."""
        prepared = await call.commit("allowed")
        headers = call.headers(prepared.receipt)
        if self.media == LD_JSON:
            context = self.active.source if self.active.source is not None else load.CORE_CONTEXT
            for one in body if isinstance(body, list) else [body]:
                one["@context"] = context
        else:
            headers["Link"] = answers.context_header(self.link)
        return Response(orjson.dumps(body), 200, headers, media_type=self.media)


async def _asked(request: Request, known: set[str] | tuple[()]) -> tuple[Call, _Asked]:
    call = await enter(request, "read")
    given = params.parse(request.scope["query_string"], known)
    media = negotiate.accept(request.headers.get("accept"))
    link = negotiate.link_context(request)
    return call, _Asked(given, media, await call.services.contexts.resolve(link), link)


def _name(asked: _Asked, segment: str, what: str) -> str:
    """Expand the name that a path ends with; `id` and `type` are names of members, which nothing is in use as."""
    text = unquote(segment)
    if text in ("id", "type"):
        raise ResourceNotFound(f"no entity has the {what} {text}")
    try:
        return asked.active.expand_term(text)
    except BadRequestData as error:
        raise BadRequestData(f"{what}: {error.detail}") from error


def _list(kind: str, member: str, found: Sequence[str], active: Active, *, attrs: bool = False) -> dict[str, Any]:
    """Write a list; its id says what is in it, so that equal lists are one resource."""
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:32]
    name = active.attr if attrs else active.name
    return {"id": f"urn:ngsi-ld:{kind}:{digest}", "type": kind, member: [name(one) for one in found]}
