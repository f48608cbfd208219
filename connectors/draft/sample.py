"""From a sample to a draft: format, key, time, place, model, units; what is not certain is asked in the draft."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from connectors.decoders import decoder
from connectors.draft.columns import Column, columns, words
from connectors.draft.detect import detect
from connectors.draft.protocols import asked
from connectors.draft.suggest import Match, matches, model_of, unit_of
from connectors.errors import FeedError
from connectors.feed import Decoder
from connectors.functions import slug
from connectors.minimise import unescaped
from connectors.names import Names

__all__ = ["OWN", "Draft", "Line", "draft_sample", "flow", "quoted", "term_for"]

OWN = "https://datapolis.example/ns#"
_RECORDS = 1_000
_LON, _LAT = ("lon", "lng", "long", "longitude", "x"), ("lat", "latitude", "y")
_MEANS_MORE = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
"""What YAML reads as something else than a text, however it is capitalised."""
_IDS = ("id", "eui", "key", "code", "uuid", "nr", "station", "sensor", "device", "site")


@dataclass(slots=True)
class Line:
    """One attribute of the draft: name, declaration, and what to say beside it."""

    name: str
    declaration: str
    remark: str


@dataclass(slots=True)
class Draft:
    """A declaration as text, the terms that the city's context lacks for it, and what a person must answer."""

    feed: str
    text: str
    terms: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def draft_sample(path: Path, feed: str, domain: str, names: Names, zone: str) -> Draft:
    """Draft a declaration from a file; FeedError if no record of it can be read."""
    spec = detect(path)
    found = columns(_records(path, spec))
    if not found:
        raise FeedError(
            f"{path}: no record could be read as {spec['kind']}; see 'File formats' in connectors/README.md"
        )
    draft = Draft(feed, "", questions=asked(spec))
    model, confidence = model_of(found, path.stem) or (None, 0.0)
    kind = model.name if model else "".join(part.title() for part in feed.split("-"))
    term_for(kind, model.iri if model else OWN + kind, names, draft)
    chosen = (
        {one.column.path: one for one in matches([one for one in found if not one.personal], model)} if model else {}
    )
    time, key = _time(found), _key([one for one in found if one.path not in chosen or one.kind == "text"])
    if spec["kind"] == "senml":
        key = next((one for one in found if one.path == "name"), key)
    observed = _observed(time, zone, draft)
    place, used = _place(found, spec, draft)
    left = [one for one in found if one.personal]
    rest = [one for one in found if one not in left and one is not time and one.path not in used]
    lines = [Line("location", place, "")] if place else []
    for column in rest:
        lines.append(_line(column, chosen.get(column.path), kind, lines, names, draft, quantity=column is not key))
    if key is None:
        draft.questions.append("no field names what a record is about: is the whole file about one thing?")
    for one in left:
        draft.questions.append(
            f"{one.path} looks personal and is left out; to keep it, coarsen it or list it under hmac"
        )
    draft.report = {
        "format": spec, "model": kind, "confidence": confidence, "key": key.path if key else None,
        "time": time.path if time else None, "left_out": [one.path for one in left],
        "fields": {one.column.path: {"term": one.term.name, "confidence": one.confidence} for one in chosen.values()},
    }  # fmt: skip
    keep = [one.path for one in found if one not in left and (one in rest or one is time or one.path in used)]
    source = _source(path, draft, domain, spec, key, keep if time else [*keep, "@received"])
    sure = f"{confidence:.0%} sure" if model else "a type of our own"
    draft.text = "\n".join([*source, *_mapping(feed, kind, sure, key, observed, lines), ""])
    return draft


def _line(
    column: Column, match: Match | None, kind: str, taken: Sequence[Line], names: Names, draft: Draft, *, quantity: bool
) -> Line:
    """Draft an attribute of a field. `quantity`: a number in it measures something, and has a unit."""
    name = match.term.name if match else _own_name(column, taken)
    term_for(name, match.term.iri if match else OWN + name, names, draft)
    remark = f"{match.confidence:.0%} {match.term.name} of {kind}" if match else "no term of a model: the city's own"
    unit = unit_of(column, match.term if match else None)
    if unit is None and column.kind in {"number", "integer"} and quantity and not column.names:
        remark += "; QUESTION: which unit?"
    return Line(name, _value(column, unit), remark)


def _source(
    path: Path, draft: Draft, domain: str, spec: dict[str, Any], key: Column | None, keep: Sequence[str]
) -> list[str]:
    """Write the declaration down to what is kept, the questions before it."""
    by = f"to_string({expression(key.path)})" if key else f"'{draft.feed}'"
    return [
        f"# Drafted from {path.name}. Read it, answer the questions, then: python -m connectors check {draft.feed}",
        *[f"# QUESTION: {question}" for question in draft.questions],
        f"feed: {draft.feed}",
        f"title: {quoted(path.stem)}",
        f"domain: {domain}",
        f"source: {flow({'kind': 'file', 'path': str(path.resolve())})}",
        f"decoder: {flow(spec)}",
        f"key: {quoted(by)}",
        "minimise:",
        "  keep:",
        *[f"    - {quoted(one)}" for one in keep],
    ]


