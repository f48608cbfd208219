"""GeoJSON representation of entities (CIM 009 V1.9.1, 4.5.16, 4.5.17, 5.2.29 to 5.2.31)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from broker.core.entity import Instance, dataset_of, instances

__all__ = ["feature", "geometry"]


def geometry(value: Instance | list[Instance] | None, datasets: Collection[str] | None = None) -> dict[str, Any] | None:
    """Select a Feature's geometry from an attribute (4.5.16.1): None where there is none, or the attribute is no
    GeoProperty.

    Of several instances it is the default one, or with `datasets` (the datasetIds that the request names, "" for the
    default) the first of these.
    """
    for one in instances(value) if value is not None else ():
        wanted = "" if datasets is None else dataset_of(one)
        if dataset_of(one) == wanted and (datasets is None or wanted in datasets):
            found: Any = one.get("value") if one.get("type") == "GeoProperty" else None
            return found if isinstance(found, dict) else None
    return None


def feature(entity: dict[str, Any], shape: dict[str, Any] | None) -> dict[str, Any]:
    """Turn a rendered entity, normalized, concise or simplified, into a Feature.

    SPEC 4.5.17.1: "properties" is called an array there; it is an object in RFC 7946, 5.2.31 and the examples of C.2.3.
    SPEC 4.5.16.2: a Feature's id is mandatory there; a request that projects `id` away has none (RFC 7946, 3.2).
    """
    found: dict[str, Any] = {"id": entity["id"]} if "id" in entity else {}
    properties = {member: value for member, value in entity.items() if member != "id"}
    return found | {"type": "Feature", "geometry": shape, "properties": properties}
