"""Payload bytes as the devices make them: the encoders to `connectors.decoders.codecs`."""

from __future__ import annotations

import struct

__all__ = ["decentlab_pm", "milesight_sound", "milesight_weather"]


def milesight_weather(battery: int, temperature: float, humidity: float) -> bytes:
    """Encode a Milesight EM300-TH uplink."""
    return struct.pack("<2sB2sh2sB", b"\x01\x75", battery, b"\x03\x67", round(temperature * 10), b"\x04\x68",
                       round(humidity * 2))  # fmt: skip


def milesight_sound(battery: int, fast: float, equivalent: float, highest: float) -> bytes:
    """Encode a Milesight WS302 uplink (A-weighted, fast)."""
    return struct.pack("<2sB2sBHHH", b"\x01\x75", battery, b"\x05\x5b", 5, round(fast * 10), round(equivalent * 10),
                       round(highest * 10))  # fmt: skip


def decentlab_pm(
    device: int, volts: float, mass: tuple[float, float, float, float], temperature: float, humidity: float, pascal: int
) -> bytes:
    """Encode a Decentlab DL-PM uplink with all its sensors; `mass` is PM1, PM2.5, PM4, PM10 in ug/m3."""
    counts = [round(value * factor * 10) for value, factor in zip(mass, (7.1, 8.1, 7.7, 7.7), strict=True)]
    return struct.pack(
        ">BHH1H10H2H1H",
        2, device, 0b1111,
        round(volts * 1000),
        *(round(value * 10) for value in mass), 501, round(mass[0] * 71), *counts,
        round((temperature + 46.85) * 65536 / 175.72), round((humidity + 6) * 65536 / 125),
        pascal // 2,
    )  # fmt: skip
