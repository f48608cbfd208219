"""Watching files: new, grown, replaced, and those still being written."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import FeedError
from connectors.feed import FileSource
from connectors.sources.files import FileWatch, locate


def _write(path: Path, text: str, age_s: float = 5.0) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - age_s, time.time() - age_s))


async def _next(pattern: str, place: dict[str, Any], rows: int) -> tuple[str, int, str] | None:
    payloads = FileWatch(FileSource(kind="file", path=pattern, every=0.2)).payloads(place)
    try:
        async with asyncio.timeout(0.6):
            payload = await anext(payloads)
            text = payload.stream.read().decode()
            place.update(payload.after(payload.skip + rows, done=True))
            return payload.name, payload.skip, text
    except TimeoutError:
        return None
    finally:
        await payloads.aclose()


async def test_growth_change_and_folder(tmp_path: Path) -> None:
    place: dict[str, Any] = {}
    pattern = str(tmp_path / "*.csv")
    _write(tmp_path / "a.csv", "h\n1\n")
    assert await _next(pattern, place, 1) == ("a.csv", 0, "h\n1\n")
    assert await _next(pattern, place, 0) is None
    _write(tmp_path / "a.csv", "h\n1\n2\n", age_s=4)
    assert await _next(pattern, place, 1) == ("a.csv", 1, "h\n1\n2\n")
    _write(tmp_path / "a.csv", "h\n9\n8\n7\n", age_s=3)
    assert await _next(pattern, place, 3) == ("a.csv", 0, "h\n9\n8\n7\n")
    _write(tmp_path / "b.csv", "h\n5\n")
    assert await _next(pattern, place, 1) == ("b.csv", 0, "h\n5\n")
    assert set(place) == {str(tmp_path / "a.csv"), str(tmp_path / "b.csv")}


async def test_a_file_being_written_is_left_alone(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", "h\n1", age_s=0)
    assert await _next(str(tmp_path / "a.csv"), {}, 0) is None


async def test_bound_on_size(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", "h\n1\n")
    watch = FileWatch(FileSource(kind="file", path=str(tmp_path / "a.csv"), max_bytes=2))
    with pytest.raises(FeedError, match=r"more than source\.max_bytes 2"):
        await anext(watch.payloads({}))


def test_packages() -> None:
    assert Path(locate("package://vega_datasets/_data/seattle-temps.csv")).exists()
    with pytest.raises(FeedError, match="package nowhere_at_all is not installed"):
        locate("package://nowhere_at_all/x.csv")
    with pytest.raises(FeedError, match="variable is not set"):
        locate("${DATAPOLIS_DATA}/x.csv")
