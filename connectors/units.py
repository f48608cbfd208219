"""Units of measurement: common codes of UN/CEFACT Recommendation 20, UCUM expressions, and how people write units."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["UNITS", "is_unit", "unit_code"]

UNITS: Final[dict[str, str]] = {
    "2N": "decibel", "4K": "milliampere", "59": "parts per million", "61": "parts per billion", "A97": "hectopascal",
    "AMP": "ampere", "BAR": "bar", "C62": "one", "CEL": "degree Celsius", "CMT": "centimetre", "D30": "terajoule",
    "DAY": "day", "DD": "degree of angle", "E34": "gigabyte", "FAH": "degree Fahrenheit",
    "GM": "gram per square metre", "GP": "milligram per cubic metre", "GQ": "microgram per cubic metre",
    "GRM": "gram", "HTZ": "hertz", "HUR": "hour", "J": "joule", "KEL": "kelvin", "KGM": "kilogram",
    "KMH": "kilometre per hour", "KMT": "kilometre", "KNT": "knot", "KPA": "kilopascal", "KWH": "kilowatt hour",
    "KWT": "kilowatt", "LTR": "litre", "LUX": "lux", "MBR": "millibar", "MIN": "minute", "MLT": "millilitre",
    "MMT": "millimetre", "MTQ": "cubic metre", "MTR": "metre", "MTS": "metre per second", "P1": "percent",
    "PAL": "pascal", "SEC": "second", "SMI": "mile", "VLT": "volt", "WTT": "watt", "C45": "nanometre",
    "D54": "watt per square metre", "Q30": "pH", "4H": "micrometre", "4L": "megabyte", "4P": "newton per metre",
    "A44": "decalitre", "A86": "gigahertz", "AD": "byte", "ANN": "year", "B22": "kiloampere", "B49": "kiloohm",
    "BQL": "becquerel", "C26": "millisecond", "CDL": "candela", "CMQ": "cubic centimetre", "CUR": "curie",
    "D33": "tesla", "D80": "microwatt", "E10": "degree day", "FOT": "foot", "GBQ": "gigabecquerel", "GV": "gigajoule",
    "GWH": "gigawatt hour", "HAR": "hectare", "HM": "mile per hour", "INH": "inch", "INK": "square inch",
    "K6": "kilolitre", "KHZ": "kilohertz", "KJO": "kilojoule", "KMK": "square kilometre", "KVA": "kilovolt ampere",
    "KVR": "kilovar", "KVT": "kilovolt", "LM": "linear metre", "LUM": "lumen", "MAW": "megawatt",
    "MBQ": "megabecquerel", "MC": "microgram", "MGM": "milligram", "MHZ": "megahertz", "MMK": "square millimetre",
    "MON": "month", "MPA": "megapascal", "MQH": "cubic metre per hour", "MQS": "cubic metre per second",
    "MTK": "square metre", "MVA": "megavolt ampere", "MWH": "megawatt hour", "OHM": "ohm", "ONZ": "ounce",
    "RPM": "revolutions per minute", "TNE": "tonne", "VA": "volt ampere", "WEE": "week", "WHR": "watt hour",
    "YRD": "yard", "D10": "siemens per metre", "H61": "millisiemens per centimetre", "M1": "milligram per litre",
    "NTU": "nephelometric turbidity unit", "2Z": "millivolt", "B84": "microampere",
}  # fmt: skip
"""Code to name."""

_WRITTEN: Final[dict[str, str]] = {
    "c": "CEL", "°c": "CEL", "degc": "CEL", "celsius": "CEL", "celsiusdegrees": "CEL", "f": "FAH", "°f": "FAH",
    "k": "KEL", "fahrenheit": "FAH", "kelvin": "KEL", "%": "P1", "percent": "P1", "pct": "P1", "µg/m3": "GQ",
    "μg/m3": "GQ", "ug/m3": "GQ", "µg/m³": "GQ", "μg/m³": "GQ", "ug/m³": "GQ", "mg/m3": "GP", "mg/m³": "GP",
    "ppm": "59", "ppb": "61", "db": "2N", "dba": "2N", "db(a)": "2N", "hpa": "A97", "hectopascals": "A97",
    "mbar": "MBR", "pa": "PAL", "kpa": "KPA", "bar": "BAR", "m/s": "MTS", "ms": "MTS", "mps": "MTS",
    "meterspersecond": "MTS", "km/h": "KMH", "kmh": "KMH", "kph": "KMH", "kilometerperhour(km/h)": "KMH", "mph": "HM",
    "kn": "KNT", "knots": "KNT", "mm": "MMT", "cm": "CMT", "m": "MTR", "km": "KMT", "meter": "MTR", "meters": "MTR",
    "metre": "MTR", "metres": "MTR", "meter(m)": "MTR", "centimeters": "CMT", "literspersquaremeter": "MMT",
    "l/m2": "MMT", "mi": "SMI", "ft": "FOT", "s": "SEC", "sec": "SEC", "second": "SEC", "seconds": "SEC",
    "second(s)": "SEC", "min": "MIN", "minutes": "MIN", "h": "HUR", "hours": "HUR", "d": "DAY", "days": "DAY",
    "v": "VLT", "mv": "2Z", "volt": "VLT", "volts": "VLT", "a": "AMP", "ma": "4K", "w": "WTT", "watt": "WTT",
    "kw": "KWT", "mw": "MAW", "wh": "WHR", "kwh": "KWH", "mwh": "MWH", "lux": "LUX", "lx": "LUX", "w/m2": "D54",
    "w/m²": "D54", "hz": "HTZ", "degree": "DD", "degrees": "DD", "deg": "DD", "°": "DD", "l": "LTR", "liter": "LTR",
    "litre": "LTR", "liters": "LTR", "litres": "LTR", "ml": "MLT", "m3": "MTQ", "m³": "MTQ", "cubicmeters": "MTQ",
    "cubicmetre": "MTQ", "kg": "KGM", "kilograms": "KGM", "g": "GRM", "t": "TNE", "m2": "MTK", "m²": "MTK",
    "squaremeters": "MTK", "m3/h": "MQH", "m³/h": "MQH", "m3/s": "MQS", "ph": "Q30", "rpm": "RPM", "mg/l": "M1",
    "ntu": "NTU", "count": "C62", "one": "C62",
}  # fmt: skip
_ATOMS = """10* 10^ rad deg sr cd mol Hz N Pa J W A V F Ohm S Wb Cel [degF] T H lm lx Bq Gy Sv gon ' '' l L ar min h d
wk mo a t bar u eV pc [c] [ft_i] [in_i] [mi_i] [yd_i] [lb_av] [kn_i] [nmi_i] [pH] [ppth] [ppm] [ppb] % bit By Bd B g m s
K C"""
_ATOM = "|".join(sorted((re.escape(one) for one in _ATOMS.split()), key=len, reverse=True))
_PREFIX = "da|[YZEPTGMkhdcmunpfazy]|Ki|Mi|Gi"
_FACTOR = rf"(?:(?:(?:{_PREFIX})?(?:{_ATOM})(?:[+-]?\d+)?|\d+)(?:\{{[^{{}}]*\}})?|\{{[^{{}}]*\}})"
_UCUM = re.compile(rf"/?{_FACTOR}(?:[./]{_FACTOR})*")


def is_unit(code: str) -> bool:
    """Whether a text is a UN/CEFACT code known here or a UCUM expression (case-sensitive) without brackets."""
    return code in UNITS or _UCUM.fullmatch(code) is not None


def unit_code(written: str) -> str | None:
    """Find the UN/CEFACT code of a unit as people write it (`µg/m3`, `km/h`, `celsius`); None if it is not known."""
    plain = re.sub(r"\s+", "", written)
    if plain.upper() in UNITS and len(plain) > 1 and plain.lower() not in _WRITTEN:
        return plain.upper()
    return _WRITTEN.get(plain.lower()) or _WRITTEN.get(plain.lower().rsplit(":", 1)[-1])
