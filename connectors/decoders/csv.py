"""Delimited text: one record per row, values as text, empty values left out."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import BinaryIO

from connectors.decoders.decoded import Decoded, rejected
from connectors.errors import FeedError
from connectors.feed import CsvDecoder

__all__ = ["decode_csv"]


class _TooLong(Exception):
    pass


class _Lines(Iterator[str]):
    """Lines of a byte stream as text, remembering the bytes of the row being read."""

    def __init__(self, stream: BinaryIO, encoding: str, most: int) -> None:
        self._stream = stream
        self._encoding = encoding
        self._most = most
        self.number = 0
        self.row: list[bytes] = []
        self._size = 0

    def start(self) -> None:
        """Begin a new row."""
        self.row.clear()
        self._size = 0

    def __next__(self) -> str:
        line = self._stream.readline(self._most + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        self._size += len(line)
        if self._size > self._most:
            while line and not line.endswith(b"\n"):
                line = self._stream.readline(65_536)
            raise _TooLong
        text = line.decode(self._encoding if self.number == 1 else self._encoding.removesuffix("-sig"))
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def decode_csv(stream: BinaryIO, name: str, spec: CsvDecoder) -> Iterator[Decoded]:
    """Yield a record per row. The position is `<name>:<line>`, the line where the row ends."""
    try:
        codecs.lookup(spec.encoding)
    except LookupError as error:
        raise FeedError(f"decoder.encoding: {spec.encoding!r} is no encoding such as utf-8 or latin-1") from error
    lines = _Lines(stream, spec.encoding, spec.max_line)
    rows = csv.reader(lines, delimiter=spec.delimiter, strict=True)
    columns = list(spec.columns) if spec.columns else None
    while True:
        lines.start()
        try:
            row = next(rows)
        except StopIteration:
            return
        except UnicodeDecodeError:
            yield _bad(lines, name, "encoding", f"the row is not {spec.encoding}; set decoder.encoding")
            continue
        except _TooLong:
            yield _bad(lines, name, "length", f"the row is longer than {spec.max_line} bytes; an open quote?")
            continue
        except csv.Error:
            yield _bad(lines, name, "quoting", "quotes or the delimiter are wrong in this row")
            continue
        if not row:
            continue
        if columns is None:
            columns = _header(row, name)
            continue
        if len(row) != len(columns):
            yield _bad(lines, name, "columns", f"the row has {len(row)} columns, the header {len(columns)}")
            continue
        yield Decoded(
            f"{name}:{lines.number}", {column: value for column, value in zip(columns, row, strict=True) if value}
        )


def _header(row: list[str], name: str) -> list[str]:
    columns = [column.strip() for column in row]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise FeedError(f"{name}: the header names {', '.join(twice)} twice; give names in decoder.columns")
    return columns


def _bad(lines: _Lines, name: str, rule: str, suggestion: str) -> Decoded:
    return rejected(f"{name}:{lines.number}", rule, "", suggestion, b"".join(lines.row))
