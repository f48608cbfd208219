"""Entities as an earlier version of the specification knows them (CIM 009 V1.9.1, 4.3.6.8).

What a version lacks is left out or said as a Property or Relationship, by the tables of the clause, also in
sub-attributes. Documents are in internal form and are not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from broker.core.entity import ENTITY_MEMBERS, INSTANCE_MEMBERS, Doc, Instance

__all__ = ["NATIVE", "Version", "conform"]

Version: TypeAlias = tuple[int, int]

NATIVE: Final[Version] = (1, 9)
"""The version that the broker speaks."""

_SINCE: Final[dict[str, Version]] = {
    "expiresAt": (1, 9),
    "valueType": (1, 9),
    "objectType": (1, 8),
    "datasetId": (1, 3),
    "observedAt": (1, 3),
    "unitCode": (1, 3),
}
_KINDS: Final[dict[str, tuple[Version, str, str, str]]] = {
    "JsonProperty": ((1, 8), "json", "Property", "value"),
    "VocabProperty": ((1, 8), "vocab", "Property", "value"),
    "ListProperty": ((1, 8), "valueList", "Property", "value"),
    "ListRelationship": ((1, 8), "objectList", "Relationship", "object"),
    "LanguageProperty": ((1, 4), "languageMap", "Property", "value"),
}


def conform(doc: Doc, version: Version, name: Callable[[str], str]) -> Doc:
    """Return the document as the version has it; `name` compacts a vocabulary's IRI, which becomes a plain string."""
    found: Doc = {}
    for member, value in doc.items():
        if member in ENTITY_MEMBERS:
            if (member == "scope" and version < (1, 4)) or (member == "expiresAt" and version < (1, 9)):
                continue
            found[member] = value[:1] if member == "type" and version < (1, 3) else value
        else:
            found[member] = _attribute(value, version, name)
    return found


def _attribute(value: Any, version: Version, name: Callable[[str], str]) -> Any:
    if isinstance(value, list) and version < (1, 3):
        value = next((one for one in value if "datasetId" not in one), value[0])
    if isinstance(value, list):
        return [_instance(one, version, name) for one in value]
    return _instance(value, version, name)


def _instance(one: Instance, version: Version, name: Callable[[str], str]) -> Instance:
    since, member, kind, into = _KINDS.get(one["type"], ((1, 0), "", "", ""))
    found: Instance = {}
    for key, value in one.items():
        if key not in INSTANCE_MEMBERS:
            found[key] = _attribute(value, version, name)
        elif version < _SINCE.get(key, (1, 0)):
            continue
        elif version < since and key == "type":
            found["type"] = kind
        elif version < since and key == member:
            found[into] = _said(member, value, name)
        else:
            found[key] = value
    return found


def _said(member: str, value: Any, name: Callable[[str], str]) -> Any:
    if member == "vocab":
        return name(value) if isinstance(value, str) else [name(one) for one in value]
    if member == "objectList":
        return [one["object"] if isinstance(one, dict) else one for one in value]
    return value
