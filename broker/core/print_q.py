"""Printing of conditions in the languages of 4.9, 4.17 and 4.19, so that parsing the text gives the same AST again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from broker.core.parse_q import _NAME
from broker.core.query import (
    And,
    Boolean,
    Compare,
    DateTimeLiteral,
    Exists,
    Linked,
    ListOf,
    Literal_,
    Matches,
    Node,
    Not,
    Number,
    Operand,
    Or,
    Path,
    Range,
    ScopeIs,
    Text,
    TypeIs,
    Uri,
)

__all__ = ["print_q", "print_scope", "print_type"]

Compact = Callable[[str], str]

_PLAIN_URI = re.compile(r"[A-Za-z][A-Za-z0-9+\-]*:[A-Za-z0-9:/._~#?&=%@\-]+")
_PLAIN_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})+|@none|\*")


def print_q(node: Node, compact: Compact | None = None) -> str:
    """Write a condition over attribute values as `q`. Names that do not compact to a name of 4.6.2 go into `<>`.

    `parse_q(print_q(node, compact), expand) == node` where `expand(compact(iri)) == iri`, for every node that the
    parser can give (And and Or of at least two items). Without `compact` all names go into `<>`. ValueError if the
    node holds anything that `q` cannot say.
    """
    match node:
        case Or(items) if len(items) > 1:
            return "|".join(_item(item, compact, Or) for item in items)
        case And(items) if len(items) > 1:
            return ";".join(_item(item, compact, And, Or) for item in items)
        case Not(Exists(path)):
            return f"!{_path(path, compact)}"
        case Exists() | Compare() | Matches() | Linked():
            target, rest = _term(node, compact)
            return target + rest
    raise ValueError(f"q cannot express {type(node).__name__}")


def print_type(node: Node, compact: Compact = str) -> str:
    """Write And/Or over TypeIs in the language of 4.17."""
    return _selection(node, lambda leaf: compact(leaf.type) if isinstance(leaf, TypeIs) else None)


def print_scope(node: Node) -> str:
    """Write And/Or over ScopeIs in the language of 4.19."""
    return _selection(node, lambda leaf: leaf.pattern if isinstance(leaf, ScopeIs) else None)


def _term(node: Node, compact: Compact | None) -> tuple[str, str]:
    """Write a predicate in two parts: what it looks at, which links enclose in braces, and the rest."""
    match node:
        case Exists(path):
            return _path(path, compact), ""
        case Compare(path, op, operand):
            return _path(path, compact), f"{op}{_operand(operand)}"
        case Matches(path, expression, negated):
            return _path(path, compact), f"{'!~=' if negated else '~='}{_expression(expression)}"
        case Linked(attr, types, item):
            target, rest = _term(item, None if compact is None else _without_prefixes(compact))
            hint = ",".join(_hinted(name, compact) for name in types) + ":" if types else ""
            return f"{_name(attr, compact)}{{{hint}{target}}}", rest
    raise ValueError(f"q cannot express {type(node).__name__} over a link")


def _without_prefixes(compact: Compact) -> Compact:
    """Leave names alone that would compact to `prefix:name`: in braces that is a type hint and a name."""

    def plain(name: str) -> str:
        short = compact(name)
        return "" if ":" in short else short

    return plain


def _hinted(name: str, compact: Compact | None) -> str:
    short = name if compact is None else compact(name)
    return short if _NAME.fullmatch(short) and ":" not in short else f"<{name}>"


def _selection(node: Node, leaf: Callable[[Node], str | None]) -> str:
    match node:
        case Or(items) if len(items) > 1:
            return "|".join(_selection(item, leaf) for item in items if not isinstance(item, Or) or _refuse(item))
        case And(items) if len(items) > 1:
            return f"({';'.join(leaf(item) or _refuse(item) for item in items)})"
    return leaf(node) or _refuse(node)


def _refuse(node: Node) -> str:
    raise ValueError(f"the selection language cannot express {type(node).__name__} here")


def _item(item: Node, compact: Compact | None, *grouped: type) -> str:
    text = print_q(item, compact)
    return f"({text})" if isinstance(item, grouped) else text


def _path(path: Path, compact: Compact | None) -> str:
    text = ".".join(_name(name, compact) for name in (path.attr, *path.sub))
    if path.lang is None and not path.member:
        return text
    if path.lang is None and len(path.member) == 1:
        return f"{text}[<{path.member[0]}>]"
    inside = ".".join(_name(name, compact) for name in path.member)
    if path.lang is not None and path.lang != inside:
        if not path.member and not _PLAIN_TAG.fullmatch(path.lang):
            raise ValueError(f"q cannot express the language {path.lang!r} alone")
        first = f"<{path.member[0]}>" if path.member else ""
        rest = "".join(f".{_name(name, compact)}" for name in path.member[1:])
        inside = f"{path.lang}={first}{rest}" if path.member else path.lang
    return f"{text}[{inside}]"


def _name(name: str, compact: Compact | None) -> str:
    if compact is None or ":" not in name:
        return f"<{name}>"
    short = compact(name)
    return short if _NAME.fullmatch(short) else f"<{name}>"


def _operand(operand: Operand) -> str:
    match operand:
        case Range(low, high):
            return f"{_literal(low)}..{_literal(high)}"
        case ListOf(values):
            return ",".join(f"<{one.value}>" if isinstance(one, Uri) else _literal(one) for one in values)
    return _literal(operand)


def _literal(literal: Literal_) -> str:
    match literal:
        case Number(value):
            return json.dumps(value, allow_nan=False)
        case Text(text):
            return json.dumps(text, ensure_ascii=False)
        case Boolean(truth):
            return "true" if truth else "false"
        case DateTimeLiteral(text):
            return text
        case Uri(uri):
            return uri if _PLAIN_URI.fullmatch(uri) else f"<{uri}>"


def _expression(expression: str) -> str:
    quoted = re.sub(r'\\.|"', lambda unit: '\\"' if unit[0] == '"' else unit[0], expression, flags=re.DOTALL)
    return f'"{quoted}"'
