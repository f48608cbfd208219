"""Parquet: one record per row, a row group at a time; GeoParquet's geometries become GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.geometry import WGS84, Projection, geojson, projection
from connectors.decoders.unpack import Damaged
from connectors.decoders.values import plain
from connectors.geojson import within_degrees
from connectors.specs.formats import ParquetDecoder

__all__ = ["decode_parquet"]

_ROWS = 1_000
_BROKEN = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError, UnicodeDecodeError)


def decode_parquet(stream: BinaryIO, name: str, spec: ParquetDecoder) -> Iterator[Decoded]:
    """Yield a record per row. The position is `<name>#<n>`, from 0."""
    at = 0
    try:
        with pq.ParquetFile(stream) as file:
            groups = [file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups)]
            if max(groups, default=0) > spec.max_group:
                raise Damaged("expanded", f"a row group expands to more than decoder.max_group {spec.max_group} bytes")
            shapes = _geometries(file.schema_arrow.metadata or {}, name)
            for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
                for row in batch.to_pylist():
                    yield _row(row, shapes, f"{name}#{at}")
                    at += 1
    except _BROKEN as error:
        raise Damaged("parquet", f"the file is no Parquet, or is damaged after row {at}; fetch it again") from error


def _geometries(metadata: dict[bytes, bytes], name: str) -> dict[str, Projection]:
    """Read GeoParquet's metadata: the geometry columns and how to bring them to degrees."""
    try:
        columns = orjson.loads(metadata.get(b"geo", b"{}")).get("columns", {})
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise Damaged("parquet", "the metadata 'geo' of the file is no GeoParquet; write the file again") from error
    found: dict[str, Projection] = {}
    for column, about in columns.items():
        crs = about.get("crs", WGS84)
        found[column] = projection(crs if isinstance(crs, str) else orjson.dumps(crs).decode(), name)
    return found


def _row(row: dict[str, Any], shapes: dict[str, Projection], position: str) -> Decoded:
    record: dict[str, Any] = {}
    for column, value in row.items():
        if column in shapes and isinstance(value, bytes):
            try:
                shape = shapely.from_wkb(value)
            except shapely.errors.GEOSException:
                return rejected(position, "geometry", column, "the geometry is no WKB; write it again", value)
            found = geojson(shapes[column].shapes(np.array([shape]))[0])
            if found is not None and not within_degrees(found):
                return rejected(position, "crs", column, "the geometry is outside its reference system", value)
            record[column] = found
        else:
            record[column] = plain(value)
    return Decoded(position, {column: value for column, value in record.items() if value is not None})
