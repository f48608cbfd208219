"""Payload codecs of devices: bytes to named values, as their makers document them.

A codec takes the bytes and the LoRaWAN port. Milesight: channel-type-value triples, little endian. Decentlab
(protocol 2): a bit per sensor, big-endian words. Bosch: a message per port. Tektelic: like Milesight, big endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

__all__ = ["CODECS", "CodecError"]

Values = dict[str, Any]


class CodecError(ValueError):
    """The bytes do not follow the codec."""


def milesight(data: bytes, port: int = 0) -> Values:
    """Decode a Milesight payload (EM300-TH, WS302, EM310-UDL, EM500-SWL, VS133)."""
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


def _position(body: bytes, values: Values) -> None:
    values["position"] = "tilt" if body[0] else "normal"


_MILESIGHT: dict[bytes, tuple[int, Callable[[bytes, Values], None]]] = {
    b"\x01\x75": (1, _whole("battery", "<B")),
    b"\x03\x67": (2, _scaled("temperature", "<h", 10)),
    b"\x04\x68": (1, _scaled("humidity", "<B", 2)),
    b"\x05\x5b": (7, _sound),
    b"\x03\x82": (2, _whole("distance", "<H")),
    b"\x04\x00": (1, _position),
    b"\x03\x77": (2, _whole("water_level", "<H")),
    b"\x03\xd2": (4, _whole("line_1_total_in", "<I")),
    b"\x04\xd2": (4, _whole("line_1_total_out", "<I")),
    b"\x06\xd2": (4, _whole("line_2_total_in", "<I")),
    b"\x07\xd2": (4, _whole("line_2_total_out", "<I")),
    b"\x09\xd2": (4, _whole("line_3_total_in", "<I")),
    b"\x0a\xd2": (4, _whole("line_3_total_out", "<I")),
    b"\x0c\xd2": (4, _whole("line_4_total_in", "<I")),
    b"\x0d\xd2": (4, _whole("line_4_total_out", "<I")),
}

_PM = (
    "pm1_0_mass_concentration", "pm2_5_mass_concentration", "pm4_mass_concentration", "pm10_mass_concentration",
    "typical_particle_size", "pm0_5_number_concentration", "pm1_0_number_concentration", "pm2_5_number_concentration",
    "pm4_number_concentration", "pm10_number_concentration",
)  # fmt: skip


def _decentlab(data: bytes, sizes: tuple[int, ...]) -> list[list[int] | None]:
    """Split a Decentlab payload into the words of each sensor, None where a sensor is not in it."""
    if len(data) < 5:
        raise CodecError("shorter than its head of 5 bytes")
    version, _device, flags = struct.unpack(">BHH", data[:5])
    if version != 2:
        raise CodecError(f"protocol version {version}, not 2")
    wanted = sum(size for bit, size in enumerate(sizes) if flags >> bit & 1)
    if flags >> len(sizes) or len(data) != 5 + 2 * wanted:
        raise CodecError(f"{len(data)} bytes do not fit sensor flags {flags:#06x}")
    words = list(struct.unpack(f">{wanted}H", data[5:]))
    found: list[list[int] | None] = []
    for bit, size in enumerate(sizes):
        here = bool(flags >> bit & 1)
        found.append(words[:size] if here else None)
        words = words[size:] if here else words
    return found


def decentlab_pm(data: bytes, port: int = 0) -> Values:
    """Decode a Decentlab DL-PM payload (particulate matter, with air temperature, humidity and pressure)."""
    battery, matter, air, pressure = _decentlab(data, (1, 10, 2, 1))
    values: Values = {}
    if battery:
        values["battery_voltage"] = battery[0] / 1000
    if matter:
        for name, word in zip(_PM, matter, strict=True):
            values[name] = word if name == "typical_particle_size" else word / 10
    if air:
        values["air_temperature"] = air[0] * 175.72 / 65536 - 46.85
        values["air_humidity"] = air[1] * 125 / 65536 - 6
    if pressure:
        values["barometric_pressure"] = pressure[0] * 2
    return values


_ATM41 = (
    ("solar_radiation", 1), ("precipitation", 1000), ("lightning_strike_count", 1), ("lightning_average_distance", 1),
    ("wind_speed", 100), ("wind_direction", 10), ("maximum_wind_speed", 100), ("air_temperature", 10),
    ("vapor_pressure", 100), ("atmospheric_pressure", 100), ("relative_humidity", 10),
    ("sensor_temperature_internal", 10), ("x_orientation_angle", 10), ("y_orientation_angle", 10),
    ("compass_heading", 1), ("north_wind_speed", 100), ("east_wind_speed", 100),
)  # fmt: skip


def decentlab_atm41(data: bytes, port: int = 0) -> Values:
    """Decode a Decentlab DL-ATM41 payload (weather station)."""
    weather, battery = _decentlab(data, (17, 1))
    values: Values = {}
    if weather:
        for (name, divisor), word in zip(_ATM41, weather, strict=True):
            shifted = word - 32_768
            values[name] = shifted if divisor == 1 else shifted / divisor
    if battery:
        values["battery_voltage"] = battery[0] / 1000
    return values


def decentlab_tbrg(data: bytes, port: int = 0) -> Values:
    """Decode a Decentlab DL-TBRG payload (rain gauge): millimetres, in the interval and since the start."""
    rain, battery = _decentlab(data, (4, 1))
    values: Values = {}
    if rain:
        values["precipitation"] = rain[0] / 10
        values["precipitation_interval"] = rain[1]
        values["cumulative_precipitation"] = (rain[2] + rain[3] * 65_536) / 10
    if battery:
        values["battery_voltage"] = battery[0] / 1000
    return values


_BOSCH_RESETS = {1: "Watchdog Reset", 2: "Power On Reset", 3: "System Request Reset", 4: "Other Resets"}


def bosch_parking(data: bytes, port: int = 0) -> Values:
    """Decode a Bosch parking lot sensor: port 1 status, 2 heartbeat, 3 startup."""
    if port == 1 and len(data) == 1:
        return {"type": "parking status", "occupied": bool(data[0])}
    if port == 2 and len(data) == 2:
        return {"type": "heartbeat", "occupied": bool(data[0]), "temperature": struct.unpack("b", data[1:])[0]}
    if port == 3 and len(data) == 17:
        patch, minor, major, cause, occupied = data[12:]
        return {
            "type": "startup", "occupied": bool(occupied), "resetCause": _BOSCH_RESETS.get(cause, "Other Resets"),
            "firmwareVersion": f"{major}.{minor}.{patch}", "debugInfo": data[:12].hex(" "),
        }  # fmt: skip
    raise CodecError(f"{len(data)} bytes on port {port} are no message of this sensor")


def tektelic_kiwi(data: bytes, port: int = 0) -> Values:
    """Decode a Tektelic Kiwi or Clover (soil): battery, the frequency of a Watermark, the voltage of a thermistor."""
    values: Values = {}
    at = 0
    while at < len(data):
        pair = data[at : at + 2]
        size, read = _KIWI.get(pair, (0, None))
        body = data[at + 2 : at + 2 + size]
        if read is None or len(body) < size:
            raise CodecError(f"channel and type {pair.hex()} are unknown or cut off at byte {at}")
        read(body, values)
        at += 2 + size
    if not values:
        raise CodecError("empty")
    return values


def _thermistor(body: bytes, values: Values) -> None:
    millivolts = struct.unpack(">H", body)[0]
    values["input2_voltage"] = millivolts / 1000
    if millivolts:
        values["input2_voltage_to_temp"] = round(-32.46 * math.log(millivolts) + 236.36, 1)


_KIWI: dict[bytes, tuple[int, Callable[[bytes, Values], None]]] = {
    b"\x00\xd3": (1, _whole("rem_batt_capacity", ">B")),
    b"\x00\xbd": (2, _whole("rem_batt_days", ">H")),
    b"\x00\xff": (2, _scaled("battery_voltage", ">h", 100)),
    b"\x01\x04": (2, _whole("input1_frequency", ">H")),
    b"\x02\x02": (2, _thermistor),
}


CODECS: dict[str, Callable[[bytes, int], Values]] = {
    "bosch-parking": bosch_parking,
    "decentlab-atm41": decentlab_atm41,
    "decentlab-pm": decentlab_pm,
    "decentlab-tbrg": decentlab_tbrg,
    "milesight": milesight,
    "tektelic-kiwi": tektelic_kiwi,
}
"""By the name that feeds use."""
