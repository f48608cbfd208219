r"""Regular expressions of queries (`~=`, `idPattern`): one language for PostgreSQL and for Python (4.9, IEEE 1003.2).

Theory of operation. A pattern is parsed into a tree of character sets, groups and repetitions. From the tree come both
a canonical PostgreSQL expression (`Pattern.ere`) in which every character is explicit, and an automaton that is run in
memory in time linear in the text (`Pattern.found`), so that no pattern can blow up and both sides always agree.

The language is POSIX extended: literals, `.`, `[...]` with POSIX classes, `( )`, `(?: )`, `|`, `* + ? {m,n}` (a lazy
`?` after them is accepted, it changes nothing here), `^`, `$`, and the escapes `\d \w \s \D \W \S \t \n \r` and `\`
before punctuation. Classes are ASCII, as in the C locale. Back-references, look-around and flags are refused.

SPEC 4.9: "in the L(R) of the regular pattern" is read as POSIX regexec() does: the text contains a match; `^` and `$`
pin it to the ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from broker.core.errors import BadRequestData, TooComplexQuery

__all__ = ["MAX_PATTERN", "Pattern", "pattern"]

MAX_PATTERN: Final = 256
_MAX_STATES: Final = 2000
_MAX_COUNT: Final = 255
_MAX_DEPTH: Final = 20
_MAX_MEMO: Final = 4096
_LAST: Final = 0x10FFFF

Ranges: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Chars:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Edge:
    end: bool


@dataclass(frozen=True, slots=True)
class _Cat:
    items: tuple[_Tree, ...]


@dataclass(frozen=True, slots=True)
class _Alt:
    items: tuple[_Tree, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    item: _Tree
    low: int
    high: int | None


_Tree: TypeAlias = _Chars | _Edge | _Cat | _Alt | _Repeat


def _ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Sort and merge."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    found, next_low = [], 1
    for low, high in ranges:
        if low > next_low:
            found.append((next_low, low - 1))
        next_low = high + 1
    if next_low <= _LAST:
        found.append((next_low, _LAST))
    return tuple(found)


def _of(*parts: str) -> Ranges:
    """Ranges of `az` pairs."""
    return _ranges((ord(part[0]), ord(part[-1])) for part in parts)


_DIGIT = _of("09")
_WORD = _of("09", "AZ", "az", "_")
_SPACE = _of("\t\r", " ")
_ESCAPES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_ESCAPES |= {name.upper(): _complement(found) for name, found in _ESCAPES.items()}
_ESCAPES |= {"t": _of("\t"), "n": _of("\n"), "r": _of("\r")}
_CLASSES = {
    "alnum": _of("09", "AZ", "az"),
    "alpha": _of("AZ", "az"),
    "blank": _of("\t", " "),
    "cntrl": ((1, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": _of("!~"),
    "lower": _of("az"),
    "print": _of(" ~"),
    "punct": _of("!/", ":@", "[`", "{~"),
    "space": _SPACE,
    "upper": _of("AZ"),
    "xdigit": _of("09", "AF", "af"),
}
_ANY: Ranges = ((1, _LAST),)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def fail(self, what: str) -> NoReturn:
        raise BadRequestData(f"the regular expression {self.text!r:.80} is not accepted: {what} at position {self.at}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            self.fail("it ends too early")
        self.at += 1
        return char

    def whole(self) -> _Tree:
        found = self.alternatives()
        if self.at < len(self.text):
            self.fail("')' without '('")
        return found

    def alternatives(self) -> _Tree:
        branches = [self.branch()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.branch())
        return branches[0] if len(branches) == 1 else _Alt(tuple(branches))

    def branch(self) -> _Tree:
        items: list[_Tree] = []
        while self.peek() not in ("", "|", ")"):
            items.append(self.repeated(self.atom()))
        return items[0] if len(items) == 1 else _Cat(tuple(items))

    def repeated(self, item: _Tree) -> _Tree:
        bounds = self.bounds()
        if bounds is None:
            return item
        if isinstance(item, _Edge):
            self.fail("a repetition of '^' or '$'")
        if self.peek() == "?":
            self.at += 1
        if self.bounds() is not None:
            self.fail("a repetition of a repetition (use parentheses)")
        return _Repeat(item, *bounds)

    def bounds(self) -> tuple[int, int | None] | None:
        char, after = self.peek(), self.text[self.at + 1 : self.at + 2]
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if char in simple and char:
            self.at += 1
            return simple[char]
        if char != "{" or after not in _DIGITS or not after:
            return None
        close = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : max(close, self.at)].partition(",")
        numbers = [part for part in (low, high) if part]
        if close < 0 or not low or any(len(part) > 3 or set(part) - set(_DIGITS) for part in numbers):
            self.fail("a repetition that is not {m}, {m,} or {m,n}")
        least, most = int(low), int(high) if high else (None if comma else int(low))
        if least > _MAX_COUNT or (most is not None and not least <= most <= _MAX_COUNT):
            self.fail(f"a repetition outside 0 to {_MAX_COUNT}, or with its ends swapped")
        self.at = close + 1
        return least, most

    def atom(self) -> _Tree:
        char = self.take()
        match char:
            case "(":
                return self.group()
            case "[":
                return _Chars(self.bracket())
            case ".":
                return _Chars(_ANY)
            case "^" | "$":
                return _Edge(char == "$")
            case "\\":
                return _Chars(self.escape())
            case "*" | "+" | "?":
                self.at -= 1
                self.fail(f"{char!r} with nothing to repeat")
            case "{" if self.peek() and self.peek() in _DIGITS:
                self.fail("'{' with nothing to repeat")
        return _Chars(self.single(char))

    def single(self, char: str) -> Ranges:
        if char == "\0" or 0xD800 <= ord(char) <= 0xDFFF:
            self.fail("a character that no text can hold")
        return ((ord(char), ord(char)),)

    def group(self) -> _Tree:
        if self.peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                self.fail("'(?': look-around, flags and named groups are not supported")
            self.at += 2
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TooComplexQuery(f"the regular expression {self.text!r:.80} nests more than {_MAX_DEPTH} groups")
        found = self.alternatives()
        if self.peek() != ")":
            self.fail("'(' without ')'")
        self.at += 1
        self.depth -= 1
        return found

    def escape(self) -> Ranges:
        char = self.take()
        if char in _ESCAPES:
            return _ESCAPES[char]
        if not char.isascii() or char.isalnum():
            self.at -= 1
            self.fail(f"the escape \\{char} (only \\d \\w \\s \\D \\W \\S \\t \\n \\r and escaped punctuation)")
        return self.single(char)

    def bracket(self) -> Ranges:
        negated = self.peek() == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self.member()
            if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] < low[0][0]:
                    self.fail("a range whose ends are not two characters in order")
                low = ((low[0][0], high[0][1]),)
                if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] != "]":
                    self.fail("a range of a range")
            found.extend(low)
        self.at += 1
        ranges = _ranges(found)
        return _complement(ranges) if negated else ranges

    def member(self) -> Ranges:
        char = self.take()
        if char == "\\":
            return self.escape()
        if char == "[" and self.peek() and self.peek() in ":.=":
            close = self.text.find(":]", self.at + 1)
            name = self.text[self.at + 1 : close] if close > 0 and self.peek() == ":" else ""
            if name not in _CLASSES:
                self.fail("a bracket class that is none of " + ", ".join(f"[:{known}:]" for known in _CLASSES))
            self.at = close + 2
            return _CLASSES[name]
        return self.single(char)


_DIGITS: Final = "0123456789"


def _char(code: int) -> str:
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _set(ranges: Ranges) -> str:
    return "".join(_char(low) if low == high else f"{_char(low)}-{_char(high)}" for low, high in ranges)


def _print(tree: _Tree) -> str:
    match tree:
        case _Chars(ranges):
            if ranges == _ANY:
                return "."
            if not ranges:
                return r"[^\u0001-\U0010ffff]"
            if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
                return _char(ranges[0][0])
            return f"[^{_set(_complement(ranges))}]" if ranges[-1][1] == _LAST else f"[{_set(ranges)}]"
        case _Edge(end):
            return "$" if end else "^"
        case _Cat(items):
            return "(?:" + "".join(_print(item) for item in items) + ")"
        case _Alt(items):
            return "(?:" + "|".join(_print(item) for item in items) + ")"
        case _Repeat(item, low, high):
            times = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
            return f"(?:{_print(item)})" + (times or f"{{{low},{'' if high is None else high}}}")


class _Nfa:
    """States are numbers; state 0 starts, state 1 accepts. Empty edges carry what they ask: nothing, start or end."""

    def __init__(self, tree: _Tree) -> None:
        self.chars: dict[int, tuple[Ranges, int]] = {}
        self.empty: list[list[tuple[int, bool | None]]] = [[], []]
        self.add(tree, 0, 1)

    def state(self) -> int:
        if len(self.empty) >= _MAX_STATES:
            raise TooComplexQuery(f"a regular expression needs more than {_MAX_STATES} states: use fewer repetitions")
        self.empty.append([])
        return len(self.empty) - 1

    def add(self, tree: _Tree, begin: int, end: int) -> None:
        match tree:
            case _Chars(ranges):
                step = self.state()
                self.empty[begin].append((step, None))
                self.chars[step] = (ranges, end)
            case _Edge(at_end):
                self.empty[begin].append((end, at_end))
            case _Cat(items):
                for item in items[:-1]:
                    middle = self.state()
                    self.add(item, begin, middle)
                    begin = middle
                if items:
                    self.add(items[-1], begin, end)
                else:
                    self.empty[begin].append((end, None))
            case _Alt(items):
                for item in items:
                    self.add(item, begin, end)
            case _Repeat(item, low, high):
                self.repeat(item, low, high, begin, end)

    def repeat(self, item: _Tree, low: int, high: int | None, begin: int, end: int) -> None:
        for _ in range(low):
            middle = self.state()
            self.add(item, begin, middle)
            begin = middle
        if high is None:
            middle = self.state()
            self.empty[begin].append((middle, None))
            turn = self.state()
            self.add(item, middle, turn)
            self.empty[turn].append((middle, None))
            begin = middle
        else:
            for _ in range(high - low):
                self.empty[begin].append((end, None))
                middle = self.state()
                self.add(item, begin, middle)
                begin = middle
        self.empty[begin].append((end, None))

    def closure(self, states: Iterable[int], start: bool, end: bool) -> frozenset[int]:
        seen = set(states)
        todo = list(seen)
        while todo:
            for target, asks in self.empty[todo.pop()]:
                if target not in seen and (asks is None or (end if asks else start)):
                    seen.add(target)
                    todo.append(target)
        return frozenset(seen)


class Pattern:
    """A pattern, ready for both evaluators."""

    __slots__ = ("_first", "_memo", "_nfa", "ere")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise TooComplexQuery(f"a regular expression has {len(text)} characters; {MAX_PATTERN} are allowed")
        tree = _Parser(text).whole()
        self.ere = _print(tree)
        self._nfa = _Nfa(tree)
        self._first = self._nfa.closure((0,), start=True, end=False)
        self._memo: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def found(self, text: str) -> bool:
        """Say whether the text contains a match."""
        states = self._first
        memo = self._memo
        for char in text:
            if 1 in states:
                return True
            after = memo.get((states, char))
            if after is None:
                if len(memo) >= _MAX_MEMO:
                    memo.clear()
                after = memo[states, char] = self._step(states, char)
            states = after
        return 1 in self._nfa.closure(states, start=not text, end=True)

    def _step(self, states: frozenset[int], char: str) -> frozenset[int]:
        code, chars = ord(char), self._nfa.chars
        moved = {0}
        for state in states:
            found = chars.get(state)
            if found is not None and any(low <= code <= high for low, high in found[0]):
                moved.add(found[1])
        return self._nfa.closure(moved, start=False, end=False)


@lru_cache(maxsize=512)
def pattern(text: str) -> Pattern:
    """Return the pattern of a regular expression; BadRequestData or TooComplexQuery if it is not accepted."""
    return Pattern(text)
