"""Functions that feed mappings have beside JMESPath's own. All are pure; null in gives null out.

A value of the wrong kind raises Rejected with the rule's name and what to do; the mapper adds the attribute.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from connectors.errors import Rejected

__all__ = ["FUNCTIONS", "slug", "utc"]

Value = Any
_SLUG = re.compile(r"[^a-z0-9]+")


def number(value: Value) -> float | int | None:
    """Read a number; text with a decimal point or not; empty text is null."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if math.isfinite(found):
            return found if "." in value or not found.is_integer() or abs(found) >= 2**53 else int(found)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Rejected("number", "", "the value is no number; correct it at the source, or map it with lookup()")


def integer(value: Value) -> int | None:
    """Read a whole number."""
    found = number(value)
    if found is None:
        return None
    if float(found).is_integer():
        return int(found)
    raise Rejected("integer", "", "the value is no whole number; use number() or rounded()")


def rounded(value: Value, digits: Value) -> float | None:
    """Round a number to so many decimals."""
    found = number(value)
    return None if found is None else round(float(found), int(digits))


def scale(value: Value, factor: Value, offset: Value = 0) -> float | None:
    """Convert linearly: value * factor + offset, rounded to nine digits against float noise."""
    found = number(value)
    return None if found is None else round(found * float(factor) + float(offset), 9)


def celsius(value: Value) -> float | None:
    """Convert degrees Fahrenheit to Celsius, to two decimals."""
    found = number(value)
    return None if found is None else round((found - 32) * 5 / 9, 2)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Rejected("time-zone", "", f"{name!r} is no time zone such as Europe/Madrid or UTC") from error


def utc(instant: datetime) -> str:
    """Write an aware time in UTC, with Z and no more digits than it has."""
    text = instant.astimezone(UTC).isoformat(timespec="microseconds" if instant.microsecond else "seconds")
    body = text[:-6]
    return (body.rstrip("0") if instant.microsecond else body) + "Z"


def time(value: Value, layout: Value = "iso", zone: Value = None) -> str | None:
    """Read a time by layout ('iso' or strptime's signs); one without offset needs a zone. Doubled hours: the first."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Rejected("time", "", "the value is no text; seconds since 1970? use epoch()")
    return _time(value, layout, zone)


@lru_cache(maxsize=4096)
def _time(value: str, layout: str, zone: str | None) -> str:
    try:
        found = datetime.fromisoformat(value) if layout == "iso" else datetime.strptime(value, layout)  # noqa: DTZ007
    except ValueError as error:
        raise Rejected("time", "", f"the value is no time of the layout {layout!r}") from error
    if found.tzinfo is None:
        if zone is None:
            raise Rejected("time-zone", "", "the time carries no offset; name it, time(x, 'iso', 'Europe/Madrid')")
        if zone == "UTC":
            return utc(found.replace(tzinfo=UTC))
        found = found.replace(tzinfo=_zone(zone))
        if found.astimezone(UTC).astimezone(found.tzinfo).replace(tzinfo=None) != found.replace(tzinfo=None):
            raise Rejected("time-gap", "", f"this hour was skipped in {zone} (summer time began)")
    return utc(found)


def epoch(value: Value) -> str | None:
    """Read seconds since 1970; zero or nothing is null (protobuf's default)."""
    found = number(value)
    if not found:
        return None
    try:
        return utc(datetime.fromtimestamp(found, UTC))
    except (OverflowError, ValueError, OSError) as error:
        raise Rejected("time", "", "the value is no time in seconds since 1970; else use epoch_ms()") from error


def epoch_ms(value: Value) -> str | None:
    """Read milliseconds since 1970."""
    found = number(value)
    if not found:
        return None
    return utc(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=found))


def slug(value: Value) -> str | None:
    """Make a lower-case name of letters, digits and hyphens."""
    if value is None:
        return None
    plain = unicodedata.normalize("NFKD", str(value)).encode("ascii", "ignore").decode().lower()
    return _SLUG.sub("-", plain).strip("-") or None


def urn(kind: Value, *parts: Value) -> str | None:
    """Build an entity id, urn:ngsi-ld:<kind>:<part>:..; null if any part is null or empty."""
    if any(part is None or part == "" for part in parts):
        return None
    return ":".join(["urn:ngsi-ld", str(kind), *(quote(str(part), safe="-._~") for part in parts)])


def point(lon: Value, lat: Value) -> dict[str, Any] | None:
    """Build a GeoJSON Point of longitude and latitude (WGS 84 degrees)."""
    east, north = number(lon), number(lat)
    if east is None or north is None:
        return None
    return {"type": "Point", "coordinates": [east, north]}


def project(x: Value, y: Value, crs: Value) -> dict[str, Any] | None:
    """Build a GeoJSON Point of coordinates of a reference system, x (east) before y: `project(x, y, 'EPSG:25831')`."""
    east, north = number(x), number(y)
    if east is None or north is None:
        return None
    try:
        lon, lat = _degrees(str(crs)).transform(east, north)
    except (CRSError, ProjError) as error:
        raise Rejected("crs", "", f"{crs!r} is no reference system such as EPSG:25831") from error
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise Rejected("crs", "", f"the coordinates are outside {crs}; swapped, or another system?")
    return {"type": "Point", "coordinates": [round(lon, 8), round(lat, 8)]}


@lru_cache(maxsize=16)
def _degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)


def concat(*parts: Value) -> str:
    """Put texts together; nulls count as empty."""
    return "".join("" if part is None else str(part) for part in parts)


def lookup(key: Value, table: Value, default: Value = None) -> Value:
    """Find a key in an object, such as a table of the feed: `lookup(eui, $devices)`."""
    if key is None or not isinstance(table, dict):
        return default
    return table.get(str(key), default)


def part(value: Value, separator: Value, position: Value) -> str | None:
    """Cut a text at a separator and give one piece, from 0; negative from the end. An interval: part(x, '/', `1`)."""
    if value is None:
        return None
    pieces = str(value).split(str(separator))
    at = int(position)
    return pieces[at].strip() or None if -len(pieces) <= at < len(pieces) else None


def each(value: Value) -> list[dict[str, Any]] | None:
    """List the members of an object as {key, value}, for documents that are keyed by their records' ids."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Rejected("object", "", "the value is no object, so it has no members")
    return [{"key": key, "value": item} for key, item in value.items()]


def lower(value: Value) -> str | None:
    """Write a text in small letters."""
    return None if value is None else str(value).lower()


def title(value: Value) -> str | None:
    """Write a text with capital initials."""
    return None if value is None else str(value).title()


def at_least(value: Value, least: Value) -> bool:
    """Say whether a number or time is not below another; true where one is missing."""
    return value is None or least is None or bool(value >= least)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        number, integer, rounded, scale, celsius, time, epoch, epoch_ms, slug, urn, point, project, concat, lookup,
        part, each, lower, title, at_least,
    )
}  # fmt: skip
"""By the name that mappings use."""
