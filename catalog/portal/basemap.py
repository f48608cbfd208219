"""Land and water under the live map: Natural Earth land at 1:10 million, clipped to what the map shows.

The map needs no tile server, so no page calls a third party. The outline is rough at street level; a city may lay a
finer one over it (`map.geojson` in its folder).
"""

from __future__ import annotations

import gzip
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

__all__ = ["land"]

_FILE = Path(__file__).with_name("basemap") / "land-10m.json.gz"
_STEP = 0.5


@cache
def _polygons() -> tuple[list[shapely.Polygon], shapely.STRtree]:
    """Every piece of land, from TopoJSON: arcs of deltas that rings share."""
    topology: dict[str, Any] = orjson.loads(gzip.decompress(_FILE.read_bytes()))
    scale, move = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + move for arc in topology["arcs"]]
    found: list[shapely.Polygon] = []
    for shape in topology["objects"]["land"]["geometries"]:
        for rings in [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]:
            outer, *holes = (_ring(arcs, ring) for ring in rings)
            found.append(shapely.Polygon(outer, holes))
    return found, shapely.STRtree(found)


def _ring(arcs: list[NDArray[np.float64]], ring: list[int]) -> NDArray[np.float64]:
    """One ring from its arcs; a negative number is the arc `~n` backwards; joints are not repeated."""
    parts = [(arcs[i] if i >= 0 else arcs[~i][::-1])[1 if k else 0 :] for k, i in enumerate(ring)]
    return np.concatenate(parts)


def land(west: float, south: float, east: float, north: float) -> bytes:
    """GeoJSON geometry of the land in a box (degrees), widened to half degrees so that answers can be kept."""
    low = (np.floor(west / _STEP) * _STEP, np.floor(south / _STEP) * _STEP)
    high = (np.ceil(east / _STEP) * _STEP, np.ceil(north / _STEP) * _STEP)
    return _clip(*(float(v) for v in (*low, *high)))


@lru_cache(maxsize=64)
def _clip(west: float, south: float, east: float, north: float) -> bytes:
    polygons, tree = _polygons()
    box = shapely.box(west, south, east, north)
    pieces = [shapely.clip_by_rect(polygons[i], west, south, east, north) for i in tree.query(box)]
    detail = max(east - west, north - south) / 4000
    parts = [p for piece in pieces for p in _parts(shapely.simplify(piece, detail))]
    return shapely.to_geojson(shapely.transform(shapely.MultiPolygon(parts), lambda xy: xy.round(5))).encode()


def _parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(shape) if isinstance(p, shapely.Polygon) and not p.is_empty]
