"""JMESPath expressions, compiled to closures.

JMESPath's own parser makes the tree; its interpreter walks it once per record and node, which costs more than the rest
of a mapping. `compile_expression` turns the tree into Python closures for the kinds of node that mappings use, and
hands any other node to the interpreter, so that every expression means what JMESPath says (a property test compares).
`$name` in a feed's expression is a table of the feed, put in as a literal.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jmespath
from jmespath import exceptions, functions, visitor

from connectors.errors import FeedError, Rejected
from connectors.functions import FUNCTIONS

__all__ = ["EXPECTED", "Expression", "compile_expression", "guarded", "interpreted", "renamed"]

Expression = Callable[[Any], Any]
Node = Any

EXPECTED = (Rejected, TypeError, ValueError, KeyError, AttributeError, ArithmeticError)
"""What an expression raises on values that it cannot take."""

_TABLE = re.compile(r"\$([a-z][a-z0-9_]*)")


class _Functions(functions.Functions):
    """JMESPath's functions and ours, for the interpreter."""

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        own = FUNCTIONS.get(function_name)
        return own(*resolved_args) if own is not None else super().call_function(function_name, resolved_args)


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_BUILT_IN = _Functions()


def interpreted(text: str, tables: Mapping[str, Any] | None = None) -> Expression:
    """Return the expression evaluated by JMESPath's own interpreter (the oracle)."""
    parsed = jmespath.compile(_with_tables(text, tables or {}))
    return lambda value: parsed.search(value, options=_OPTIONS)


def compile_expression(text: str, where: str, tables: Mapping[str, Any] | None = None) -> Expression:
    """Compile `text`; FeedError naming `where` if it is no expression or names a function that does not exist."""
    try:
        tree = jmespath.compile(_with_tables(text, tables or {}, where)).parsed
    except exceptions.JMESPathError as error:
        raise FeedError(f"{where}: {text!r} is no JMESPath expression: {error}") from error
    _check_functions(tree, where, text)
    return _translate(tree)


def guarded(text: str, where: str, tables: Mapping[str, Any] | None = None) -> Expression:
    """Compile like `compile_expression`; a value of the wrong kind is always Rejected, whatever Python raised."""
    inner = compile_expression(text, where, tables)

    def run(value: Any) -> Any:
        try:
            return inner(value)
        except EXPECTED as error:
            raise renamed("", error) from error

    return run


def renamed(name: str, error: Exception) -> Rejected:
    """Say of an error of EXPECTED at which field it arose."""
    if isinstance(error, Rejected):
        found = error.rejection
        return Rejected(found.rule, name or found.field, found.suggestion, found.stage)
    return Rejected("expression", name, f"the expression cannot take this value ({type(error).__name__})")


def _with_tables(text: str, tables: Mapping[str, Any], where: str = "") -> str:
    def put(hit: re.Match[str]) -> str:
        if hit[1] not in tables:
            raise FeedError(f"{where}: {text!r} names ${hit[1]}, which is not under tables")
        return "`" + json.dumps(tables[hit[1]]).replace("`", "\\`") + "`"

    return _TABLE.sub(put, text)


def _check_functions(node: Any, where: str, text: str) -> None:
    if not isinstance(node, dict):
        return
    if node["type"] == "function_expression":
        name, given = node["value"], len(node["children"])
        own = FUNCTIONS.get(name)
        if own is None and name not in _BUILT_IN.FUNCTION_TABLE:
            raise FeedError(f"{where}: {text!r} calls {name}(), which does not exist; ours are {', '.join(FUNCTIONS)}")
        if own is not None:
            try:
                inspect.signature(own).bind(*[None] * given)
            except TypeError as error:
                raise FeedError(f"{where}: {text!r} calls {name}() with {given} arguments: {error}") from error
    for child in node.get("children", ()):
        _check_functions(child, where, text)


def _translate(node: Node) -> Expression:
    maker = _MAKERS.get(node["type"])
    return maker(node) if maker is not None else _interpret(node)


def _interpret(node: Node) -> Expression:
    walker = visitor.TreeInterpreter(_OPTIONS)

    def walk(value: Any) -> Any:
        try:
            return walker.visit(node, value)
        except exceptions.JMESPathError as error:
            raise Rejected("expression", "", "the expression cannot take this value") from error

    return walk


def _field(node: Node) -> Expression:
    name = node["value"]
    return lambda value: value.get(name) if isinstance(value, dict) else None


def _chain(node: Node) -> Expression:
    steps = node["children"]
    if all(step["type"] == "field" for step in steps):
        names = [step["value"] for step in steps]
        if len(names) == 2:
            first, second = names

            def two(value: Any) -> Any:
                inner = value.get(first) if isinstance(value, dict) else None
                return inner.get(second) if isinstance(inner, dict) else None

            return two
    parts = [_translate(step) for step in steps]

    def walk(value: Any) -> Any:
        for part in parts:
            value = part(value)
        return value

    return walk


def _index(node: Node) -> Expression:
    position = node["value"]

    def pick(value: Any) -> Any:
        if not isinstance(value, list):
            return None
        try:
            return value[position]
        except IndexError:
            return None

    return pick


def _literal(node: Node) -> Expression:
    constant = node["value"]
    return lambda value: constant


def _call(node: Node) -> Expression:
    name = node["value"]
    if any(child["type"] == "expref" for child in node["children"]):
        return _interpret(node)
    arguments = [_translate(child) for child in node["children"]]
    own = FUNCTIONS.get(name)
    if own is None:

        def built_in(value: Any) -> Any:
            try:
                return _BUILT_IN.call_function(name, [argument(value) for argument in arguments])
            except exceptions.JMESPathError as error:
                raise Rejected("expression", "", f"{name}() cannot take this value") from error

        return built_in
    if len(arguments) == 1:
        only = arguments[0]
        return lambda value: own(only(value))
    return lambda value: own(*[argument(value) for argument in arguments])


def _false(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def _or(node: Node) -> Expression:
    left, right = map(_translate, node["children"])

    def either(value: Any) -> Any:
        found = left(value)
        return right(value) if _false(found) else found

    return either


def _and(node: Node) -> Expression:
    left, right = map(_translate, node["children"])

    def both(value: Any) -> Any:
        found = left(value)
        return found if _false(found) else right(value)

    return both


def _not(node: Node) -> Expression:
    inner = _translate(node["children"][0])
    return lambda value: _false(inner(value))


def _identity(node: Node) -> Expression:
    return lambda value: value


_MAKERS: dict[str, Callable[[Node], Expression]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "index": _index,
    "literal": _literal,
    "function_expression": _call,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "pipe": _chain,
    "current": _identity,
    "identity": _identity,
}
