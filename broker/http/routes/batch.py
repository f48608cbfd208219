"""/entityOperations/create, upsert, update, merge and delete (CIM 009 V1.9.1, 6.14 to 6.17, 6.31)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import AlreadyExists, BadRequestData, NgsiLdError
from broker.core.ids import parse_entity_id
from broker.core.patch import ChangeKind
from broker.core.validate import Nulls
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body, items
from broker.http.deps import Call, enter, verdict
from broker.http.negotiate import Body
from broker.http.writing import refusal
from broker.ld.fragments import accept_merge
from broker.ld.internal import accept
from broker.ops.authorise import guard
from broker.ops.batch import write_batch
from broker.store.write import Change, Outcome
from policies.audit import Prepared

__all__ = ["router"]

router = APIRouter(prefix=f"{answers.BASE}/entityOperations")

Errors = list[tuple[str, NgsiLdError]]


@router.post("/create")
@router.post("/create/", include_in_schema=False)
async def create(request: Request) -> Response:
    """Create entities (5.6.7)."""
    call = await enter(request, "publish", creates=True)
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    return await _write(call, *await _entities(call, body, "create", "none"))


@router.post("/upsert")
@router.post("/upsert/", include_in_schema=False)
async def upsert(request: Request) -> Response:
    """Create or update entities (5.6.8); `options` is replace (the default) or update."""
    call = await enter(request, "publish", creates=True)
    given = params.parse(request.scope["query_string"], {"options"})
    mode = given.get("options", "replace")
    if mode not in ("replace", "update"):
        raise BadRequestData(f"options: expected replace or update, found {mode!r:.40}")
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    if mode == "update":
        return await _write(call, *await _entities(call, body, "upsert_update", "update"))
    return await _write(call, *await _entities(call, body, "upsert_replace", "none"))


@router.post("/update")
@router.post("/update/", include_in_schema=False)
async def update(request: Request) -> Response:
    """Update entities (5.6.9); with `options=noOverwrite` existing attributes stay."""
    call = await enter(request, "publish")
    given = params.parse(request.scope["query_string"], {"options"})
    if given.get("options", "noOverwrite") != "noOverwrite":
        raise BadRequestData(f"options: expected noOverwrite, found {given['options']!r:.40}")
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    changes, errors = await _entities(call, body, "append", "update")
    if given:
        changes = [replace(one, overwrite=False) for one in changes]
    return await _write(call, changes, errors)


@router.post("/merge")
@router.post("/merge/", include_in_schema=False)
async def merge(request: Request) -> Response:
    """Merge entities (5.6.20)."""
    call = await enter(request, "publish")
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    return await _write(call, *await _entities(call, body, "merge", "merge"))


@router.post("/delete")
@router.post("/delete/", include_in_schema=False)
async def delete(request: Request) -> Response:
    """Delete entities by id (5.6.10)."""
    call = await enter(request, "delete")
    params.parse(request.scope["query_string"], ())
    body = await negotiate.body(request, call.services.settings.body_max_bytes)
    changes: list[Change] = []
    errors: Errors = []
    for item in items(body, call.services.settings.batch_max):
        try:
            changes.append(Change("delete", parse_entity_id(item), cause=call.cause))
        except NgsiLdError as error:
            errors.append((str(item), error))
    return await _write(call, changes, errors)


async def _entities(call: Call, body: Body, kind: ChangeKind, nulls: Nulls) -> tuple[list[Change], Errors]:
    """Expand and check the items one by one; what is wrong with one is that one's error."""
    changes: list[Change] = []
    errors: Errors = []
    for item in items(body, call.services.settings.batch_max):
        try:
            active = await context_of_body(call.services.contexts, body, item)
            if kind == "merge":
                doc = accept_merge(item, active, None)
            else:
                doc = accept(item, active, need_type=kind != "append", nulls=nulls)
        except NgsiLdError as error:
            errors.append((_named(item), error))
        else:
            changes.append(Change(kind, doc["id"], doc, cause=call.cause, label=active.attr))
    return changes, errors


def _named(item: Any) -> str:
    """Name an item in error: its id as given."""
    found = item.get("id", item.get("@id")) if isinstance(item, dict) else None
    return found if isinstance(found, str) else ""


async def _write(call: Call, changes: list[Change], errors: Errors) -> Response:
    """Write what is in order, and answer for all."""
    guards = [guard(call.access, change, refusal(call)) for change in changes]

    def seal(outcomes: Sequence[Outcome]) -> Prepared:
        failed = [*errors, *((one.entity, one.error) for one in outcomes if one.error is not None)]
        succeeded = sum(one.error is None for one in outcomes)
        if succeeded or not failed:
            return call.seal("allowed", succeeded)
        return call.seal(verdict(failed[0][1]), 0, failed[0][1].name)

    outcomes, prepared = await write_batch(call.services.pool, call.tenant, call.schema, changes, guards, seal)
    errors = [*errors, *((one.entity, one.error) for one in outcomes if one.error is not None)]
    for one, change in zip(outcomes, changes, strict=True):
        if one.skipped:
            names = ", ".join(change.label(name) for name in one.skipped)
            errors.append((one.entity, AlreadyExists(f"{one.entity} has {names}, which noOverwrite leaves as is")))
    success = [one.entity for one in outcomes if one.error is None and not one.skipped]
    created = [one.entity for one in outcomes if one.result == "created"]
    return answers.batch_result(call, prepared, success, errors, created)
