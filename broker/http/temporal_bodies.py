"""Bodies that hold the evolution of an entity, or an instance of it (CIM 009 V1.9.1, 5.2.20, 5.5.4, 5.6.14)."""

from __future__ import annotations

from typing import Any

from broker.core.entity import ENTITY_MEMBERS, Instance
from broker.core.errors import BadRequestData
from broker.core.ids import parse_entity_id
from broker.core.state import HistoryRow
from broker.core.temporal_input import Contribution, contribution, scope_instances
from broker.core.validate import check_attribute
from broker.ld.active import Active
from broker.ld.internal import to_internal

__all__ = ["contribution_of", "instance_of"]


def contribution_of(body: Any, active: Active, entity: str | None, received: str, event: str) -> Contribution:
    """Read an EntityTemporal, or with `entity` a fragment of one, which need not name its entity nor a type."""
    if not isinstance(body, dict):
        raise BadRequestData("entity: a JSON object is needed")
    plain = dict(body)
    scope = plain.pop("scope", None)
    evolving = isinstance(scope, dict) or (isinstance(scope, list) and any(isinstance(one, dict) for one in scope))
    if scope is not None and not evolving:
        plain["scope"] = scope
    doc = to_internal(plain, active)
    if entity is not None:
        if parse_entity_id(doc.get("id", entity)) != entity:
            raise BadRequestData("id: is not the one in the path")
        doc = {"id": entity, **doc}
    rows: list[HistoryRow] = []
    since: str | None = None
    if evolving:
        owner = parse_entity_id(doc.get("id"))
        rows, doc["scope"], since = scope_instances(scope, received, owner, event)
    found = contribution(doc, _deleted(body, active), received, event, need_type=entity is None, label=active.attr)
    if entity is not None and not found.attributes and not rows and "scope" not in doc and "type" not in doc:
        raise BadRequestData("entity: no attribute to add (5.6.12)")
    found.history += rows
    found.scope_at = since
    return found


def _deleted(body: dict[str, Any], active: Active) -> dict[str, dict[int, str]]:
    """Find the deletedAt of instances: what is read in of an instance does not have it."""
    found: dict[str, dict[int, str]] = {}
    for key, value in body.items():
        for at, one in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(one, dict) and isinstance(one.get("deletedAt"), str):
                found.setdefault(active.member(key), {})[at] = one["deletedAt"]
    return found


def instance_of(body: Any, active: Active, term: str, attr: str) -> Instance:
    """Read the instance that replaces another: as the attribute's value in a fragment, or as it is."""
    if not isinstance(body, dict):
        raise BadRequestData("the body: an attribute instance is needed")
    doc = (
        to_internal({key: value for key, value in body.items() if key != "@context"}, active)
        if _is_fragment(body, active, attr)
        else to_internal({term: {key: value for key, value in body.items() if key != "@context"}}, active)
    )
    if attr not in doc or any(name not in (attr, *ENTITY_MEMBERS) for name in doc):
        raise BadRequestData(f"the body: one instance of {term} is needed, and nothing else (5.6.14)")
    found = doc[attr]
    several = found if isinstance(found, list) else [found]
    if len(several) != 1:
        raise BadRequestData(f"{term}: exactly one instance is needed (5.6.14)")
    check_attribute(attr, several[0], nulls="update", label=active.attr)
    one: Instance = several[0]
    return one


def _is_fragment(body: dict[str, Any], active: Active, attr: str) -> bool:
    """Say whether the body names the attribute rather than being its instance."""
    return any(key != "@context" and active.member(key) == attr for key in body)
