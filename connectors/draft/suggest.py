"""Which smart data model a sample may be, and which of its terms each field: a guess with a confidence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.draft.columns import Column, words
from connectors.minimise import unescaped
from connectors.units import unit_code
from ontologies.smart_models import Model, Term, named

__all__ = ["Match", "matches", "model_of", "unit_of"]

_LEAST = 0.6
_SURE = 0.2  # below, a type of the city's own
_GENERAL = frozenset({"name", "description", "location", "status", "category", "source", "address", "manufacturerName"})
_SAME = {
    "temp": "temperature", "airtemperature": "temperature", "hum": "relativeHumidity", "humidity": "relativeHumidity",
    "rh": "relativeHumidity", "pressure": "atmosphericPressure", "airpressure": "atmosphericPressure",
    "wind": "windSpeed",
    "windspd": "windSpeed", "winddir": "windDirection", "rain": "precipitation", "rainfall": "precipitation",
    "pm2": "pm25", "pm2p5": "pm25", "veloc": "windSpeed", "direc": "windDirection", "noise": "LAeq", "leq": "LAeq",
    "laeqdb": "LAeq", "vehicles": "intensity", "flow": "intensity", "trafficcount": "intensity", "speedkmh": "speed",
    "freespaces": "availableSpotNumber", "free": "availableSpotNumber", "capacity": "totalSpotNumber",
    "bikes": "availableBikeNumber", "battery": "batteryLevel", "fill": "fillingLevel", "filllevel": "fillingLevel",
    "station": "name", "stationname": "name", "sitename": "name", "complaint": "service_name",
}  # fmt: skip
_SUFFIX_UNITS = frozenset({
    "c", "f", "k", "kmh", "kph", "mph", "ms", "mps", "hpa", "kpa", "mm", "cm", "m", "km", "pct", "percent", "db", "dba",
    "kwh", "wh", "kw", "w", "v", "mv", "lux", "ppm", "ppb", "degc",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """A field, the term that it may be, and how sure that is (0 to 1)."""

    column: Column
    term: Term
    confidence: float


def unit_of(column: Column, term: Term | None) -> str | None:
    """Find a number's unit: in brackets in its name, as the last word of it, else as the model has it."""
    if column.kind not in {"number", "integer"}:
        return None
    for written in re.findall(r"[(\[](.*?)[)\]]", unescaped(column.path)):
        if code := unit_code(written):
            return code
    found = words(column.path)
    if len(found) > 1 and found[-1] in _SUFFIX_UNITS:
        return unit_code(found[-1])
    return unit_code(term.units) if term is not None and term.units else None


def matches(columns: Sequence[Column], model: Model) -> list[Match]:
    """Match fields with a model's terms, each term once, the surest first."""
    found = [
        Match(column, term, confidence)
        for column in columns
        for term in model.attributes.values()
        if (confidence := _confidence(column, term)) >= _LEAST
    ]
    taken: set[str] = set()
    chosen = []
    for match in sorted(found, key=lambda one: (-one.confidence, one.term.name)):
        if match.column.path not in taken and match.term.name not in taken:
            taken |= {match.column.path, match.term.name}
            chosen.append(match)
    return chosen


def model_of(columns: Sequence[Column], hint: str) -> tuple[Model, float] | None:
    """Find the model that explains the most fields; `hint` is the file's name. None if none explains any."""
    best: tuple[float, Model] | None = None
    about = set(words(hint))
    for model in named().values():
        specific = [one for one in matches(columns, model) if one.term.name not in _GENERAL]
        score = sum(one.confidence for one in specific)
        if score:
            close = {"observed", *words(model.name)} - {"observed"}
            score += 0.5 * len(about & {*close, *words(model.subject)})
            score -= 0.002 * len(model.attributes)  # of two that explain as much, the narrower one
        if score > (best[0] if best else 0):
            best = (score, model)
    confidence = round(min(0.99, best[0] / max(2, len(columns))), 2) if best else 0.0
    return (best[1], confidence) if best and confidence >= _SURE else None


def _confidence(column: Column, term: Term) -> float:
    if column.kind in {"time", "geometry"} or term.kind != "Property":
        return 0
    parts = words(column.path)
    if len(parts) > 1 and parts[-1] in _SUFFIX_UNITS:
        parts = parts[:-1]
    name = "".join(parts)
    wanted = re.sub(r"[^a-z0-9]", "", term.name.lower())
    if name == wanted:
        likeness = 1.0
    elif _SAME.get(name) == term.name:
        likeness = 0.9
    else:
        ratio = difflib.SequenceMatcher(None, name, wanted).ratio()
        likeness = ratio * 0.85 if ratio >= 0.8 and len(wanted) > 4 else 0
    numeric = column.kind in {"number", "integer"}
    wants_number = bool({"number", "integer"} & set(term.json))
    if likeness and term.json and numeric != wants_number:
        likeness *= 0.5
    if likeness and numeric and term.maximum not in (None, 1) and column.span[1] > (term.maximum or 0):
        likeness *= 0.7
    return round(likeness, 2)
