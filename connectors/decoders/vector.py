"""GeoPackage and Shapefile: one record per feature, read in batches by GDAL, reprojected by PROJ.

A file on disk is read where it is; what came over a network stays in memory. GDAL is never given a name from outside.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.geometry import Projection, geojson, projection
from connectors.decoders.unpack import Damaged, bounded_zip
from connectors.decoders.values import plain
from connectors.errors import FeedError
from connectors.geojson import within_degrees
from connectors.specs.formats import VectorDecoder

__all__ = ["decode_vector"]

_BATCH = 1_000
_DRIVERS = {"geopackage": ("GPKG", ".gpkg"), "shapefile": ("ESRI Shapefile", ".shp")}
_BROKEN = (DataSourceError, DataLayerError, FeatureError, UnicodeDecodeError, OSError)


def decode_vector(stream: BinaryIO, name: str, spec: VectorDecoder) -> Iterator[Decoded]:
    """Yield a record per feature. The position is `<name>#<n>`, from 0."""
    driver, _ = _DRIVERS[spec.kind]
    try:
        source = _source(stream, spec)
        with _quiet():
            layer = _layer(source, name, spec)
            about = pyogrio.read_info(source, layer=layer, encoding=spec.encoding)
    except _BROKEN as error:
        raise Damaged(spec.kind, f"the file is no {driver}, or is damaged; write it again") from error
    place = _place(about, name, spec)
    yield from _features(source, layer, about, place, name, spec)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide that GDAL misses the usual ending in the name of a file in memory."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*non conformant file extension")
        yield


def _source(stream: BinaryIO, spec: VectorDecoder) -> str | bytes:
    if spec.kind == "shapefile":
        return _zipped(stream, spec)
    stream.seek(0)
    if stream.read(16) != b"SQLite format 3\0":
        raise DataSourceError("no SQLite")
    stream.seek(0)
    path = getattr(stream, "name", None)
    if isinstance(path, str) and Path(path).is_file() and path.endswith(".gpkg"):
        return path
    return _read(stream, spec)


def _zipped(stream: BinaryIO, spec: VectorDecoder) -> bytes:
    with bounded_zip(stream, spec.max_expanded) as archive:
        names = [one for one in archive.namelist() if one.lower().endswith(".shp")]
        if len(names) != 1:
            raise Damaged("shapefile", "a Shapefile comes as a zip of one .shp with its .shx, .dbf and .prj")
        beside = {one.rsplit(".", 1)[-1].lower() for one in archive.namelist() if one.startswith(names[0][:-4])}
        if missing := sorted({"shx", "dbf"} - beside):
            raise Damaged("shapefile", f"the archive lacks the Shapefile's .{' and .'.join(missing)}")
    stream.seek(0)
    return _read(stream, spec)


def _read(stream: BinaryIO, spec: VectorDecoder) -> bytes:
    raw = stream.read(spec.max_bytes + 1)
    if len(raw) > spec.max_bytes:
        raise Damaged("length", f"the file is larger than decoder.max_bytes {spec.max_bytes}")
    return raw


def _layer(source: str | bytes, name: str, spec: VectorDecoder) -> str:
    layers = [str(row[0]) for row in pyogrio.list_layers(source)]
    if spec.layer is not None:
        if spec.layer not in layers:
            raise FeedError(f"{name}: decoder.layer: there is no layer {spec.layer!r}; it has {', '.join(layers)}")
        return spec.layer
    if not layers:
        raise DataLayerError("no layers")
    if len(layers) != 1:
        raise FeedError(f"{name}: it has {len(layers)} layers; set decoder.layer to one of {', '.join(layers)}")
    return layers[0]


def _place(about: dict[str, Any], name: str, spec: VectorDecoder) -> Projection | None:
    if about["geometry_type"] is None:
        return None
    said = spec.crs or about["crs"]
    if not said:
        raise FeedError(f"{name}: the file does not say its coordinate reference system; set decoder.crs")
    return projection(str(said), f"{name}: crs")


def _features(
    source: str | bytes, layer: str, about: dict[str, Any], place: Projection | None, name: str, spec: VectorDecoder
) -> Iterator[Decoded]:
    column = about["geometry_name"] or "wkb_geometry"
    at = 0
    try:
        opened = pyogrio.open_arrow(
            source, layer=layer, batch_size=_BATCH, return_fids=True, use_pyarrow=True, encoding=spec.encoding
        )
        with ExitStack() as stack:
            with _quiet():
                meta, reader = stack.enter_context(opened)
            fid, column = meta["fid_column"], meta["geometry_name"] or column
            for batch in reader:
                rows = batch.to_pylist()
                raws = [row.pop(column, None) for row in rows]
                shapes = place.shapes(shapely.from_wkb(np.array(raws, dtype=object))) if place else None
                for n, row in enumerate(rows):
                    number = row.pop(fid, at)
                    shape = geojson(shapes[n]) if shapes is not None else None
                    yield _record(number, row, shape, f"{name}#{at}", raws[n] or b"")
                    at += 1
    except _BROKEN as error:
        raise Damaged(spec.kind, f"the file is damaged after feature {at}; write it again") from error


def _record(number: Any, row: dict[str, Any], shape: dict[str, Any] | None, position: str, raw: bytes) -> Decoded:
    if shape is not None and not within_degrees(shape):
        hint = "the coordinates do not fit the file's reference system; set decoder.crs to the one they are in"
        return rejected(position, "crs", "geometry", hint, raw)
    properties = {column: plain(value) for column, value in row.items()}
    record: dict[str, Any] = {
        "id": number,
        "properties": {column: value for column, value in properties.items() if value is not None},
    }
    if shape is not None:
        record["geometry"] = shape
    return Decoded(position, record)
