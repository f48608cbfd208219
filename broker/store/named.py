"""SQL statements by name, from `queries/*.sql`: each follows a line `-- name: <name>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

__all__ = ["load"]

_HEAD = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)


def load(name: str) -> Mapping[str, str]:
    """Read the statements of `queries/<name>.sql`; KeyError on use of one that is not there."""
    parts = _HEAD.split(files("broker.store").joinpath("queries", f"{name}.sql").read_text("utf-8"))
    return MappingProxyType({parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)})
