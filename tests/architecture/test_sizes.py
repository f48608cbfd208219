"""Files and functions stay small enough to be read in one go, and files are named after their subject."""

from __future__ import annotations

import ast

from tests.architecture.source import PACKAGES, sources

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}


def test_no_file_is_too_long() -> None:
    """Over 500 lines a newcomer loses the way; under 300 is the aim."""
    long = {str(source.path): source.lines for source in sources(*PACKAGES, "tests") if source.lines > MAX_FILE_LINES}
    assert long == {}


def test_no_function_is_too_long() -> None:
    """Over 80 lines nobody holds a function in mind; under 40 is the aim."""
    long = {
        f"{source.path}:{node.lineno} {node.name}": _lines(node)
        for source in sources(*PACKAGES, "tests")
        for node in source.functions()
        if _lines(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    """Each module and each public function opens with a docstring, except empty packages."""
    silent = [
        str(source.path) for source in sources(*PACKAGES) if source.tree.body and not ast.get_docstring(source.tree)
    ]
    assert silent == []


def test_modules_are_named_after_their_subject() -> None:
    """No drawers for odds and ends."""
    assert [str(source.path) for source in sources(*PACKAGES, "tests") if source.path.stem in NAMELESS] == []


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
