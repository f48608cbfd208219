"""Units of measurement: the common codes of UN/CEFACT Recommendation 20 that city feeds use."""

from __future__ import annotations

from typing import Final

__all__ = ["UNITS"]

UNITS: Final[dict[str, str]] = {
    "2N": "decibel", "4K": "milliampere", "59": "parts per million", "61": "parts per billion", "A97": "hectopascal",
    "AMP": "ampere", "BAR": "bar", "C62": "one", "CEL": "degree Celsius", "CMT": "centimetre", "D30": "terajoule",
    "DAY": "day", "DD": "degree of angle", "E34": "gigabyte", "FAH": "degree Fahrenheit", "GM": "gram per square metre",
    "GP": "milligram per cubic metre", "GQ": "microgram per cubic metre", "GRM": "gram",
    "HTZ": "hertz", "HUR": "hour", "J": "joule", "KEL": "kelvin", "KGM": "kilogram", "KMH": "kilometre per hour",
    "KMT": "kilometre", "KNT": "knot", "KPA": "kilopascal", "KWH": "kilowatt hour", "KWT": "kilowatt", "LTR": "litre",
    "LUX": "lux", "MBR": "millibar", "MIN": "minute", "MLT": "millilitre", "MMT": "millimetre", "MTQ": "cubic metre",
    "MTR": "metre", "MTS": "metre per second", "P1": "percent", "PAL": "pascal", "SEC": "second", "SMI": "mile",
    "VLT": "volt", "WTT": "watt", "C45": "nanometre", "D54": "watt per square metre", "Q30": "pH",
}  # fmt: skip
"""Code to name."""
