"""Hostile input of any length, and how much memory it takes to refuse it (`python -m tests.connectors.endless`)."""

from __future__ import annotations

import gzip
import io
import json
import resource
import sys
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from pydantic import TypeAdapter

from connectors.decoders import decoder
from connectors.feed import Decoder

__all__ = ["CASES", "bomb", "growth"]

MB = 1_000_000
_DECODER: TypeAdapter[Any] = TypeAdapter(Decoder)


class Endless(io.RawIOBase):
    """A stream that begins somehow and then says the same for so many bytes."""

    def __init__(self, begin: bytes, again: bytes, total: int) -> None:
        self._next = begin
        self._again = again * max(1, 65_536 // len(again))
        self._left = total

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if not self._next and self._left > 0:
            self._next = self._again
            self._left -= len(self._again)
        block, self._next = self._next[: len(view)], self._next[len(view) :]
        view[: len(block)] = block
        return len(block)


def endless(begin: bytes, again: bytes, total: int = 120 * MB) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(Endless(begin, again, total), 65_536))


def bomb(total: int, begin: bytes = b"", *, kind: str = "gzip") -> BinaryIO:
    """Zeros that were compressed a thousandfold."""
    target = io.BytesIO()
    if kind == "gzip":
        with gzip.GzipFile(fileobj=target, mode="wb") as packed:
            packed.write(begin)
            for _ in range(total // MB):
                packed.write(b"0" * MB)
    else:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as inside:
            inside.write(begin)
            for _ in range(total // MB):
                inside.write(b"0" * MB)
    target.seek(0)
    return target


CASES: dict[str, tuple[dict[str, Any], Callable[[], BinaryIO], str]] = {
    "endless line": ({"kind": "csv"}, lambda: endless(b"a,b\n", b"x"), "length"),
    "open quote": ({"kind": "csv"}, lambda: endless(b'a,b\n"', b"x" * 99 + b"\n", 3 * MB), "quoting"),
    "gzip bomb": ({"kind": "csv", "max_expanded": 40 * MB}, lambda: bomb(80 * MB, b"a\n1\n"), "expanded"),
    "zip bomb": ({"kind": "csv", "max_expanded": 40 * MB}, lambda: bomb(80 * MB, b"a\n1\n", kind="zip"), "expanded"),
    "endless JSON text": ({"kind": "json"}, lambda: endless(b'[{"a":"', b"x"), "length"),
    "endless JSON depth": ({"kind": "json"}, lambda: endless(b"[", b"["), "depth"),
    "endless feature": ({"kind": "geojson", "max_record": 5 * MB},
                        lambda: endless(b'{"type":"FeatureCollection","features":[{"a":"', b"x"), "length"),
    "endless line of GeoJSON": ({"kind": "geojson", "max_record": 5 * MB},
                                lambda: endless(b'{"type":"Feature"}\n{"a":"', b"x"), "length"),
    "endless XML text": ({"kind": "xml", "record": "r"}, lambda: endless(b"<a><r>", b"x"), "length"),
    "endless XML attribute": ({"kind": "xml", "record": "r"}, lambda: endless(b'<a><r b="', b"x"), "length"),
    "endless XML depth": ({"kind": "xml", "record": "r"}, lambda: endless(b"<a>", b"<b>"), "depth"),
    "endless CityGML": ({"kind": "citygml", "max_record": 2 * MB},
                        lambda: endless(b"<CityModel><cityObjectMember>", b"<x>1</x>"), "length"),
    "endless CityJSON": ({"kind": "cityjson", "max_bytes": 20 * MB}, lambda: endless(b'{"a":"', b"x"), "length"),
}  # fmt: skip
"""By name: declaration, stream, and the rule of the first rejection."""


def growth(name: str) -> dict[str, Any]:
    """Decode a case; say which rule refused it first, and by how many MB the process grew."""
    spec, make, _ = CASES[name]
    stream = make()
    decode = decoder(_DECODER.validate_python(spec))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = ""
    for decoded in decode(stream, "f"):
        if decoded.rejection is not None and not first:
            first = decoded.rejection.rule
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"name": name, "first": first, "grown_mb": (after - before) / 1024}


if __name__ == "__main__":
    sys.stdout.write(json.dumps([growth(name) for name in CASES]) + "\n")
