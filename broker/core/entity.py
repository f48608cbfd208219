"""The entity in internal form: expanded names, normalized shape (CIM 009 V1.9.1, 4.5, 5.2.4-7, 5.2.32-38).

A `Doc` is a plain dictionary, so that it goes in and out of JSON without a copy::

    {"id": .., "type": [IRI, ..], "scope": [..]?, "expiresAt": ..?, "<attribute IRI>": instance | [instance, ..]}

Inside an instance the members that the core @context defines keep their short names; sub-attributes are keyed by IRI.
Keys inside compound values are IRIs, but for GeoJSON, `json` and `languageMap`, whose keys are not terms. `type` and
`id` inside a compound value keep their short names and `type`'s values are IRIs. An attribute with one instance is an
object, one with several is an array. createdAt and modifiedAt are not in the document: they are in the row's `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from broker.core.ids import Iri

__all__ = [
    "CORE",
    "ENTITY_MEMBERS",
    "GEO_NAMES",
    "INSTANCE_MEMBERS",
    "KINDS",
    "KIND_OF_MEMBER",
    "LOCATION",
    "OUTPUT_MEMBERS",
    "PROOF",
    "Doc",
    "Instance",
    "Kind",
    "attributes",
    "dataset_of",
    "instances",
    "primary",
    "targets",
]

Doc: TypeAlias = dict[str, Any]
Instance: TypeAlias = dict[str, Any]

CORE: Final = "https://uri.etsi.org/ngsi-ld/"
LOCATION: Final = Iri(CORE + "location")
GEO_NAMES: Final = frozenset({LOCATION, CORE + "observationSpace", CORE + "operationSpace"})
"""Attributes that the core defines as GeoProperties (4.7.1)."""
PROOF: Final = Iri(CORE + "ngsildproof")
"""The Property that seals what it belongs to (4.5.2.2)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An attribute kind: its `type`, the member that holds its value, and the one that held it before a change."""

    name: str
    member: str
    previous: str


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("Property", "value", "previousValue"),
        Kind("Relationship", "object", "previousObject"),
        Kind("GeoProperty", "value", "previousValue"),
        Kind("LanguageProperty", "languageMap", "previousLanguageMap"),
        Kind("VocabProperty", "vocab", "previousVocab"),
        Kind("JsonProperty", "json", "previousJson"),
        Kind("ListProperty", "valueList", "previousValueList"),
        Kind("ListRelationship", "objectList", "previousObjectList"),
    )
}
KIND_OF_MEMBER: Final = {kind.member: kind for kind in KINDS.values() if kind.name not in ("Property", "GeoProperty")}

ENTITY_MEMBERS: Final = frozenset({"id", "type", "scope", "expiresAt"})
"""First-level members of a Doc that are no attributes."""

OUTPUT_MEMBERS: Final = frozenset(
    {"createdAt", "modifiedAt", "deletedAt", "instanceId", "entity", "entityList"}
    | {kind.previous for kind in KINDS.values()}
)
"""Members of an instance that only answers carry; on input they are ignored or refused (5.2.5 to 5.2.38)."""

INSTANCE_MEMBERS: Final = (
    frozenset(
        {"type", "datasetId", "observedAt", "expiresAt", "unitCode", "valueType", "objectType", "lang"}
        | {"entityIdSealed", "entityTypeSealed"}
        | {kind.member for kind in KINDS.values()}
    )
    | OUTPUT_MEMBERS
)
"""Short names inside an instance; every other key there is a sub-attribute's IRI."""


def attributes(doc: Doc) -> Iterator[tuple[str, Instance | list[Instance]]]:
    """Yield the attributes of a document: IRI and instance, or list of instances."""
    for name, value in doc.items():
        if name not in ENTITY_MEMBERS:
            yield name, value


def instances(value: Instance | list[Instance]) -> list[Instance]:
    """Return the instances of an attribute as a list."""
    return value if isinstance(value, list) else [value]


def dataset_of(instance: Instance) -> str:
    """Return the instance's datasetId, "" for the default instance."""
    found: str = instance.get("datasetId", "")
    return found


def primary(instance: Instance) -> Any:
    """Return what the instance says: its value, object, languageMap, ... by its kind; None if it has none."""
    kind = KINDS.get(instance.get("type", ""))
    return None if kind is None else instance.get(kind.member)


def targets(value: Instance | list[Instance]) -> Iterator[str]:
    """Yield the ids that a Relationship or ListRelationship leads to, of all its instances, in order."""
    for one in instances(value):
        found = one.get("object")
        if isinstance(found, str):
            yield found
        elif isinstance(found, list):
            yield from found
        for item in one.get("objectList", ()):
            if isinstance(item, dict) and isinstance(item.get("object"), str):
                yield item["object"]