def _mapping(feed: str, kind: str, sure: str, key: Column | None, observed: str, lines: Sequence[Line]) -> list[str]:
    """Write the declaration from the mapping on."""
    if key is None:
        about = f"urn('{kind}', '{feed}')"
    elif all(str(one).startswith("urn:") for one in key.values):
        about = expression(key.path)  # it is an entity's id as it stands
    else:
        about = f"urn('{kind}', '{feed}', {expression(key.path)})"
    return [
        "mapping:",
        f"  - type: {kind}  # {sure}",
        f"    id: {quoted(about)}",
        f"    observedAt: {quoted(observed)}",
        "    attributes:",
        *[f"      {one.name}: {one.declaration}{f'  # {one.remark}' if one.remark else ''}" for one in lines],
    ]


def _records(path: Path, spec: dict[str, Any]) -> list[dict[str, Any]]:
    declared: Any = TypeAdapter(Decoder).validate_python(spec)
    with path.open("rb") as stream:
        found = itertools.islice(decoder(declared)(stream, path.name), _RECORDS)
        return [one.record for one in found if one.record is not None]


def term_for(name: str, iri: str, names: Names, draft: Draft) -> None:
    """Note a term that the city's context does not have yet."""
    try:
        names.iri(name, "")
    except FeedError:
        draft.terms[name] = iri


def _time(found: Sequence[Column]) -> Column | None:
    times = [one for one in found if one.kind == "time"]
    best = ("observed", "timestamp", "datetime", "time", "date", "updated", "created")
    return min(
        times, key=lambda one: next((at for at, word in enumerate(best) if word in words(one.path)), 9), default=None
    )


def _key(found: Sequence[Column]) -> Column | None:
    candidates = [one for one in found if one.kind in {"text", "integer"} and not one.personal]
    named = [one for one in candidates if set(words(one.path)) & set(_IDS)]
    return min(named, key=lambda one: min(_IDS.index(word) for word in words(one.path) if word in _IDS), default=None)


def _observed(time: Column | None, zone: str, draft: Draft) -> str:
    if time is None:
        draft.questions.append("no field holds a time: is it observed when it is fetched? (else correct observedAt)")
        return '"@received"'
    path = expression(time.path)
    if time.layout.startswith("epoch"):
        return f"{time.layout}({path})"
    if time.layout in {"%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S"}:
        draft.questions.append(f"{time.path}: is the day or the month first? taken as {time.layout}")
    if time.zoned:
        return f"time({path})"
    draft.questions.append(f"the times of {time.path} carry no zone: is it {zone}, with summer time?")
    return f"time({path}, '{time.layout}', '{zone}')"


def _place(found: Sequence[Column], spec: dict[str, Any], draft: Draft) -> tuple[str, set[str]]:
    for one in found:
        if one.kind == "geometry":
            if spec["kind"] in {"geojson", "topojson"}:
                draft.questions.append("are the coordinates WGS 84, as GeoJSON has them? else set decoder.crs")
            return f"{{type: GeoProperty, value: {quoted(expression(one.path))}}}", {one.path}
    numeric = [one for one in found if one.kind in {"number", "integer"}]
    lon = next((one for one in numeric if words(one.path)[-1:] and words(one.path)[-1] in _LON), None)
    lat = next((one for one in numeric if words(one.path)[-1:] and words(one.path)[-1] in _LAT), None)
    if lon is None or lat is None:
        return "", set()
    used = {lon.path, lat.path}
    if lon.span[0] >= -180 and lon.span[1] <= 180 and lat.span[0] >= -90 and lat.span[1] <= 90:
        draft.questions.append(f"are {lon.path} and {lat.path} degrees of WGS 84?")
        return f"{{type: GeoProperty, value: {quoted(f'point({expression(lon.path)}, {expression(lat.path)})')}}}", used
    draft.questions.append(
        f"{lon.path} and {lat.path} are no degrees: which reference system is it? name it in project()"
    )
    call = f"project({expression(lon.path)}, {expression(lat.path)}, 'EPSG:25831')"
    return f"{{type: GeoProperty, value: {quoted(call)}}}", used


def _value(column: Column, unit: str | None) -> str:
    path = expression(column.path)
    if column.kind in {"number", "integer"}:
        call = quoted(f"number({path})")
        return f"{{value: {call}, unitCode: {unit}}}" if unit else call
    if column.kind == "time" and column.zoned and column.layout == "iso":
        return quoted(f"time({path})")
    return quoted(path)


def _own_name(column: Column, taken: Sequence[Line]) -> str:
    parts = (slug(" ".join(words(column.path))) or "value").split("-")
    name = parts[0] + "".join(part.title() for part in parts[1:])
    name = name if name[0].isalpha() and name not in {"id", "type", "scope", "location"} else f"field{name.title()}"
    others = {one.name for one in taken}
    return next(one for one in (name, *(f"{name}{n}" for n in range(2, 100))) if one not in others)


def expression(path: str) -> str:
    """Write a path as JMESPath."""
    steps = [unescaped(step) for step in path.split("/")]
    plain = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
    return ".".join(step if plain.fullmatch(step) else json.dumps(step, ensure_ascii=False) for step in steps)


def quoted(text: str) -> str:
    """Write a text in YAML: plain where that is safe."""
    if re.fullmatch(r"[A-Za-z_]([\w ./-]*[\w./-])?", text) and text.lower() not in _MEANS_MORE:
        return text
    if "'" in text and not re.search(r'["\\\x00-\x1f]', text):
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def flow(members: dict[str, Any]) -> str:
    """Write a mapping in one line."""
    return "{" + ", ".join(f"{quoted(name)}: {_scalar(value)}" for name, value in members.items()) + "}"


def _scalar(value: Any) -> str:
    if isinstance(value, dict):
        return flow(value)
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(one) for one in value) + "]"
    return json.dumps(value) if not isinstance(value, str) or "\t" in value else quoted(value)
