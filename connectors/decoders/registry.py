"""The decoders of file formats by what declares them; each is imported when first needed (GDAL is large)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO

from connectors.decoders.decoded import Decoded
from connectors.decoders.unpack import unpacked
from connectors.specs.formats import FormatDecoder

__all__ = ["format_decoder"]

_HOMES = {
    "xlsx": "xlsx:decode_xlsx",
    "xml": "xml:decode_xml",
    "parquet": "parquet:decode_parquet",
    "geojson": "geojson:decode_geojson",
    "topojson": "geojson:decode_topojson",
    "geopackage": "vector:decode_vector",
    "shapefile": "vector:decode_vector",
    "cityjson": "cityjson:decode_cityjson",
    "citygml": "citygml:decode_citygml",
}


def format_decoder(spec: FormatDecoder) -> Callable[[BinaryIO, str], Iterator[Decoded]]:
    """Choose the decoder of a file format."""
    module, _, function = _HOMES[spec.kind].partition(":")
    decode: Any = getattr(import_module(f"connectors.decoders.{module}"), function)
    return unpacked(lambda stream, name: decode(stream, name, spec), spec, spec.kind)
