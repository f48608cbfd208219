"""JSON schemas of what the broker exchanges, written from the typed models.

`python -m broker.schemas --write` writes them to `ontologies/schemas`; `--check` says whether they are up to date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import field, make_dataclass
from typing import Any, NamedTuple, get_type_hints

import orjson
from pydantic import TypeAdapter

from broker.core.change import ChangeEvent
from broker.core.entity import ENTITY_MEMBERS, INSTANCE_MEMBERS, KINDS, OUTPUT_MEMBERS
from broker.core.envelope import Envelope
from ontologies import load

__all__ = ["main", "schemas"]

_BASE = "https://datapolis.example/schemas/"
_IRI = "^[A-Za-z][A-Za-z0-9+.-]*:"


def schemas() -> Iterator[tuple[str, bytes]]:
    """Give each schema's name and text."""
    envelope = _whole(TypeAdapter(_as_object(Envelope)).json_schema())
    envelope["properties"]["entity"] = {"$ref": f"{_BASE}entity.json"}
    change = _whole(TypeAdapter(ChangeEvent).json_schema())
    change["required"].remove("members")
    for name, document in (("change", change), ("entity", _entity()), ("envelope", envelope)):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{_BASE}{name}.json", **document}
        yield name, orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _as_object(model: type[NamedTuple]) -> type:
    """Turn a named tuple into a dataclass: over the wire it is an object, while pydantic describes tuples as arrays."""
    hints = get_type_hints(model)
    fields = [
        (name, hints[name], field(default=model._field_defaults[name]))
        if name in model._field_defaults
        else (name, hints[name])
        for name in model._fields
    ]
    made = make_dataclass(model.__name__, fields)
    made.__doc__ = model.__doc__
    return made


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Say that an object has all of its members and no other: so it goes over the wire."""
    schema["additionalProperties"] = False
    schema["required"] = sorted(schema["properties"])
    return schema


def _entity() -> dict[str, Any]:
    """Describe an entity in internal form: IRIs for names, normalized shape."""
    instance = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": sorted(KINDS)},
            "datasetId": {"type": "string", "pattern": _IRI},
            "observedAt": {"type": "string", "format": "date-time"},
            "expiresAt": {"type": "string", "format": "date-time"},
            "unitCode": {"type": "string", "minLength": 1},
        }
        | {
            name: {}
            for name in sorted(INSTANCE_MEMBERS - OUTPUT_MEMBERS)
            if name not in {"type", "datasetId", "observedAt", "expiresAt", "unitCode"}
        },
        "oneOf": [{"properties": {"type": {"const": kind.name}}, "required": [kind.member]} for kind in KINDS.values()],
        "patternProperties": {_IRI: {"$ref": "#/$defs/attribute"}},
        "additionalProperties": False,
    }
    attribute = {
        "anyOf": [
            {"$ref": "#/$defs/instance"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/instance"}},
        ]
    }
    members = {
        "id": {"type": "string", "pattern": _IRI},
        "type": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": _IRI}},
        "scope": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^/"}},
        "expiresAt": {"type": "string", "format": "date-time"},
    }
    return {
        "title": "Entity",
        "description": "An entity in internal form: names are IRIs, attributes are normalized (CIM 009 V1.9.1, 4.5).",
        "type": "object",
        "required": ["id"],
        "properties": {name: members[name] for name in sorted(ENTITY_MEMBERS)},
        "patternProperties": {_IRI: {"$ref": "#/$defs/attribute"}},
        "additionalProperties": False,
        "$defs": {"attribute": attribute, "instance": instance},
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the schemas, or check them; the exit code says whether they were up to date."""
    parser = argparse.ArgumentParser(prog="python -m broker.schemas", description=__doc__)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--write", action="store_true", help="write the files")
    way.add_argument("--check", action="store_true", help="compare with the files")
    given = parser.parse_args(arguments)
    stale = []
    for name, text in schemas():
        path = load.schema_path(name)
        if path.is_file() and path.read_bytes() == text:
            continue
        stale.append(name)
        if given.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    if given.write or not stale:
        return 0
    sys.stderr.write(f"out of date: {', '.join(stale)}; run python -m broker.schemas --write\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
