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
from broker.core.ids import NULL, is_uri, is_uri_text

__all__ = ["CORE_NAMES", "is_attribute_name", "is_plain", "is_plain_doc", "plain_kind"]

CORE_NAMES = ("type", "value", "object", "unitCode", "observedAt")
"""The members that plain instances are made of."""


def is_plain(one: dict[str, Any]) -> bool:
    """Say whether an instance is plain; if so it has no fault."""
    size = len(one)
    if "observedAt" in one:
        observed = one["observedAt"]
        if type(observed) is not str or not _is_time(observed):
            return False
        size -= 1
    return _says(one, size)


def is_plain_doc(doc: Any, most: int) -> bool:
    """Say whether an entity in internal form has an id, types and plain attributes, nothing else: so it has no fault.

    `most`: how many members it may have.
    """
    if type(doc) is not dict or len(doc) > most:
        return False
    found, last = 0, ""
    for name, value in doc.items():
        if type(value) is dict:
            kind = plain_kind(name)
            if kind is None:
                return False
            if "observedAt" in value:  # an entity's attributes mostly share it
                observed = value["observedAt"]
                if observed != last or last == "":
                    if type(observed) is not str or not _is_time(observed):
                        return False
                    last = observed
                size = len(value) - 1
            else:
                size = len(value)
            if not _says(value, size, kind):
                return False
        elif name == "id":
            if type(value) is not str or value == NULL or not is_uri_text(value):
                return False
            found += 1
        elif name == "type" and type(value) is list and value:
            for one in value:
                if type(one) is not str or one == NULL or not is_uri_text(one):
                    return False
            found += 1
        else:
            return False
    return found == 2


def _says(one: dict[str, Any], size: int, wanted: str = "") -> bool:
    """Say whether an instance of `size` members besides `observedAt` is plain; `wanted`: of this kind, "" of any."""
    kind = one.get("type")
    if kind == "Property":
        value: Any = one.get("value")
        of = type(value)
        if wanted or (of is not float and of is not int and of is not bool and (of is not str or value == NULL)):
            return False
        if size == 2:
            return True
        unit = one.get("unitCode")
        return size == 3 and type(unit) is str and unit != ""
    if size != 2:
        return False
    if kind == "GeoProperty":
        return _is_point(one.get("value"))
    target = one.get("object")
    return kind == "Relationship" and not wanted and type(target) is str and target != NULL and is_uri_text(target)


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
