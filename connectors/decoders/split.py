"""Large JSON documents in pieces: the items of one array, each handed over as bytes, without holding the document.

`items` walks down to the array that a path names and cuts it at its top level. An item is bounded in size and depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from connectors.decoders.unpack import Damaged

__all__ = ["items"]

_BLOCK = 262_144
_MOST_DEPTH = 256
_TOKEN = re.compile(rb'[ \t\r\n]*+([{}\[\],:]|"(?:[^"\\]|\\.)*+"|[^ \t\r\n{}\[\],:"]++)', re.S)
_DEPTH = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]|"', re.S)


class _Window:
    """The part of the stream that is being looked at."""

    def __init__(self, stream: BinaryIO, most: int, head: bytes = b"") -> None:
        self._stream = stream
        self._most = most
        self.bytes = head
        self.at = 0

    def more(self) -> bool:
        """Read on, dropping what has been passed; False at the end. Damaged where one piece exceeds the bound."""
        self.bytes = self.bytes[self.at :]
        self.at = 0
        if len(self.bytes) > self._most:
            raise Damaged("length", f"one record is longer than {self._most} bytes; an open quote or bracket?")
        block = self._stream.read(max(_BLOCK, len(self.bytes)))  # twice as much each time, as it is searched again
        self.bytes += block
        return bool(block)

    def token(self, *, stay: bool = False) -> bytes:
        """Take the next token, or only look at it; empty at the end of the stream."""
        while True:
            hit = _TOKEN.match(self.bytes, self.at)
            if hit is not None and (hit.end() < len(self.bytes) or hit[1] in b"{}[],:"):
                if not stay:
                    self.at = hit.end()
                return hit[1]
            if not self.more():
                if self.bytes[self.at :].strip():
                    raise Damaged("json", "the document is no JSON, or is cut off")
                return b""

    def value(self) -> bytes:
        """Take one whole value, from the token that comes next."""
        while True:
            found = self._value_here()
            if found is not None:
                return found
            if not self.more():
                raise Damaged("json", "the document is cut off inside a record")

    def _value_here(self) -> bytes | None:
        begin = self.at
        hit = _TOKEN.match(self.bytes, begin)
        if hit is None:
            return None
        if hit[1] not in b"{[":
            if hit.end() == len(self.bytes):
                return None
            self.at = hit.end()
            return hit[1]
        depth = 0
        for mark in _DEPTH.finditer(self.bytes, begin):
            sign = mark[0]
            if sign in b"{[":
                depth += 1
                if depth > _MOST_DEPTH:
                    raise Damaged("depth", f"the record is nested deeper than {_MOST_DEPTH} levels")
            elif sign in b"}]":
                depth -= 1
                if not depth:
                    self.at = mark.end()
                    return self.bytes[hit.start(1) : mark.end()]
            elif sign == b'"':
                return None
        return None


def items(stream: BinaryIO, path: Sequence[str], most: int, head: bytes = b"") -> Iterator[bytes]:
    """Yield each item of the array at `path` as JSON bytes, `head` being what was read of the stream before."""
    window = _Window(stream, most, head)
    for name in path:
        _enter(window, name)
    if window.token() != b"[":
        raise Damaged("records", "there is no list where decoder.records points in this large document")
    if window.token(stay=True) == b"]":
        return
    while True:
        yield window.value()
        sign = window.token()
        if sign == b"]":
            return
        if sign != b",":
            raise Damaged("json", "the document is no JSON here, or is cut off")


def _enter(window: _Window, name: str) -> None:
    """Go to the value of one member of the object that comes next."""
    if window.token() != b"{":
        raise Damaged("records", f"there is no object with a member {name!r} where decoder.records points")
    wanted = b'"' + name.encode() + b'"'
    while True:
        key = window.token()
        if key == b"}" or not key:
            raise Damaged("records", f"the document has no member {name!r}; set decoder.records")
        if window.token() != b":":
            raise Damaged("json", "the document is no JSON")
        if key == wanted:
            return
        window.value()
        if window.token() == b"}":
            raise Damaged("records", f"the document has no member {name!r}; set decoder.records")
