"""The JSON schema of evidence, written from the typed model: `python -m catalog schemas`."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import TypeAdapter

from catalog.readiness import Evidence

__all__ = ["evidence_schema", "write_schemas"]

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


def write_schemas(folder: Path) -> Path:
    """Write the schema into the folder."""
    path = folder / _FILE
    path.write_bytes(evidence_schema())
    return path
