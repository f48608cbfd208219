"""/entities/{entityId}/attrs and /entities/{entityId}/attrs/{attrId} (CIM 009 V1.9.1, 6.6, 6.7)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import BadRequestData
from broker.core.ids import parse_uri
from broker.http import answers, params
from broker.http.writing import attribute_name, open_target, update_result, write
from broker.ld import fragments
from broker.ld.internal import accept_fragment

__all__ = ["router"]

router = APIRouter(prefix=f"{answers.BASE}/entities/{{entity_id}}/attrs")


@router.post("")
@router.post("/", include_in_schema=False)
async def append(request: Request, entity_id: str) -> Response:
    """Append attributes (5.6.3)."""
    target = await open_target(request, entity_id, {"options"})
    options = params.names(target.given, "options")
    if any(one != "noOverwrite" for one in options):
        raise BadRequestData(f"options: expected noOverwrite, found {','.join(options):.80}")
    doc = accept_fragment(target.data, target.active, target.id)
    change = target.change(kind="append", doc=doc, overwrite=not options)
    outcome, prepared = await write(target, change)
    return update_result(target, change, outcome, prepared)


@router.patch("")
@router.patch("/", include_in_schema=False)
async def update(request: Request, entity_id: str) -> Response:
    """Update attributes (5.6.2)."""
    target = await open_target(request, entity_id, ())
    doc = accept_fragment(target.data, target.active, target.id, nulls="update")
    change = target.change(kind="update", doc=doc)
    outcome, prepared = await write(target, change)
    return update_result(target, change, outcome, prepared)


@router.patch("/{attr}")
@router.patch("/{attr}/", include_in_schema=False)
async def partial_update(request: Request, entity_id: str, attr: str) -> Response:
    """Update members of one attribute (5.6.4)."""
    target = await open_target(request, entity_id, ())
    name = _no_scope(attribute_name(attr, target.active))
    part = fragments.accept_part(target.data, target.active, name, target.active.attr(name))
    change = target.change(kind="partial_update", doc={"id": target.id, name: part})
    outcome, prepared = await write(target, change)
    return answers.written(target.call, prepared, 204, outcome.error, {})


@router.put("/{attr}")
@router.put("/{attr}/", include_in_schema=False)
async def replace(request: Request, entity_id: str, attr: str) -> Response:
    """Replace an attribute (5.6.19)."""
    target = await open_target(request, entity_id, ())
    name = _no_scope(attribute_name(attr, target.active))
    body = target.data
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key != "@context"}
    found = fragments.accept_attribute(body, target.active, name, target.active.attr(name))
    change = target.change(kind="replace_attribute", doc={"id": target.id, name: found})
    outcome, prepared = await write(target, change)
    return answers.written(target.call, prepared, 204, outcome.error, {})


@router.delete("/{attr}")
@router.delete("/{attr}/", include_in_schema=False)
async def delete(request: Request, entity_id: str, attr: str) -> Response:
    """Delete an attribute, one of its instances, or the scope (5.6.5)."""
    target = await open_target(request, entity_id, {"datasetId", "deleteAll"}, body=False)
    name = attribute_name(attr, target.active)
    dataset_id = None if params.flag(target.given, "deleteAll") else _dataset(target.given.get("datasetId"))
    change = target.change(kind="delete_attribute", attr=name, dataset_id=dataset_id)
    outcome, prepared = await write(target, change)
    return answers.written(target.call, prepared, 204, outcome.error, {})


def _no_scope(name: str) -> str:
    if name == "scope":
        raise BadRequestData("scope: is no attribute that can be updated in part or replaced (5.6.4, 5.6.19)")
    return name


def _dataset(text: str | None) -> str:
    return "" if text is None or text == "@none" else parse_uri(text, "datasetId")
