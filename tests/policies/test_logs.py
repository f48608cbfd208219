"""What a log says of an exception: where and of which kind, and nothing of what was at hand."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from policies.logs import configure_logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    found = io.StringIO()
    configure_logs("info", found)
    yield found
    structlog.reset_defaults()


def _fails(secret: str) -> None:
    raise ValueError("the row is refused\nDETAIL: it holds " + secret)


def test_an_exception_is_logged_without_values(written: io.StringIO) -> None:
    try:
        _fails("42-marigold")
    except ValueError:
        structlog.get_logger().exception("write.failed")
    assert "marigold" not in written.getvalue()
    (line,) = written.getvalue().splitlines()
    (found,) = json.loads(line)["exception"]
    assert (found["exc_type"], found["exc_value"]) == ("ValueError", "the row is refused")
    assert [frame["name"] for frame in found["frames"]] == ["test_an_exception_is_logged_without_values", "_fails"]


def test_the_members_of_a_group_are_logged_without_values(written: io.StringIO) -> None:
    try:
        try:
            _fails("42-marigold")
        except ValueError as error:
            raise ExceptionGroup("two", [error, ExceptionGroup("one", [RuntimeError("a\nmarigold"), error])]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("write.failed")
    assert "marigold" not in written.getvalue()
    assert "the row is refused" in written.getvalue()
