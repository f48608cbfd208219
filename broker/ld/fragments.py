"""Entity and attribute fragments as requests write them, in internal form (CIM 009 V1.9.1, 5.4, 5.5.7, 6.5.3.4).

What a fragment means depends on what is stored: a value that stands alone takes the kind of the attribute that it
meets. So nothing is inferred here; `broker.core.fragments` does, under the row's lock, and checks what comes out.
"""

from __future__ import annotations

from typing import Any, Final

from broker.core import geometry
from broker.core.entity import INSTANCE_MEMBERS, KIND_OF_MEMBER, KINDS, Doc, Instance
from broker.core.errors import BadRequestData
from broker.core.fragments import BARE
from broker.core.ids import NULL
from broker.core.validate import MAX_DEPTH, check_attribute, check_members
from broker.ld import internal
from broker.ld.active import Active

__all__ = ["accept_attribute", "accept_merge", "accept_part"]

_WRAPPED: Final = {"languageMap", "json", "vocab"}
_VALUE_MEMBERS: Final = frozenset(kind.member for kind in KINDS.values())
_MEMBERS: Final = _VALUE_MEMBERS | {"datasetId", "observedAt", "expiresAt", "unitCode", "valueType", "objectType"}
"""Core members that tell an attribute fragment from a compound value that stands alone."""


def accept_attribute(body: Any, active: Active, name: str, label: str) -> Instance | list[Instance]:
    """Take a whole attribute, which is to replace one (5.6.19): expand it and check it."""
    found = internal.attribute(body, active, label, name)
    check_attribute(name, found, label=active.attr)
    return found


def accept_part(body: Any, active: Active, name: str, label: str) -> Instance:
    """Take the members of an instance that a partial update overwrites (5.6.4); sub-attributes are whole, or Null."""
    if not isinstance(body, dict):
        raise BadRequestData(f"{label}: an object with members of the attribute is needed")
    given = {key: value for key, value in body.items() if key != "@context"}
    found = _instance(given, active, label, name, 0, merging=False)
    if not found:
        raise BadRequestData(f"{label}: the fragment has no member to update")
    return found


def accept_merge(body: Any, active: Active, entity_id: str | None, *, simplified: bool = False) -> Doc:
    """Take the entity fragment of a merge (5.6.17). `entity_id`: the target, if the body need not name it."""
    if not isinstance(body, dict):
        raise BadRequestData("entity: a JSON object is needed")
    head: dict[str, Any] = {}
    attrs: Doc = {}
    for key, value in body.items():
        if key == "@context":
            continue
        member = active.member(key)
        if member in internal.ENTITY_LEVEL or member in INSTANCE_MEMBERS:
            head[key] = value
            continue
        if member in attrs:
            raise BadRequestData(f"{key}: names the same as another member")
        attrs[member] = _attribute(value, active, key, member, 0, simplified=simplified)
    if entity_id is not None:
        head = internal.with_id(head, entity_id)
    doc = internal.accept(head, active, need_type=False, nulls="merge")
    doc.update(attrs)
    return doc


def _attribute(
    raw: Any, active: Active, path: str, name: str, depth: int, *, simplified: bool = False
) -> Instance | list[Instance]:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{path}: nested deeper than {MAX_DEPTH}")
    if raw is None:
        raise BadRequestData(f"{path}: null cannot be a value; to remove, use {NULL}")
    if simplified:
        return _simplified(raw, active, path, name)
    if isinstance(raw, dict) and _is_fragment(raw, active):
        return _instance(raw, active, path, name, depth)
    if isinstance(raw, list) and raw and all(isinstance(one, dict) and _is_fragment(one, active) for one in raw):
        several = [_instance(one, active, f"{path}[{at}]", name, depth) for at, one in enumerate(raw)]
        named = [one.get("datasetId") for one in several]
        if len(set(named)) != len(named):
            raise BadRequestData(f"{path}: two instances have the same datasetId")
        return several
    return _bare(raw, active, path)


def _is_fragment(raw: dict[str, Any], active: Active) -> bool:
    """Say whether an object is an attribute fragment; else it is a compound value."""
    kind = raw.get("type", raw.get("@type"))
    if isinstance(kind, str) and kind in KINDS:
        return True
    return kind is None and not _MEMBERS.isdisjoint(active.member(key) for key in raw)


def _simplified(raw: Any, active: Active, path: str, name: str) -> Instance | list[Instance]:
    """Take a simplified value; several instances stand in `dataset` (4.5.4)."""
    if isinstance(raw, dict) and raw.keys() == {"dataset"} and isinstance(raw["dataset"], dict) and raw["dataset"]:
        several = []
        for dataset, value in raw["dataset"].items():
            one = _simplified(value, active, f"{path}.{dataset}", name)
            if isinstance(one, list):
                raise BadRequestData(f"{path}.{dataset}: datasets do not nest")
            if dataset != "@none":
                one["datasetId"] = dataset
                check_members("Property", {"datasetId": dataset}, path)
            several.append(one)
        return several
    if isinstance(raw, dict) and len(raw) == 1 and raw.keys() <= _WRAPPED:
        member = next(iter(raw))
        return _instance({"type": KIND_OF_MEMBER[member].name, **raw}, active, path, name, 0)
    return _bare(raw, active, path)


def _bare(raw: Any, active: Active, path: str) -> Instance:
    compound = isinstance(raw, dict | list) and not geometry.looks_like(raw)
    return {BARE: internal.value(raw, active, path) if compound else raw}


def _instance(
    raw: dict[str, Any], active: Active, path: str, name: str, depth: int, *, merging: bool = True
) -> Instance:
    """Expand the members that an instance fragment has."""
    if "@context" in raw:
        raise BadRequestData(f"{path}.@context: an attribute cannot carry a @context (5.5.7)")
    kind = raw.get("type", raw.get("@type"))
    if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
        raise BadRequestData(f"{path}.type: {kind!r:.60} is no attribute type; these are: {', '.join(KINDS)}")
    if kind is None and geometry.looks_like(raw.get("value")):
        kind = "GeoProperty"
    found: Instance = {"type": kind} if "type" in raw or "@type" in raw else {}
    for key, value in raw.items():
        member = internal.member_of(key, active, name)
        if member == "type" or member in internal.STAMPS or (member == "datasetId" and value == "@none"):
            continue
        where = f"{path}.{key}"
        if value is None:
            raise BadRequestData(f"{where}: null cannot be a value; to remove, use {NULL}")
        if member == "id":
            raise BadRequestData(f"{where}: an attribute has no identifier; it may have a datasetId")
        if member in INSTANCE_MEMBERS:
            if value != NULL or member == "datasetId":
                check_members(kind, {member: value}, path)
            inner = value if value == NULL else internal.member_value(member, value, kind, active, where, name)
        elif merging:
            inner = _attribute(value, active, where, member, depth + 1)
        else:
            inner = internal.attribute(value, active, where, member, depth + 1)
        if member in found:
            raise BadRequestData(f"{where}: names the same as another member")
        found[member] = inner
    return found
