"""DELETE /entities: purge (CIM 009 V1.9.1, 5.6.21, 6.4.3.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.core.access import AttrSet
from broker.core.errors import BadRequestData
from broker.core.query import And, AnyAttr, Node, Or, Query, ScopeIs
from broker.http import answers, negotiate, params, querying
from broker.http.deps import enter, verdict
from broker.http.negotiate import JSON
from broker.http.problems import problem
from broker.http.writing import attribute_name, refusal
from broker.ld.active import Active
from broker.ops.purge import Purged, purge_entities
from broker.settings import BrokerSettings
from broker.store.write import Change
from policies.audit import Prepared

__all__ = ["router"]

router = APIRouter(prefix=answers.BASE)

SCOPE = "scope"
_QUOTED = re.compile(r'"[^"]*"')
_GEO = ("coordinates", "geometry", "geoproperty", "georel")
_KNOWN = frozenset({"attrs", "type", "id", "idPattern", "q", "scopeQ", "drop", "keep", *_GEO})


@router.delete("/entities")
@router.delete("/entities/", include_in_schema=False)
async def purge(request: Request) -> Response:
    """Purge entities (5.6.21)."""
    call = await enter(request, "delete")
    given = params.parse(request.scope["query_string"], _KNOWN)
    active = await call.services.contexts.resolve(negotiate.link_context(request))
    _no_links(given)
    drop, keep = _names(given, "drop", active), _names(given, "keep", active)
    if drop and keep:
        raise BadRequestData("keep: contradicts drop; give one of them")
    query = _query(given, active, call.services.settings, drop)
    dropped = AttrSet(frozenset(drop or keep), complement=bool(keep))

    def change(entity_id: str) -> Change:
        if drop or keep:
            return Change("drop", entity_id, cause=call.cause, dropped=dropped)
        return Change("delete", entity_id, cause=call.cause)

    def seal(purged: Purged) -> Prepared:
        if purged.count or not purged.errors:
            return call.seal("allowed", purged.count)
        return call.seal(verdict(purged.errors[0][1]), 0, purged.errors[0][1].name)

    purged, prepared = await purge_entities(
        call.services.pool, call.tenant, call.schema, call.access, query, change, refusal(call), seal
    )
    if not purged.errors:
        return answers.written(call, prepared, 204, None, {})
    errors = [{"entityId": one, "error": problem(error)} for one, error in purged.errors]
    body = orjson.dumps({"success": purged.success, "errors": errors})
    return Response(body, 207, call.headers(prepared.receipt), media_type=JSON)


def _query(given: Mapping[str, str], active: Active, settings: BrokerSettings, drop: Sequence[str]) -> Query:
    """Build the query for the entities; with `drop` they have one of its attributes, or the scope in it."""
    found = querying.entity_query(given, active.expand_term, settings)
    if drop:
        named: Node = AnyAttr(tuple(name for name in drop if name != SCOPE))
        if SCOPE in drop:
            named = Or((named, ScopeIs("/#")))
        found = replace(found, where=And((found.where, named)))
    querying.too_wide(given, found.where)
    return found


def _no_links(given: Mapping[str, str]) -> None:
    for name in ("q", "attrs", "keep", "drop"):
        if "{" in _QUOTED.sub("", given.get(name, "")):
            raise BadRequestData(f"{name}: a purge does not look at linked entities (5.6.21.4)")


def _names(given: Mapping[str, str], parameter: str, active: Active) -> list[str]:
    return [attribute_name(one, active) for one in params.names(given, parameter)]
