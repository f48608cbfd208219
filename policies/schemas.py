"""JSON schemas of what the trust exchanges, written from the typed models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from policies.agreements.odrl import Agreement
from policies.answer import ANSWER, DecisionInput
from policies.audit import AuditRecord
from policies.city import City
from policies.domains import Domain

__all__ = ["schemas", "write_schemas"]

_BASE = "https://datapolis.example/schemas/"


def schemas() -> Iterator[tuple[str, bytes]]:
    """Give each schema's file name and text."""
    models: tuple[tuple[str, TypeAdapter[Any]], ...] = (
        ("agreement", TypeAdapter(Agreement)),
        ("audit-record", TypeAdapter(AuditRecord)),
        ("city", TypeAdapter(City)),
        ("decision", ANSWER),
        ("decision-input", TypeAdapter(DecisionInput)),
        ("domain", TypeAdapter(Domain)),
    )
    for name, adapter in models:
        document = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"{_BASE}{name}.json",
            **adapter.json_schema(by_alias=True),
        }
        yield f"{name}.json", orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in schemas():
        path = folder / name
        path.write_bytes(text)
        written.append(path)
    return written
