"""GTFS schedules: rows of the tables in the archive, as text, each told apart by the member `table`."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from connectors.decoders.csv import decode_csv
from connectors.decoders.decoded import Decoded, rejected
from connectors.decoders.unpack import Damaged
from connectors.errors import FeedError
from connectors.feed import CsvDecoder
from connectors.specs.protocols import GtfsDecoder

__all__ = ["decode_gtfs"]

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def decode_gtfs(stream: BinaryIO, name: str, spec: GtfsDecoder) -> Iterator[Decoded]:
    """Yield rows in the order of `spec.tables`. The position is `<name>/<table>.txt:<line>`."""
    whole = stream if stream.seekable() else io.BytesIO(stream.read())
    try:
        archive = zipfile.ZipFile(whole)
    except _BROKEN:
        whole.seek(0)
        yield rejected(name, "zip", "", "the bytes are no zip archive; is the URL right?", whole.read(65_536))
        return
    with archive:
        members = {one.filename.rsplit("/", 1)[-1]: one for one in archive.infolist()}
        for table in spec.tables:
            found = members.get(f"{table}.txt")
            if found is None:
                continue
            position = f"{name}/{table}.txt"
            if found.file_size > spec.max_expanded:
                yield rejected(position, "size", "", f"the table expands to more than {spec.max_expanded} bytes", b"")
                continue
            yield from _rows(archive, found, position, table)


def _rows(archive: zipfile.ZipFile, member: zipfile.ZipInfo, position: str, table: str) -> Iterator[Decoded]:
    try:
        with archive.open(member) as stream:
            for row in decode_csv(cast(BinaryIO, stream), position, CsvDecoder(kind="csv")):
                if row.record is None:
                    yield row
                    continue
                values = {column: value.strip() for column, value in row.record.items() if value.strip()}
                yield Decoded(row.position, {"table": table, **values})
    except Damaged as error:
        yield rejected(position, error.rule, "", error.suggestion, b"")
    except FeedError as error:
        yield rejected(position, "header", "", str(error), b"")
    except _BROKEN:
        yield rejected(position, "compression", "", "the table is damaged or cut off; fetch the archive again", b"")
