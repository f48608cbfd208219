"""Small files of every format, made on the spot, for machines without recorded data."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from pydantic import TypeAdapter

from connectors.decoders import Decoded, decoder
from connectors.feed import Decoder

__all__ = ["DAM", "cityjson", "decode", "geopackage", "parquet", "shapefile", "workbook", "zipped"]

_DECODER: TypeAdapter[Any] = TypeAdapter(Decoder)
DAM = (121_394.0, 487_383.0)
"""A point in Amsterdam in the Dutch national grid (EPSG:28992), metres."""


def decode(raw: bytes, **spec: object) -> list[Decoded]:
    """Decode bytes by a declaration."""
    return list(decoder(_DECODER.validate_python(spec))(io.BytesIO(raw), "f"))


def workbook(rows: list[list[object]], *, sheet: str = "data") -> bytes:
    """Write a workbook of one sheet."""
    book = openpyxl.Workbook()
    page = book.worksheets[0]
    page.title = sheet
    for row in rows:
        page.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def parquet(columns: dict[str, Any], geo: dict[str, Any] | None = None) -> bytes:
    """Write a Parquet file, GeoParquet where `geo` is given."""
    table = pa.table(columns)
    if geo is not None:
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def geopackage(folder: Path, *, crs: str = "EPSG:28992", points: list[tuple[float, float]] | None = None) -> Path:
    """Write a GeoPackage of points with a name and a number."""
    return _vector(folder / "places.gpkg", "GPKG", crs, points or [DAM, (DAM[0] + 1000, DAM[1])])


def shapefile(folder: Path, *, leave_out: str = "") -> bytes:
    """Write a Shapefile and zip it."""
    path = _vector(folder / "places.shp", "ESRI Shapefile", "EPSG:28992", [DAM, (DAM[0] + 1000, DAM[1])])
    parts = {one.name: one.read_bytes() for one in sorted(path.parent.glob("places.*")) if one.suffix != leave_out}
    return zipped(parts)


def zipped(parts: dict[str, bytes]) -> bytes:
    """Put files into a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return target.getvalue()


def cityjson(crs: str | None = "https://www.opengis.net/def/crs/EPSG/0/7415") -> dict[str, Any]:
    """Write a house of 10 by 5 by 3 metres at DAM, with a part, and a lamp post made from a template."""
    x, y = DAM
    corners = [[x, y, 1], [x + 10, y, 1], [x + 10, y + 5, 1], [x, y + 5, 1]]
    vertices = [[round((a - x) * 1000), round((b - y) * 1000), round(c * 1000)] for a, b, c in corners]
    vertices += [[a, b, c + 3000] for a, b, c in vertices]
    ground, roof = [[3, 2, 1, 0]], [[4, 5, 6, 7]]
    walls = [[[a, (a + 1) % 4, (a + 1) % 4 + 4, a + 4]] for a in range(4)]
    document: dict[str, Any] = {
        "type": "CityJSON",
        "version": "2.0",
        "transform": {"scale": [0.001, 0.001, 0.001], "translate": [x, y, 0]},
        "metadata": {"referenceSystem": crs} if crs else {},
        "CityObjects": {
            "house": {"type": "Building", "attributes": {"storeys": 1}, "children": ["house-1"]},
            "house-1": {
                "type": "BuildingPart",
                "parents": ["house"],
                "geometry": [
                    {
                        "type": "Solid",
                        "lod": "2.2",
                        "boundaries": [[ground, roof, *walls]],
                        "semantics": {
                            "surfaces": [{"type": "GroundSurface"}, {"type": "RoofSurface"}],
                            "values": [[0, 1, None, None, None, None]],
                        },
                    }
                ],
            },
            "lamp": {
                "type": "CityFurniture",
                "geometry": [
                    {
                        "type": "GeometryInstance",
                        "template": 0,
                        "boundaries": [0],
                        "transformationMatrix": [2, 0, 0, 20, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
                    }
                ],
            },
        },
        "geometry-templates": {
            "templates": [{"type": "MultiSurface", "lod": "1", "boundaries": [[[0, 1, 2]]]}],
            "vertices-templates": [[0, 0, 0], [1, 0, 0], [0, 1, 2]],
        },
        "vertices": vertices,
    }
    return document


def _vector(path: Path, driver: str, crs: str, points: list[tuple[float, float]]) -> Path:
    geometry = shapely.to_wkb(np.array([shapely.Point(point) for point in points], dtype=object))
    names = np.array([f"n{at}" for at in range(len(points))], dtype=object)
    numbers = np.arange(len(points), dtype="int64")
    pyogrio.raw.write(
        str(path), geometry, field_data=[names, numbers], fields=["name", "number"], geometry_type="Point", crs=crs,
        driver=driver,
    )  # fmt: skip
    return path
