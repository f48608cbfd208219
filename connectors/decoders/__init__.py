"""Decoders: bytes to records. Pure, bounded; one module per format.

`decoder(feed.decoder)` gives a function of a byte stream and a name for it; it yields `Decoded`, in order. A record
that cannot be decoded is yielded with its rejection, and the next one follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from connectors.decoders.csv import decode_csv
from connectors.decoders.decoded import Decoded
from connectors.decoders.json import decode_json
from connectors.decoders.protocols import protocol_decoder
from connectors.decoders.registry import format_decoder
from connectors.decoders.unpack import unpacked
from connectors.feed import CsvDecoder, Decoder, JsonDecoder
from connectors.specs.formats import FormatDecoder

__all__ = ["Decode", "Decoded", "decoder"]

Decode = Callable[[BinaryIO, str], Iterator[Decoded]]


def decoder(spec: Decoder, memory: dict[str, Any] | None = None) -> Decode:
    """Choose the decoder of a declaration. `memory` is what a decoder keeps from payload to payload (Sparkplug)."""
    match spec:
        case CsvDecoder():
            return unpacked(lambda stream, name: decode_csv(stream, name, spec), spec, spec.kind)
        case JsonDecoder():
            return unpacked(lambda stream, name: decode_json(stream, name, spec), spec, spec.kind)
        case _ if isinstance(spec, FormatDecoder):
            return format_decoder(spec)
        case _:
            return protocol_decoder(spec, {} if memory is None else memory)
