r"""The query language of `q`: text to AST (CIM 009 V1.9.1, 4.9); `print_q` is its inverse.

The parser takes the grammar of 4.9 and, beyond it: nested associations (as EXAMPLE 6 has them), a space after the
commas of a value list (as its examples have), prefixed names (4.6.2), language tags with subtags in brackets, regular
expressions in quotes, lists of unquoted URIs, and `<IRI>` for a name or URI that needs no @context (how `print_q`
writes names that do not compact).

SPEC 4.9: in braces, a name with a colon is a type hint and a name (`sensor{Device:humidity}`, EXAMPLE 14); a prefixed
name there goes into `<>` expanded, or after a hint. The grammar has a hint before a further `{` only, the examples
before any path: it is taken before any.

SPEC 4.9: brackets hold a language or a path of members, and only the entity tells which. A single name in brackets is
kept as both (`Path.lang` and `Path.member`); the language counts where the target is a LanguageProperty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, time
from typing import Final, NoReturn, cast

from broker.core.errors import BadRequestData, OperationNotSupported, TooComplexQuery
from broker.core.pattern import pattern
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
    Operator,
    Or,
    Path,
    Range,
    Text,
    Uri,
)

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "MAX_LIST", "MAX_PATH", "MAX_TERMS", "parse_path", "parse_q"]

MAX_LENGTH: Final = 8192
MAX_TERMS: Final = 100
MAX_DEPTH: Final = 20
MAX_LIST: Final = 200
MAX_PATH: Final = 10

Expand = Callable[[str], str]

_NAME = re.compile(r"[^\W\d_]\w*(?::[^\W\d_]\w*)?")
_IRI = re.compile(r"<([^<>\"{}|\\^`\x00-\x20]+)>")
_PLAIN_NAME = r"(?:[^\W\d_]\w*|<[^<>\"{}|\\^`\x00-\x20]+>)"
_HINT = re.compile(f"{_PLAIN_NAME}(?:,{_PLAIN_NAME})*:")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*(?=\])|@none(?=\])")
_OPERATOR = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,6})?Z"
_TEMPORAL = (("dateTime", re.compile(f"{_DATE}T{_TIME}")), ("date", re.compile(_DATE)), ("time", re.compile(_TIME)))
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
_NEXT_URI = re.compile(r",\s?[A-Za-z][A-Za-z0-9+.\-]*:")
_PATTERN = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_MAX_NUMBER: Final = 60


def parse_q(
    text: str,
    expand: Expand,
    *,
    json_keys: Collection[str] = (),
    expand_values: Collection[str] = (),
    joins: int | None = None,
) -> Node:
    """Parse a whole `q`. `json_keys` and `expand_values` hold expanded attribute names (4.9).

    `joins`: over how many links it may look (`relation{attribute}`), None where linked entities cannot be looked at.
    Raises BadRequestData naming the position and what was expected, also for more links than `joins`; TooComplexQuery
    beyond the bounds; OperationNotSupported for any link where `joins` is None.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQuery(f"q has {len(text)} characters; {MAX_LENGTH} are allowed")
    return _Parser(text, expand, json_keys, expand_values, joins).whole()


def parse_path(text: str, expand: Expand, *, json_keys: Collection[str] = ()) -> Path:
    """Parse a whole path without links (4.9, ValuePath), as `orderBy` has them. Raises BadRequestData."""
    parser = _Parser(text, expand, json_keys, (), None)
    found = parser.path()
    if parser.at < len(text):
        parser.fail("'.', '[' or the end of the path")
    return found


