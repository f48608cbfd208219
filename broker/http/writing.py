"""What the routes that write entities share: target, type selection, the guarded write and its answer (5.6, 6.5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from broker.core.entity import ENTITY_MEMBERS, INSTANCE_MEMBERS
from broker.core.errors import BadRequestData, NgsiLdError
from broker.core.ids import is_name, parse_entity_id
from broker.core.parse_type import parse_type
from broker.core.query import Node
from broker.http import answers, negotiate, params
from broker.http.bodies import context_of_body
from broker.http.deps import Call, enter
from broker.http.negotiate import JSON
from broker.http.problems import denied
from broker.ld.active import Active
from broker.ops.authorise import Refuse, guard
from broker.store.write import Change, Outcome
from policies.audit import Prepared

__all__ = ["Target", "attribute_name", "open_target", "refusal", "update_result", "write"]


@dataclass(frozen=True, slots=True)
class Target:
    """One entity that a request is about to change. `data`: the body, None where the method has none."""

    call: Call
    id: str
    given: Mapping[str, str]
    active: Active
    data: Any
    types: Node | None

    def change(self, **members: Any) -> Change:
        """Make a change of the entity by this request."""
        return Change(id=self.id, cause=self.call.cause, label=self.active.attr, **members)


async def open_target(
    request: Request, entity_id: str, known: Collection[str], *, action: Any = "publish", body: bool = True
) -> Target:
    """Decide on the request, then parse what every write of one entity has."""
    call = await enter(request, action)
    given = params.parse(request.scope["query_string"], {*known, "type"})
    one = parse_entity_id(unquote(entity_id))
    data = None
    if body:
        read = await negotiate.body(request, call.services.settings.body_max_bytes)
        active = await context_of_body(call.services.contexts, read, read.data)
        data = read.data
    else:
        active = await call.services.contexts.resolve(negotiate.link_context(request))
    types = parse_type(given["type"], active.expand_term) if "type" in given else None
    return Target(call, one, given, active, data, types)


def attribute_name(text: str, active: Active) -> str:
    """Expand the attribute name of a path; `scope` stays, other members of entities and instances are none."""
    name = unquote(text)
    member = active.member(name) if is_name(name) else ""
    if member == "scope":
        return member
    if not member or member in ENTITY_MEMBERS or member in INSTANCE_MEMBERS:
        raise BadRequestData(f"{name!r:.80}: not a name that an attribute can have")
    return active.expand_term(name)


async def write(target: Target, change: Change) -> tuple[Outcome, Prepared]:
    """Make the change, guarded by the caller's access and the type that the request names, and audit it."""
    call = target.call
    check = guard(call.access, change, refusal(call), target.types)
    return await call.services.writes.write(call.tenant, call.schema, change, check, call.seal_write)


def refusal(call: Call) -> Refuse:
    """Make the refusal of a change that the decision's grants do not cover."""
    decision = call.decision

    def refuse(detail: str) -> NgsiLdError:
        if decision is None:
            raise RuntimeError("a change was checked before the decision")
        return denied(decision, detail)

    return refuse


def update_result(target: Target, change: Change, outcome: Outcome, prepared: Prepared) -> Response:
    """Answer a change of several attributes: 204, or 207 with those that stayed as they were (5.2.18).

    SPEC 5.2.18: an UpdateResult carries no @context, so its names are the expanded ones.
    """
    if outcome.error is not None or not outcome.skipped:
        return answers.written(target.call, prepared, 204, outcome.error, {})
    names = [name for name in change.doc or () if name not in ENTITY_MEMBERS]
    reasons = {"scope": "the entity has no scope, and an update does not bring one (5.6.2)"}
    there = "it exists, and noOverwrite was asked for"
    body = {
        "updated": [name for name in names if name not in outcome.skipped],
        "notUpdated": [{"attributeName": name, "reason": reasons.get(name, there)} for name in outcome.skipped],
    }
    return Response(orjson.dumps(body), 207, target.call.headers(prepared.receipt), media_type=JSON)
