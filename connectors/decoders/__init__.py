"""Decoders: bytes to records. Pure, bounded; one module per format.

`decoder(feed.decoder)` gives a function of a byte stream and a name for it; it yields `Decoded`, in order. A record
that cannot be decoded is yielded with its rejection, and the next one follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from connectors.decoders.csv import decode_csv
from connectors.decoders.decoded import Decoded
from connectors.decoders.gtfs_rt import decode_gtfs_rt
from connectors.decoders.json import decode_json
from connectors.decoders.lorawan import decode_lorawan
from connectors.decoders.registry import format_decoder
from connectors.decoders.unpack import unpacked
from connectors.feed import CsvDecoder, Decoder, GtfsRtDecoder, JsonDecoder, LorawanDecoder

__all__ = ["Decode", "Decoded", "decoder"]

Decode = Callable[[BinaryIO, str], Iterator[Decoded]]


def decoder(spec: Decoder) -> Decode:
    """Choose the decoder of a declaration."""
    match spec:
        case CsvDecoder():
            return unpacked(lambda stream, name: decode_csv(stream, name, spec), spec, spec.kind)
        case JsonDecoder():
            return unpacked(lambda stream, name: decode_json(stream, name, spec), spec, spec.kind)
        case GtfsRtDecoder():
            return lambda stream, name: decode_gtfs_rt(stream, name, spec)
        case LorawanDecoder():
            return lambda stream, name: decode_lorawan(stream, name, spec)
        case _:
            return format_decoder(spec)