class _Parser:
    def __init__(
        self,
        text: str,
        expand: Expand,
        json_keys: Collection[str],
        expand_values: Collection[str],
        joins: int | None,
    ) -> None:
        self.text, self.at = text, 0
        self.expand, self.json_keys, self.expand_values, self.joins = expand, json_keys, expand_values, joins
        self.depth = self.terms = 0

    def fail(self, expected: str) -> NoReturn:
        found = repr(self.text[self.at : self.at + 20]) if self.at < len(self.text) else "the end"
        raise BadRequestData(f"q: expected {expected} at position {self.at}, found {found}")

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def match(self, expression: re.Pattern[str]) -> str | None:
        found = expression.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    # ---- terms

    def whole(self) -> Node:
        found = self.any_of()
        if self.at < len(self.text):
            self.fail("';', '|' or the end")
        return found

    def any_of(self) -> Node:
        items = [self.all_of()]
        while self.take("|"):
            items.append(self.all_of())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def all_of(self) -> Node:
        items = [self.term()]
        while self.take(";"):
            items.append(self.term())
        return items[0] if len(items) == 1 else And(tuple(items))

    def term(self) -> Node:
        if not self.take("("):
            return self.predicate()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplexQuery(f"q nests more than {MAX_DEPTH} parentheses at position {self.at}")
        found = self.any_of()
        if not self.take(")"):
            self.fail("')', ';' or '|'")
        self.depth -= 1
        return found

    def predicate(self) -> Node:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise TooComplexQuery(f"q has more than {MAX_TERMS} terms")
        absent = self.take("!")
        links, path = self.target()
        if absent:
            return self.without(links, path)
        found = self.test(path)
        for attr, types in reversed(links):
            found = Linked(attr, types, found)
        return found

    def without(self, links: Sequence[object], path: Path) -> Node:
        """Read the end of `!path`: the entity has no such thing.

        SPEC 4.9: its grammar has no such term, and without one absence cannot be asked for; brokers take it widely.
        """
        if links or self.text[self.at : self.at + 1] not in ("", ";", "|", ")"):
            self.fail("';', '|', ')' or the end after '!' and a path without links")
        return Not(Exists(path))

    def test(self, path: Path) -> Node:
        start = self.at
        op = self.match(_OPERATOR)
        if op is None:
            if self.text[self.at : self.at + 1] not in ("", ";", "|", ")"):
                self.fail("an operator (== != > >= < <= ~= !~=), ';', '|', ')' or the end")
            return Exists(path)
        if op in ("~=", "!~="):
            return Matches(path, self.regular_expression(), negated=op == "!~=")
        operand = self.operand(path)
        if op not in ("==", "!=") and not isinstance(operand, Number | Text | DateTimeLiteral):
            self.at = start
            self.fail(
                f"a number, quoted string, date or time after '{op}' (lists, ranges, URIs and booleans: == or !=)"
            )
        return Compare(path, cast(Operator, op), operand)

    # ---- paths

    def target(self) -> tuple[list[tuple[str, tuple[str, ...]]], Path]:
        """Read the links that lead to other entities, with their type hints, and the path in the last one."""
        links: list[tuple[str, tuple[str, ...]]] = []
        path = self.path()
        while self.take("{"):
            if path != Path(path.attr):
                self.at -= 1
                self.fail("a Relationship's name alone before '{'")
            links.append((path.attr, self.hint()))
            self.permit(len(links))
            path = self.path()
        for _ in links:
            if not self.take("}"):
                self.fail("'}'")
        return links, path

    def hint(self) -> tuple[str, ...]:
        found = self.match(_HINT)
        if found is None:
            return ()
        names = re.findall(_PLAIN_NAME, found)
        return tuple(dict.fromkeys(name[1:-1] if name[0] == "<" else self.expand(name) for name in names))

    def permit(self, links: int) -> None:
        if self.joins is None:
            raise OperationNotSupported(
                f"q: position {self.at}: queries over linked entities (relation{{attribute}}) are not supported here; "
                "query the linked entities themselves"
            )
        if links > self.joins:
            raise BadRequestData(
                f"q: position {self.at}: looks over {links} link(s), which needs the parameter join and a joinLevel "
                f"of {links} or more (5.7.2.4)"
            )

    def path(self) -> Path:
        attr = self.name("an attribute name")
        sub = []
        while self.take("."):
            sub.append(self.name("an attribute name after '.'"))
        lang, member = self.brackets(attr) if self.take("[") else (None, ())
        if len(sub) > MAX_PATH or len(member) > MAX_PATH:
            raise TooComplexQuery(f"q: a path of more than {MAX_PATH} names before position {self.at}")
        return Path(attr, tuple(sub), member, lang)

    def name(self, expected: str, raw: bool = False) -> str:
        iri = self.match(_IRI)
        if iri is not None:
            return iri[1:-1]
        found = self.match(_NAME)
        if found is None:
            self.fail(expected)
        return found if raw else self.expand(found)

    def brackets(self, attr: str) -> tuple[str | None, tuple[str, ...]]:
        if self.take("*]"):
            return "*", ()
        raw = attr in self.json_keys
        start, lang = self.at, self.match(_LANGUAGE)
        if lang is None:
            tag = re.compile(r"[^\]=<.]+(?==<)").match(self.text, self.at)
            if tag is not None:
                lang, self.at = tag.group(), tag.end() + 1
        elif _NAME.fullmatch(lang):
            self.at = start
        else:
            self.at += 1
            return lang, ()
        member = [self.name("a member name or a language", raw)]
        while self.take("."):
            member.append(self.name("a member name after '.'", raw))
        if not self.take("]"):
            self.fail("']' or '.'")
        return lang, tuple(member)

    # ---- operands

    def operand(self, path: Path) -> Operand:
        first = self.literal(path)
        if self.take(".."):
            high = self.literal(path)
            if not _same_kind(first, high) or not isinstance(first, Number | Text | DateTimeLiteral):
                self.fail("a range whose ends are both numbers, strings, dates, times or dateTimes, before this")
            self.ended()
            return Range(first, high)
        values = [first]
        while self.take(","):
            self.take(" ")
            values.append(self.literal(path))
            if len(values) > MAX_LIST:
                raise TooComplexQuery(f"q: a list of more than {MAX_LIST} values at position {self.at}")
        self.ended()
        return first if len(values) == 1 else ListOf(tuple(values))

    def ended(self) -> None:
        if self.text[self.at : self.at + 1] not in ("", ";", "|", ")"):
            self.fail("';', '|', ')' or the end after a value")

    def literal(self, path: Path) -> Literal_:
        start = self.at
        for read in (self.temporal, self.number, self.boolean):
            found = read()
            if found is not None and self.complete():
                return found
            self.at = start
        quoted = self.match(_TEXT)
        if quoted is not None:
            return self.vocabulary(path, self.string(quoted, start))
        iri = self.match(_IRI)
        if iri is not None:
            return Uri(iri[1:-1])
        return self.uri(path)

    def complete(self) -> bool:
        return self.text[self.at : self.at + 1] in ("", ";", "|", ")", ",") or self.text.startswith("..", self.at)

    def temporal(self) -> DateTimeLiteral | None:
        for kind, expression in _TEMPORAL:
            start, found = self.at, self.match(expression)
            if found is None:
                continue
            if self.complete():
                try:
                    _CALENDAR[kind](found.replace(",", ".").removesuffix("Z"))
                except ValueError:
                    self.at = start
                    self.fail(f"a {kind} that exists")
                return DateTimeLiteral(found, kind)  # type: ignore[arg-type]  # a key of _CALENDAR
            self.at = start
        return None

    def number(self) -> Number | None:
        found = self.match(_NUMBER)
        if found is None:
            return None
        value = int(found) if len(found) <= _MAX_NUMBER and found.lstrip("-").isdigit() else float(found)
        if len(found) > _MAX_NUMBER or value in (float("inf"), float("-inf")):
            self.fail(f"a number of at most {_MAX_NUMBER} characters that a double can hold, before this")
        return Number(value)

    def boolean(self) -> Boolean | None:
        return Boolean(True) if self.take("true") else Boolean(False) if self.take("false") else None

    def string(self, quoted: str, start: int) -> str:
        found: str = json.loads(quoted)
        if "\0" in found or any("\ud800" <= char <= "\udfff" for char in found):
            self.at = start
            self.fail("a string without NUL and lone surrogates")
        return found

    def vocabulary(self, path: Path, value: str) -> Text | Uri:
        return Uri(self.expand(value)) if path.attr in self.expand_values else Text(value)

    def uri(self, path: Path) -> Uri | Text:
        start, end, opened = self.at, self.at, 0
        while end < len(self.text):
            char = self.text[end]
            opened += (char == "(") - (char == ")")
            if char in ";|" or opened < 0 or _NEXT_URI.match(self.text, end):
                break
            end += 1
        found = self.text[start:end]
        if _URI.fullmatch(found):
            self.at = end
            return Uri(found)
        # SPEC 4.9: the grammar quotes strings, EXAMPLE 12 has a bare word (gender==Male); a bare name is its string.
        name = self.match(_NAME)
        if name is not None and ":" not in name and self.complete():
            return self.vocabulary(path, name)
        self.at = start
        self.fail('a value (number, "string", true, false, date, time, dateTime or URI)')

    def regular_expression(self) -> str:
        quoted = _PATTERN.match(self.text, self.at)
        if quoted is not None:
            self.at = quoted.end()
            found = re.sub(r"\\(.)", lambda unit: '"' if unit[1] == '"' else unit[0], quoted[1], flags=re.DOTALL)
            self.ended()
        else:
            found = self.bare_expression()
        if not found:
            self.fail("a regular expression")
        try:
            pattern(found)
        except BadRequestData as error:
            raise BadRequestData(f"q: before position {self.at}: {error.detail}") from error
        return found

    def bare_expression(self) -> str:
        """Read up to the next `;`, `|` or `)` that is neither escaped nor in brackets or parentheses."""
        start, opened, bracket = self.at, 0, -1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                self.at += 1
            elif bracket >= 0:
                bracket = -1 if char == "]" and self.at > bracket else bracket
            elif char == "[":
                bracket = self.at + (2 if self.text.startswith("[^", self.at) else 1)
            elif opened == 0 and char in ";|)":
                break
            else:
                opened += (char == "(") - (char == ")")
            self.at += 1
        self.at = min(self.at, len(self.text))
        return self.text[start : self.at]


def _same_kind(low: Literal_, high: Literal_) -> bool:
    if isinstance(low, DateTimeLiteral) and isinstance(high, DateTimeLiteral):
        return low.kind == high.kind
    return type(low) is type(high)


_CALENDAR: Final[dict[str, Callable[[str], object]]] = {
    "dateTime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}
