"""/entityOperations/create, upsert, update, merge and delete (CIM 009 V1.9.1, 6.14 to 6.17, 6.31)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.errors import AlreadyExists, BadRequestData, NgsiLdError
from broker.core.ids import NULL, is_uri, parse_entity_id
from broker.core.patch import ChangeKind
from broker.core.validate import Nulls
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body, items
from broker.http.deps import Call, enter, verdict
from broker.http.negotiate import Body
from broker.http.writing import refusal
from broker.ld.active import Active
from broker.ld.fragments import accept_merge
from broker.ld.internal import accept
from broker.ops.authorise import guard
from broker.ops.batch import write_batch
from broker.store.write import Change, Guard, Outcome, Unread
from policies.audit import Prepared

__all__ = ["router"]

router = APIRouter(prefix=f"{answers.BASE}/entityOperations")

Errors = list[tuple[int, str, NgsiLdError]]
"""Items in error: their place in the batch, their id as far as they have one, and what is wrong."""

Checked = tuple[Change, Guard | None]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a batch, its place in it, and the @context that it was written with (None: it has no names)."""

    at: int
    change: Unread
    active: Active | None


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
    return await _write(call, *await _entities(call, body, "append", "update", overwrite=not given))


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
    found: list[Item] = []
    errors: Errors = []
    for at, item in enumerate(items(body, call.services.settings.batch_max)):
        try:
            change = Change("delete", parse_entity_id(item), cause=call.cause)
        except NgsiLdError as error:
            errors.append((at, str(item), error))
        else:
            checked = change, guard(call.access, change, refusal(call))
            found.append(Item(at, Unread(change.id, partial(_given, checked)), None))
    return await _write(call, found, errors)


async def _entities(
    call: Call, body: Body, kind: ChangeKind, nulls: Nulls, *, overwrite: bool = True
) -> tuple[list[Item], Errors]:
    """Find each item's id and @context; the rest is read, and refused if it is wrong, when its turn comes."""
    found: list[Item] = []
    errors: Errors = []
    for at, item in enumerate(items(body, call.services.settings.batch_max)):
        try:
            active = await context_of_body(call.services.contexts, body, item)
            named: Any = item.get("id") if isinstance(item, dict) else None
            reading = partial(_read, call, item, active, kind, nulls, overwrite)
            if not is_uri(named) or named == NULL:
                named = reading()[0].id
            found.append(Item(at, Unread(named, partial(_checked, named, reading)), active))
        except NgsiLdError as error:
            errors.append((at, _named(item), error))
    return found, errors


def _read(call: Call, item: Any, active: Active, kind: ChangeKind, nulls: Nulls, overwrite: bool) -> Checked:
    """Expand and check an item."""
    if kind == "merge":
        doc = accept_merge(item, active, None)
    else:
        doc = accept(item, active, need_type=kind != "append", nulls=nulls)
    change = Change(kind, doc["id"], doc, cause=call.cause, label=active.attr, overwrite=overwrite)
    return change, guard(call.access, change, refusal(call))


def _checked(named: str, reading: Callable[[], Checked]) -> Checked:
    """Read an item that was filed under an id."""
    found = reading()
    if found[0].id != named:
        raise BadRequestData(f"id: {named:.80} stands beside another identifier of the entity")
    return found


def _given(checked: Checked) -> Checked:
    """Give what needs no reading."""
    return checked


def _named(item: Any) -> str:
    """Name an item in error: its id as given."""
    found = item.get("id", item.get("@id")) if isinstance(item, dict) else None
    return found if isinstance(found, str) else ""


async def _write(call: Call, found: list[Item], errors: Errors) -> Response:
    """Write what is in order, and answer for all."""

    def failed(outcomes: Sequence[Outcome]) -> Errors:
        refused = [
            (item.at, one.entity, one.error) for item, one in zip(found, outcomes, strict=True) if one.error is not None
        ]
        return sorted([*errors, *refused], key=itemgetter(0))

    def seal(outcomes: Sequence[Outcome]) -> Prepared:
        succeeded, wrong = sum(one.error is None for one in outcomes), failed(outcomes)
        if succeeded or not wrong:
            return call.seal("allowed", succeeded)
        return call.seal(verdict(wrong[0][2]), 0, wrong[0][2].name)

    changes = [item.change for item in found]
    outcomes, prepared = await write_batch(call.services.pool, call.tenant, call.schema, changes, None, seal)
    told = [(one, error) for _, one, error in failed(outcomes)]
    for one, item in zip(outcomes, found, strict=True):
        if one.skipped and item.active is not None:
            names = ", ".join(map(item.active.attr, one.skipped))
            told.append((one.entity, AlreadyExists(f"{one.entity} has {names}, which noOverwrite leaves as is")))
    success = [one.entity for one in outcomes if one.error is None and not one.skipped]
    created = [one.entity for one in outcomes if one.result == "created"]
    return answers.batch_result(call, prepared, success, told, created)
