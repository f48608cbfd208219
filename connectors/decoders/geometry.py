"""Geometries of files in longitude and latitude: reprojection by PROJ, and the shape that records carry them in.

A record has `geometry` as GeoJSON with the members `type` and `coordinates` alone, WGS 84 degrees, two dimensions.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import shapely
import structlog
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from connectors.errors import FeedError
from connectors.geojson import DEPTHS

__all__ = ["WGS84", "Projection", "geojson", "projection"]

WGS84 = "OGC:CRS84"
_DIGITS = 8  # of a reprojected degree: about a millimetre
Numbers = npt.NDArray[np.float64]
log = structlog.get_logger()


class Projection:
    """From a file's coordinates to longitude and latitude; `needed` is False where they are that already."""

    def __init__(self, transformer: Transformer | None) -> None:
        self._transformer = transformer
        self.needed = transformer is not None

    def points(self, points: Numbers) -> Numbers:
        """Transform an array of x, y rows; what cannot be transformed becomes infinite."""
        if self._transformer is None:
            return points
        try:
            lon, lat = self._transformer.transform(points[:, 0], points[:, 1])
        except ProjError:
            return np.full_like(points, math.inf)
        return np.round(np.column_stack((lon, lat)), _DIGITS)

    def shapes(self, shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """Transform an array of shapely geometries, in two dimensions."""
        flat = shapely.force_2d(shapes)
        return shapely.transform(flat, self.points) if self.needed else flat


@lru_cache(maxsize=64)
def projection(name: str, where: str) -> Projection:
    """Find the way from a reference system (EPSG code, URN, URL, WKT) to longitude and latitude, x before y.

    Names that follow the authority's axis order (URNs and URLs of OGC) are taken in that order. FeedError, naming
    `where`, if PROJ does not know the system.
    """
    try:
        system = CRS.from_user_input(name)
        if system.is_compound:
            system = system.sub_crs_list[0]
        if len(system.axis_info) > 2:
            system = system.to_2d()
        target = CRS.from_user_input(WGS84)
        authority = name.lower().startswith(("urn:ogc:def:crs:", "http://", "https://"))
        if system == target or (not authority and system.to_epsg() == 4326):
            return Projection(None)
        _warn_of_grids(system, target, where)
        return Projection(Transformer.from_crs(system, target, always_xy=not authority))
    except (CRSError, ProjError) as error:
        raise FeedError(f"{where}: {name[:80]!r} is no coordinate reference system such as EPSG:25831") from error


def _warn_of_grids(system: CRS, target: CRS, where: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in the log instead
        group = TransformerGroup(system, target, always_xy=True)
    if not group.best_available and group.unavailable_operations:
        best = group.unavailable_operations[0]
        log.warning(
            "a more exact transformation needs a grid file that is not installed",
            where=where, crs=system.name, grids=[grid.short_name for grid in best.grids], accuracy_m=best.accuracy,
        )  # fmt: skip


def geojson(shape: Any) -> dict[str, Any] | None:
    """Write a shapely geometry as GeoJSON; None for nothing, empty, or a collection."""
    if shape is None or shape.is_empty or shape.geom_type not in DEPTHS:
        return None
    found: dict[str, Any] = orjson.loads(shapely.to_geojson(shape))
    return {"type": found["type"], "coordinates": found["coordinates"]}
