"""Payload codecs of devices: bytes to named values, as their makers document them.

Milesight: channel-type-value triples, little endian. Decentlab (protocol 2): a bit per sensor, big-endian words.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

__all__ = ["CODECS", "CodecError"]

Values = dict[str, Any]


class CodecError(ValueError):
    """The bytes do not follow the codec."""


def milesight(data: bytes) -> Values:
    """Decode a Milesight payload (EM300-TH, WS302, EM310-UDL, EM500-SWL)."""
    values: Values = {}
    at = 0
    while at < len(data):
        pair = data[at : at + 2]
        found = _MILESIGHT.get(pair)
        if found is None:
            raise CodecError(f"channel and type {pair.hex()} are unknown at byte {at}")
        size, read = found
        body = data[at + 2 : at + 2 + size]
        if len(body) < size:
            raise CodecError(f"cut off at byte {len(data)}")
        read(body, values)
        at += 2 + size
    if not values:
        raise CodecError("empty")
    return values


def _scaled(name: str, layout: str, divisor: float) -> Callable[[bytes, Values], None]:
    def read(body: bytes, values: Values) -> None:
        values[name] = struct.unpack(layout, body)[0] / divisor

    return read


def _whole(name: str, layout: str) -> Callable[[bytes, Values], None]:
    def read(body: bytes, values: Values) -> None:
        values[name] = struct.unpack(layout, body)[0]

    return read


def _sound(body: bytes, values: Values) -> None:
    _, fast, equivalent, highest = struct.unpack("<BHHH", body)
    values.update({"LAF": fast / 10, "LAeq": equivalent / 10, "LAFmax": highest / 10})


_MILESIGHT: dict[bytes, tuple[int, Callable[[bytes, Values], None]]] = {
    b"\x01\x75": (1, _whole("battery", "<B")),
    b"\x03\x67": (2, _scaled("temperature", "<h", 10)),
    b"\x04\x68": (1, _scaled("humidity", "<B", 2)),
    b"\x05\x5b": (7, _sound),
    b"\x03\x82": (2, _whole("distance", "<H")),
    b"\x04\x00": (1, _whole("position", "<B")),
    b"\x03\x77": (2, _whole("water_level", "<H")),
}

_PM = (
    "pm1_0_mass_concentration", "pm2_5_mass_concentration", "pm4_mass_concentration", "pm10_mass_concentration",
    "typical_particle_size", "pm0_5_number_concentration", "pm1_0_number_concentration", "pm2_5_number_concentration",
    "pm4_number_concentration", "pm10_number_concentration",
)  # fmt: skip


def decentlab_pm(data: bytes) -> Values:
    """Decode a Decentlab DL-PM payload (particulate matter, with air temperature, humidity and pressure)."""
    if len(data) < 5:
        raise CodecError("shorter than its head of 5 bytes")
    version, _device, flags = struct.unpack(">BHH", data[:5])
    if version != 2:
        raise CodecError(f"protocol version {version}, not 2")
    sizes = (1, 10, 2, 1)
    wanted = sum(size for bit, size in enumerate(sizes) if flags >> bit & 1)
    if flags >> len(sizes) or len(data) != 5 + 2 * wanted:
        raise CodecError(f"{len(data)} bytes do not fit sensor flags {flags:#06x}")
    words = list(struct.unpack(f">{wanted}H", data[5:]))
    values: Values = {}
    if flags & 1:
        values["battery_voltage"] = words.pop(0) / 1000
    if flags & 2:
        for name in _PM:
            word = words.pop(0)
            values[name] = word if name == "typical_particle_size" else word / 10
    if flags & 4:
        values["air_temperature"] = words.pop(0) * 175.72 / 65536 - 46.85
        values["air_humidity"] = words.pop(0) * 125 / 65536 - 6
    if flags & 8:
        values["barometric_pressure"] = words.pop(0) * 2
    return values


CODECS: dict[str, Callable[[bytes], Values]] = {"milesight": milesight, "decentlab-pm": decentlab_pm}
"""By the name that feeds use."""
