"""Compressed files: gzip and zip are opened on the fly, within bounds, and never written to disk.

The bytes that come out are counted as they come, so that a small archive that expands without end is refused after
`max_expanded` bytes whatever its directory claims.
"""

from __future__ import annotations

import fnmatch
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from connectors.decoders.decoded import Decoded, rejected
from connectors.specs.formats import Packed

__all__ = ["Damaged", "bounded_zip", "unpacked"]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BLOCK = 65_536
_MOST_FILES = 10_000
_OWN_ZIP = frozenset({"xlsx", "shapefile"})
_BROKEN = (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)

Decode = Callable[[BinaryIO, str], Iterator[Decoded]]


class Damaged(Exception):
    """The file cannot be read on from here; carries the rule and what to do."""

    def __init__(self, rule: str, suggestion: str) -> None:
        super().__init__(suggestion)
        self.rule = rule
        self.suggestion = suggestion


class _Counted(io.RawIOBase):
    """Counts what is read from a decompressor and stops at the bound."""

    def __init__(self, inner: BinaryIO, budget: list[int]) -> None:
        self._inner = inner
        self._budget = budget

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer; Damaged at the bound or where the data are broken."""
        view = memoryview(cast(bytearray, buffer))
        try:
            block = self._inner.read(min(len(view), _BLOCK))
        except _BROKEN as error:
            raise Damaged("compression", "the compressed data are damaged or cut off; fetch the file again") from error
        self._budget[0] -= len(block)
        if self._budget[0] < 0:
            raise Damaged("expanded", "the file expands to more than decoder.max_expanded bytes; an archive bomb?")
        view[: len(block)] = block
        return len(block)


def unpacked(decode: Decode, spec: Packed, kind: str) -> Decode:
    """Wrap a decoder so that it also takes gzip and zip; what cannot be opened is one rejection."""

    def run(stream: BinaryIO, name: str) -> Iterator[Decoded]:
        try:
            for inner, inner_name in _opened(stream, name, spec, kind):
                yield from decode(inner, inner_name)
        except Damaged as error:
            yield rejected(name, error.rule, "", error.suggestion, b"")

    return run


def _opened(stream: BinaryIO, name: str, spec: Packed, kind: str) -> Iterator[tuple[BinaryIO, str]]:
    first = b""
    if stream.seekable():
        first = stream.read(4)
        stream.seek(0)
    if first.startswith(_GZIP):
        yield _reader(cast(BinaryIO, gzip.GzipFile(fileobj=stream)), [spec.max_expanded]), name
    elif first == _ZIP and kind not in _OWN_ZIP:
        budget = [spec.max_expanded]
        with bounded_zip(stream, spec.max_expanded) as archive:
            members = [one for one in archive.infolist() if _wanted(one, spec.inside)]
            if not members:
                raise Damaged("archive", f"the archive holds no file like {spec.inside!r}; set decoder.inside")
            for member in members:
                with archive.open(member) as inner:
                    yield _reader(cast(BinaryIO, inner), budget), f"{name}/{member.filename}"
    else:
        yield stream, name


def bounded_zip(stream: BinaryIO, most: int) -> zipfile.ZipFile:
    """Open an archive whose directory promises no more than `most` bytes; Damaged otherwise."""
    try:
        archive = zipfile.ZipFile(stream)
    except _BROKEN as error:
        raise Damaged("archive", "the archive is damaged or cut off; fetch the file again") from error
    members = archive.infolist()
    if len(members) > _MOST_FILES:
        raise Damaged("archive", f"the archive holds more than {_MOST_FILES} files; split it")
    if sum(member.file_size for member in members) > most:
        raise Damaged("expanded", "the file expands to more than decoder.max_expanded bytes; an archive bomb?")
    if any(member.flag_bits & 1 for member in members):
        raise Damaged("encrypted", "the archive is encrypted; send it without a password")
    return archive


def _wanted(member: zipfile.ZipInfo, pattern: str) -> bool:
    name = member.filename
    return (
        not member.is_dir()
        and not name.startswith("__MACOSX/")
        and (fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(name.rsplit("/", 1)[-1], pattern))
    )


def _reader(inner: BinaryIO, budget: list[int]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Counted(inner, budget), _BLOCK))
