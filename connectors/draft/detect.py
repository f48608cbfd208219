"""What format a sample is in, told by its bytes and never by its name."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from connectors.decoders.tree import elements
from connectors.decoders.unpack import Damaged
from connectors.draft import protocols
from connectors.errors import FeedError

__all__ = ["detect"]

_HEAD = 1_000_000
_DELIMITERS = ",;\t|"


def detect(path: Path) -> dict[str, Any]:
    """Return the `decoder` section for a file; FeedError if its format is not known here."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise FeedError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise FeedError(f"{path}: is empty")
    if head[:4] == b"PK\x03\x04":
        return _archive(path)
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path) as inside:
            try:
                head = inside.read(_HEAD)
            except (EOFError, OSError) as error:
                raise FeedError(f"{path}: the gzip data are damaged or cut off; fetch the file again") from error
    return _plain(head, path)


def _archive(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
            if "xl/workbook.xml" in names:
                return {"kind": "xlsx"}
            if any(name.lower().endswith(".shp") for name in names):
                return {"kind": "shapefile"}
            if tables := protocols.gtfs_tables(names):
                return {"kind": "gtfs", "tables": tables}
            if not names:
                raise FeedError(f"{path}: the archive is empty")
            ends = Counter(name.rsplit(".", 1)[-1] for name in names)
            end = ends.most_common(1)[0][0]
            first = next(name for name in names if name.endswith(end))
            with archive.open(first) as inside:
                found = _plain(inside.read(_HEAD), path)
    except zipfile.BadZipFile as error:
        raise FeedError(f"{path}: the archive is damaged; fetch it again") from error
    return {**found, "inside": f"*.{end}"} if len(ends) > 1 else found


def _plain(head: bytes, path: Path) -> dict[str, Any]:
    if head[:4] == b"PAR1":
        return {"kind": "parquet"}
    if head[:16] == b"SQLite format 3\0":
        return {"kind": "geopackage"}
    if head[:1] == b"\n":  # as each GTFS-Realtime message begins
        spoken = protocols.of_bytes(head if len(head) < _HEAD else path.read_bytes())
        if spoken is not None:
            return spoken
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n\x1e")
    if text[:1] in b"{[" and text:
        return _json(text, path, whole=len(head) < _HEAD)
    if text[:1] == b"<":
        return _xml(text, path)
    return _csv(head, path)


def _json(text: bytes, path: Path, *, whole: bool) -> dict[str, Any]:
    for mark, kind in ((b"CityJSON", "cityjson"), (b"Topology", "topojson"), (b"FeatureCollection", "geojson")):
        if re.search(rb'"type"\s*:\s*"' + mark + b'"', text):
            return {"kind": kind}
    if re.search(rb'"(CityObjects|vertices)"\s*:', text):
        return {"kind": "cityjson"}
    first = text.split(b"\n", 1)[0]
    if b'"Feature"' in first and b'"geometry"' in first and not first.startswith(b"["):
        return {"kind": "geojson"}
    if not whole:
        return {"kind": "json", **({} if text.startswith(b"[") else {"records": "items"})}
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FeedError(f"{path}: begins like JSON, but is none: {error}") from error
    try:
        spoken = protocols.of_document(document)
    except FeedError as error:
        raise FeedError(f"{path}: {error}") from error
    if spoken is not None:
        return spoken
    lists = sorted(_lists(document, ""), key=lambda found: -found[1])
    where = lists[0][0] if lists else ""
    return {"kind": "json", "records": where} if where else {"kind": "json"}


def _lists(found: Any, where: str) -> list[tuple[str, int]]:
    """Find the lists of objects in a document, two levels down."""
    if isinstance(found, list):
        return [(where, len(found))] if found and all(isinstance(one, dict) for one in found) else []
    if not isinstance(found, dict) or where.count(".") > 1:
        return []
    below = [_lists(item, f"{where}.{name}" if where else name) for name, item in found.items() if name.isidentifier()]
    return [one for group in below for one in group]


def _xml(text: bytes, path: Path) -> dict[str, Any]:
    if b"CityModel" in text[:5_000]:
        return {"kind": "citygml"}
    counts: Counter[tuple[str, ...]] = Counter()

    def see(found: list[str]) -> bool:
        counts[tuple(found)] += 1
        return False

    try:
        for _ in elements(io.BytesIO(text), see, _HEAD, 64):
            continue
    except Damaged as error:
        if error.rule == "entity" or not counts:
            raise FeedError(f"{path}: {error}") from error
    parents = {one[:-1] for one in counts}
    repeated = [(count, one) for one, count in counts.items() if one in parents and len(one) > 1]
    if not repeated:
        raise FeedError(f"{path}: no element of this XML is repeated; name the one that is a record in decoder.record")
    most = max(count for count, _ in repeated)
    shortest = min((one for count, one in repeated if count * 2 > most and count > 1), key=len, default=repeated[0][1])
    return {"kind": "xml", "record": "/".join(shortest[-2:])}


def _csv(head: bytes, path: Path) -> dict[str, Any]:
    encoding = "utf-8-sig"
    try:
        text = head.rsplit(b"\n", 1)[0].decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = head.decode(encoding, errors="replace")
    lines = [line for line in text.splitlines() if line.strip()][:50]
    if b"\0" in head or not lines:
        raise FeedError(
            f"{path}: its format is not known here; see 'File formats' and 'Protocols' in connectors/README.md"
        )
    delimiter = max(_DELIMITERS, key=lambda one: (_even(lines, one), -_DELIMITERS.index(one)))
    if not any(_even(lines, one) for one in _DELIMITERS):
        raise FeedError(
            f"{path}: is text, but no table: neither commas, semicolons, tabs nor bars part its lines evenly; "
            "see 'File formats' in connectors/README.md"
        )
    found: dict[str, Any] = {"kind": "csv"}
    if delimiter != ",":
        found["delimiter"] = delimiter
    if encoding != "utf-8-sig":
        found["encoding"] = encoding
    return found


def _even(lines: list[str], delimiter: str) -> int:
    """Count the columns if most lines have as many as the first, else 0."""
    widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    return widths[0] - 1 if widths.count(widths[0]) * 10 >= len(widths) * 8 else 0
