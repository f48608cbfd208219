"""The plain instances that most data is made of, told from the others in one look (CIM 009 V1.9.1, 5.2.5 to 5.2.7).

A plain instance is right as it stands, whatever the operation: a Property of one scalar, perhaps with a unit, a
Relationship to one entity, or a GeoProperty of a point in two dimensions; each perhaps with `observedAt`, and in the
default dataset. It has no sub-attributes and nothing to expand. What is not plain is not wrong: it has to be
looked at in full.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from broker.core import times
from broker.core.entity import ENTITY_MEMBERS, GEO_NAMES, INSTANCE_MEMBERS, PROOF
from broker.core.ids import NULL, is_uri

__all__ = ["CORE_NAMES", "is_attribute_name", "is_plain", "is_plain_doc", "plain_kind"]

CORE_NAMES = ("type", "value", "object", "unitCode", "observedAt")
"""The members that plain instances are made of."""


def is_plain(one: dict[str, Any]) -> bool:
    """Say whether an instance is plain; if so it has no fault."""
    kind = one.get("type")
    size = 2
    if kind == "Property":
        value = one.get("value")
        of = type(value)
        if of is str:
            if value == NULL:
                return False
        elif of is not float and of is not int and of is not bool:
            return False
        unit = one.get("unitCode")
        if unit is not None:
            if type(unit) is not str or not unit:
                return False
            size = 3
    elif kind == "Relationship":
        target = one.get("object")
        if target == NULL or not is_uri(target):
            return False
    elif kind != "GeoProperty" or not _is_point(one.get("value")):
        return False
    if len(one) == size:
        return True
    observed = one.get("observedAt")
    return type(observed) is str and len(one) == size + 1 and _is_time(observed)


def is_plain_doc(doc: Any, most: int) -> bool:
    """Say whether an entity in internal form has an id, types and plain attributes, nothing else: so it has no fault.

    `most`: how many members it may have.
    """
    if type(doc) is not dict or len(doc) > most:
        return False
    found = 0
    for name, value in doc.items():
        if type(value) is dict:
            kind = plain_kind(name)
            if kind is None or not is_plain(value) or (kind and value["type"] != kind):
                return False
        elif name == "id":
            if value == NULL or not is_uri(value):
                return False
            found += 1
        elif name == "type":
            if type(value) is not list or not value:
                return False
            for one in value:
                if one == NULL or not is_uri(one):
                    return False
            found += 1
        else:
            return False
    return found == 2


def _is_point(value: Any) -> bool:
    if type(value) is not dict or len(value) != 2 or value.get("type") != "Point":
        return False
    at = value.get("coordinates")
    if type(at) is not list or len(at) != 2:
        return False
    lon, lat = at
    if (type(lon) is not float and type(lon) is not int) or (type(lat) is not float and type(lat) is not int):
        return False
    return -180 <= lon <= 180 and -90 <= lat <= 90


@lru_cache(maxsize=4096)
def _is_time(text: str) -> bool:
    """Say whether a DateTime is good and written with a dot; an entity's attributes share theirs."""
    return times.canonical(text) is not None and "," not in text


@lru_cache(maxsize=4096)
def plain_kind(name: str) -> str | None:
    """Say which plain instances an attribute of this name may have: of one kind, any ("") or none (None).

    The core @context gives some names their kind.
    """
    if name == PROOF or not is_attribute_name(name):
        return None
    return "GeoProperty" if name in GEO_NAMES else ""


@lru_cache(maxsize=4096)
def is_attribute_name(name: str) -> bool:
    """Say whether a first-level member of an entity in internal form is an attribute with a good name."""
    return name not in ENTITY_MEMBERS and name not in INSTANCE_MEMBERS and is_uri(name)
