"""The JSON schemas of evidence and of the catalog's files in the city folder: `python -m catalog schemas`."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import BaseModel, TypeAdapter

from catalog.readiness import Evidence
from catalog.register import registration_schema, system_schema
from catalog.roadmap import Pilot, Plan

__all__ = ["documents", "evidence_schema", "write_schemas"]

_FILE = "evidence.json"


def evidence_schema() -> bytes:
    """Give the schema of one gate's evidence as `/readiness` publishes it; `passed` is called `pass` there."""
    document = TypeAdapter(Evidence).json_schema()
    members = {("pass" if name == "passed" else name): part for name, part in document["properties"].items()}
    members["pass"]["title"] = "Pass"
    document |= {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://datapolis.example/schemas/{_FILE}",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)


def _of(model: type[BaseModel], name: str) -> bytes:
    document = model.model_json_schema(by_alias=True) | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://datapolis.example/schemas/{name}",
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)


def documents() -> dict[str, bytes]:
    """Every schema of the catalog's, by the name of its file."""
    return {
        _FILE: evidence_schema(),
        "algorithm-registration.json": registration_schema(),
        "system.json": system_schema(),
        "roadmap.json": _of(Plan, "roadmap.json"),
        "pilot.json": _of(Pilot, "pilot.json"),
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas into the folder."""
    for name, document in documents().items():
        (folder / name).write_bytes(document)
    return [folder / name for name in documents()]
