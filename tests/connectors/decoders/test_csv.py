"""Delimited text: rows, and every way in which one is refused while the next is taken."""

from __future__ import annotations

import gzip
import io

import pytest

from connectors.decoders import decoder
from connectors.decoders.csv import decode_csv
from connectors.errors import FeedError
from connectors.feed import CsvDecoder


def _rows(raw: bytes, **spec: object) -> list[tuple[str, object]]:
    found = decoder(CsvDecoder.model_validate({"kind": "csv", **spec}))(io.BytesIO(raw), "f")
    return [(one.position, one.record if one.rejection is None else one.rejection.rule) for one in found]


def test_rows_and_empty_values() -> None:
    assert _rows(b'\xef\xbb\xbfa,b c\n1,x\n2,\n\n3,"y,z\n"\n') == [
        ("f:2", {"a": "1", "b c": "x"}),
        ("f:3", {"a": "2"}),
        ("f:6", {"a": "3", "b c": "y,z\n"}),
    ]


def test_crlf_delimiter_encoding_and_columns() -> None:
    raw = "1;França\r\n2;x\r\n".encode("latin-1")
    assert _rows(raw, delimiter=";", encoding="latin-1", columns=["n", "name"]) == [
        ("f:1", {"n": "1", "name": "França"}),
        ("f:2", {"n": "2", "name": "x"}),
    ]


def test_gzip_is_recognised_and_damage_told() -> None:
    packed = gzip.compress(b"a\n1\n2\n")
    assert _rows(packed) == [("f:2", {"a": "1"}), ("f:3", {"a": "2"})]
    assert _rows(packed[:-6])[-1][1] == "compression"


def test_bad_rows_are_refused_and_the_next_taken() -> None:
    raw = b"a,b\n1\n1,2,3\n\xff,1\n" + b"x" * 50 + b",1\n" + b'"q"z,1\n5,6\n'
    assert _rows(raw, max_line=40) == [
        ("f:2", "columns"),
        ("f:3", "columns"),
        ("f:4", "encoding"),
        ("f:5", "length"),
        ("f:6", "quoting"),
        ("f:7", {"a": "5", "b": "6"}),
    ]


def test_an_open_quote_ends_at_the_bound() -> None:
    found = _rows(b'a,b\n"open,1\n' + b"x,y\n" * 30, max_line=40)
    assert found[0][1] == "length"
    assert found[-1] == ("f:32", {"a": "x", "b": "y"})


def test_refused_bytes_are_the_rows_own() -> None:
    (found,) = decode_csv(io.BytesIO(b"a,b\n1\n"), "f", CsvDecoder(kind="csv"))
    assert found.raw == b"1\n"


def test_declaration_faults_are_errors() -> None:
    with pytest.raises(FeedError, match="names a twice"):
        _rows(b"a,a\n1,2\n")
    with pytest.raises(FeedError, match="'utf-99' is no encoding"):
        _rows(b"a\n", encoding="utf-99")


def test_empty_file_gives_nothing() -> None:
    assert _rows(b"") == []
    assert _rows(b"a,b\n") == []
