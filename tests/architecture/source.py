"""The project's Python files as parsed trees, for the tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docker.local.stack import ROOT

__all__ = ["PACKAGES", "Source", "sources"]

PACKAGES = ("ontologies", "broker", "policies", "connectors", "catalog", "docker")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path from the root, its module name, its lines and its tree."""

    path: Path
    module: str
    lines: int
    tree: ast.Module

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def imports(self) -> Iterator[str]:
        """Yield the dotted names that this file imports at run time (not under TYPE_CHECKING)."""
        yield from _imports(self.tree)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Parse all files of some folders."""
    return tuple(_parse(file) for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))


def _parse(file: Path) -> Source:
    path = file.relative_to(ROOT)
    text = file.read_text()
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return Source(path, module, text.count("\n"), ast.parse(text, str(path)))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module
        else:
            yield from _imports(child)
