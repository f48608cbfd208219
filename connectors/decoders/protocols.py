"""The decoders of protocols by what declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO

from connectors.decoders.decoded import Decoded
from connectors.specs.protocols import ProtocolDecoder

__all__ = ["protocol_decoder"]

_HOMES = {
    "gtfs": "gtfs:decode_gtfs",
    "gtfs-rt": "gtfs_rt:decode_gtfs_rt",
    "gbfs": "gbfs:decode_gbfs",
    "lorawan": "lorawan:decode_lorawan",
    "senml": "senml:decode_senml",
    "sparkplug-b": "sparkplug:decode_sparkplug",
    "ngsi": "ngsi:decode_ngsi",
    "onem2m": "onem2m:decode_onem2m",
}
_REMEMBERS = frozenset({"sparkplug-b"})


def protocol_decoder(spec: ProtocolDecoder, memory: dict[str, Any]) -> Callable[[BinaryIO, str], Iterator[Decoded]]:
    """Choose the decoder of a protocol; it is imported when first needed."""
    module, _, function = _HOMES[spec.kind].partition(":")
    decode: Any = getattr(import_module(f"connectors.decoders.{module}"), function)
    if spec.kind in _REMEMBERS:
        return lambda stream, name: decode(stream, name, spec, memory)
    return lambda stream, name: decode(stream, name, spec)
