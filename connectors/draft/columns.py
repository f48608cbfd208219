"""What the fields of a sample hold: numbers, texts, times and their layout, places, keys, what looks personal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.geojson import is_geometry
from connectors.minimise import unescaped

__all__ = ["Column", "columns", "layout_of", "words"]

_LAYOUTS = (
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d",
)  # fmt: skip
_PERSONAL = frozenset({
    "email", "mail", "phone", "telephone", "mobile", "surname", "lastname", "firstname", "fullname", "owner", "person",
    "resident", "applicant", "contact", "birthdate", "birthday", "ssn", "passport", "iban", "licenceplate",
    "licenseplate", "plate", "address", "street",
})  # fmt: skip
_NAMING = frozenset({"id", "eui", "uuid", "code", "ref"})
_MOST = 2_000
_MOSTLY = 0.7  # of the values are numbers: then it is a number, and the others are wrong


@dataclass(slots=True)
class Column:
    """A field of the sample by its path (`/` goes down), and what its values are."""

    path: str
    values: list[Any] = field(default_factory=list)
    kind: str = "text"
    layout: str = ""
    zoned: bool = True
    unit: str | None = None

    @property
    def distinct(self) -> int:
        """Count the different values seen."""
        return len({str(value) for value in self.values})

    @property
    def personal(self) -> bool:
        """Whether the name suggests a person or a household."""
        found = words(self.path)
        return bool(_PERSONAL & {*found, "".join(found)})

    @property
    def names(self) -> bool:
        """Whether the name says that its values name something: they are no quantity, whatever they look like."""
        return not _NAMING.isdisjoint(words(self.path)[-1:])

    @property
    def span(self) -> tuple[float, float]:
        """Least and most of the numbers."""
        numbers = [float(value) for value in self.values if _number(value)]
        return min(numbers), max(numbers)


def words(name: str) -> list[str]:
    """Split a name into small words: `PM2.5 (µg/m3)` gives pm25, `SensorId` gives sensor, id."""
    last = re.sub(r"\(.*?\)|\[.*?\]", "", unescaped(name.rsplit("/", 1)[-1])).replace(".", "")
    parts = re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last))
    return [part.lower() for part in parts if part]


def columns(records: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Profile the fields of records, in the order in which they appear."""
    found: dict[str, Column] = {}
    for at, record in enumerate(records):
        if at >= _MOST:
            break
        for path, value in _leaves(record, ""):
            column = found.setdefault(path, Column(path))
            if value is not None and value != "":
                column.values.append(value)
    for column in found.values():
        _judge(column)
    return [column for column in found.values() if column.values]


def _leaves(record: Mapping[str, Any], above: str) -> Iterable[tuple[str, Any]]:
    for raw, value in record.items():
        name = raw.replace("~", "~0").replace("/", "~1")
        if is_geometry(value):
            yield above + name, value
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}/")
        elif not isinstance(value, list):
            yield above + name, value


def _judge(column: Column) -> None:
    values = column.values
    if not values:
        return
    if all(is_geometry(value) for value in values):
        column.kind = "geometry"
    elif all(isinstance(value, bool) for value in values):
        column.kind = "boolean"
    elif _epoch(column):
        column.kind, column.layout = "time", "epoch_ms" if float(values[0]) > 1e11 else "epoch"
    elif (layout := layout_of([str(value) for value in values])) is not None and isinstance(values[0], str):
        column.kind, column.layout = "time", layout
        column.zoned = layout == "iso" and all(datetime.fromisoformat(value).tzinfo is not None for value in values)
    elif sum(map(_number, values)) >= len(values) * _MOSTLY:
        padded = any(isinstance(value, str) and re.match(r"0\d", value) for value in values)
        whole = all(float(value).is_integer() for value in values if _number(value))
        named = column.names and isinstance(values[0], str)
        column.kind = "text" if padded or named else "integer" if whole else "number"


def layout_of(values: list[str]) -> str | None:
    """Find the layout of times that reads all values: iso, or strptime's signs; None if they are no times."""
    for layout in ("iso", *_LAYOUTS):
        try:
            for value in values:
                if layout == "iso":
                    if len(value) < 8 or value.isdecimal():
                        raise ValueError(value)
                    datetime.fromisoformat(value)
                else:
                    datetime.strptime(value, layout)  # noqa: DTZ007 - only whether it can be read
        except ValueError:
            continue
        return layout
    return None


def _epoch(column: Column) -> bool:
    named = {"time", "timestamp", "ts", "date", "epoch", "updated", "observed", "created"} & set(words(column.path))
    return bool(named) and all(_number(value) and 9e8 < float(value) < 4e12 for value in column.values)


def _number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return float(value) == float(value) and str(value).lower() not in {"nan", "inf", "-inf", "infinity"}
    except (TypeError, ValueError):
        return False
