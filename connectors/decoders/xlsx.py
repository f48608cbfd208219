"""Workbooks: one record per row of a sheet, read as a stream."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException

from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.unpack import Damaged, bounded_zip
from connectors.decoders.values import plain
from connectors.errors import FeedError
from connectors.specs.formats import XlsxDecoder

__all__ = ["decode_xlsx"]

_BROKEN = (InvalidFileException, zipfile.BadZipFile, ParseError, KeyError, ValueError, EOFError, DefusedXmlException)


def decode_xlsx(stream: BinaryIO, name: str, spec: XlsxDecoder) -> Iterator[Decoded]:
    """Yield a record per row below the header. The position is `<name>!<row>`."""
    bounded_zip(stream, spec.max_expanded).close()
    stream.seek(0)
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    except _BROKEN as error:
        raise Damaged("workbook", "the file is no XLSX workbook, or is damaged; save it again as .xlsx") from error
    try:
        yield from _rows(book, name, spec)
    finally:
        book.close()


def _rows(book: Any, name: str, spec: XlsxDecoder) -> Iterator[Decoded]:
    if spec.sheet is not None and spec.sheet not in book.sheetnames:
        raise FeedError(f"{name}: decoder.sheet: there is no sheet {spec.sheet!r}; it has {', '.join(book.sheetnames)}")
    sheet = book[spec.sheet] if spec.sheet is not None else book.worksheets[0]
    columns: list[str] | None = None
    at = spec.header - 1
    try:
        for row in sheet.iter_rows(min_row=spec.header, max_col=spec.max_columns, values_only=True):
            at += 1
            if columns is None:
                columns = _header(row, name)
                continue
            decoded = _row(row, columns, f"{name}!{at}")
            if decoded is not None:
                yield decoded
    except _BROKEN as error:
        raise Damaged("workbook", f"the sheet is damaged after row {at}; save the workbook again") from error


def _row(row: Sequence[Any], columns: list[str], position: str) -> Decoded | None:
    if all(value is None for value in row):
        return None
    if any(value is not None for value in row[len(columns) :]):
        return rejected(position, "columns", "", f"the row has values beyond its {len(columns)} named columns", b"")
    record = {column: plain(value) for column, value in zip(columns, row, strict=False) if value not in (None, "")}
    return Decoded(position, {column: value for column, value in record.items() if value is not None})


def _header(row: Sequence[Any], name: str) -> list[str]:
    columns = ["" if value is None else str(value).strip() for value in row]
    while columns and not columns[-1]:
        columns.pop()
    if not columns or "" in columns:
        raise FeedError(
            f"{name}: the header row has cells without a name; set decoder.header to the row that names them"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise FeedError(f"{name}: the header names {', '.join(twice)} twice; rename one")
    return columns
