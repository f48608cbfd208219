"""Declarations of file formats: what a feed's `decoder` may say about tables, documents, maps and city models.

Every format has bounds of its own, so that no file makes a process grow without limit.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.specs.closed import Closed

__all__ = [
    "CityGmlDecoder",
    "CityJsonDecoder",
    "FormatDecoder",
    "GeoJsonDecoder",
    "Packed",
    "ParquetDecoder",
    "TopoJsonDecoder",
    "VectorDecoder",
    "XlsxDecoder",
    "XmlDecoder",
]


class Packed(Closed):
    """Gzip and zip are recognised by their first bytes; of a zip archive the files that `inside` names are taken."""

    inside: str = Field(default="*", description="glob of the files to take from a zip archive")
    max_expanded: int = Field(default=2_000_000_000, gt=0, description="bytes, after decompression, at most")


class XlsxDecoder(Packed):
    """Rows of a workbook's sheet: numbers, texts and ISO times, empty cells left out."""

    kind: Literal["xlsx"]
    sheet: str | None = Field(default=None, description="name of the sheet; the first when absent")
    header: int = Field(default=1, ge=1, description="number of the row that names the columns")
    max_expanded: int = Field(default=500_000_000, gt=0)
    max_columns: int = Field(default=1_000, gt=0)


class XmlDecoder(Packed):
    """Repeated elements of an XML document; namespaces are dropped, attributes are `@name`, text beside them `#`."""

    kind: Literal["xml"]
    record: str = Field(description="path of the element that is a record, e.g. requests/request; its end is enough")
    max_record: int = Field(default=1_000_000, gt=0, description="bytes of one record, at most")
    max_depth: int = Field(default=64, gt=0)


class ParquetDecoder(Packed):
    """Rows of a Parquet file; geometry columns of GeoParquet become GeoJSON in longitude and latitude."""

    kind: Literal["parquet"]
    max_group: int = Field(default=500_000_000, gt=0, description="bytes of one row group, decompressed, at most")


class _Placed(Packed):
    crs: str | None = Field(
        default=None,
        description="coordinate reference system, e.g. EPSG:28992, where the file does not say or is wrong",
    )
    max_bytes: int = Field(default=200_000_000, gt=0, description="bytes of a file that is read whole, at most")


class GeoJsonDecoder(_Placed):
    """Features of a GeoJSON collection, or one per line: `id`, `properties` and `geometry`."""

    kind: Literal["geojson"]
    max_record: int = Field(default=20_000_000, gt=0, description="bytes of one feature, at most")


class TopoJsonDecoder(_Placed):
    """Features of a TopoJSON topology: `id`, `object`, `properties` and `geometry`."""

    kind: Literal["topojson"]
    object: str | None = Field(default=None, description="name of the object to take; all when absent")


class VectorDecoder(_Placed):
    """Features of a GeoPackage, or of a Shapefile in a zip archive: `id`, `properties` and `geometry`."""

    kind: Literal["geopackage", "shapefile"]
    layer: str | None = Field(default=None, description="name of the layer; needed where there are several")
    encoding: str | None = Field(default=None, description="of a Shapefile's texts, where it does not say")


class CityJsonDecoder(_Placed):
    """Objects of a CityJSON document or sequence: `id`, `type`, `properties`, footprint, `zMin`, `zMax`, `lod`."""

    kind: Literal["cityjson"]
    max_record: int = Field(default=20_000_000, gt=0, description="bytes of one line of a sequence, at most")


class CityGmlDecoder(_Placed):
    """Objects of a CityGML document: `id`, `type`, `properties`, footprint, `zMin`, `zMax`."""

    kind: Literal["citygml"]
    max_record: int = Field(default=20_000_000, gt=0, description="bytes of one object, at most")
    max_depth: int = Field(default=64, gt=0)


FormatDecoder = (
    XlsxDecoder
    | XmlDecoder
    | ParquetDecoder
    | GeoJsonDecoder
    | TopoJsonDecoder
    | VectorDecoder
    | CityJsonDecoder
    | CityGmlDecoder
)
"""The formats declared here."""
