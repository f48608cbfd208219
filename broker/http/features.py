"""Entities as GeoJSON Features (CIM 009 V1.9.1, 4.5.16, 4.5.17, 6.3.15).

The geometry is that of the entity as its reader sees it, whatever `pick`, `omit` and `attrs` leave of the properties: a
GeoProperty that is hidden gives null, as one that the entity lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from broker.core import segments
from broker.core.geojson import feature, geometry
from broker.http.render import Show, parsed
from broker.ld.active import Active
from broker.ops.view import Joined, View

__all__ = ["collection", "shape", "write"]


def write(view: View | Joined, active: Active, show: Show, attr: str) -> str:
    """Write one entity as a Feature without `@context`; `attr` is the IRI of its geometry's GeoProperty."""
    if isinstance(view, Joined):
        view = view.view()
    return orjson.dumps(feature(orjson.loads(parsed(view, active, show)), shape(view, show, attr))).decode()


def shape(view: View, show: Show, attr: str) -> dict[str, Any] | None:
    """Give the geometry that the reader sees of an entity."""
    if attr not in view.names or not view.mask.shows(attr):
        return None
    return geometry(segments.parse(view.segs[list(view.names).index(attr)]), show.projection.datasets)


def collection(texts: Iterable[str]) -> str:
    """Write Features as a FeatureCollection."""
    return '{"type":"FeatureCollection","features":[' + ",".join(texts) + "]}"
