"""Durations of ISO 8601, such as PT30S, P7D or P1Y6M."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

__all__ = ["PATTERN", "Duration", "parse"]

PATTERN = r"P(?:\d{1,6}W|(?:\d{1,6}Y)?(?:\d{1,6}M)?(?:\d{1,6}D)?(?:T(?:\d{1,9}H)?(?:\d{1,9}M)?(?:\d{1,9}S)?)?)"
_PARTS = re.compile(
    r"P(?:(\d{1,6})W|(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?)"
)


def parse(text: str) -> timedelta:
    """Read a duration; a year counts 365 days and a month 30. ValueError if it is none or nothing."""
    found = _PARTS.fullmatch(text)
    if found is None or not any(found.groups()) or text.endswith("T"):
        raise ValueError(f"{text!r} is no duration such as PT30S, P7D or P1Y")
    weeks, years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=365 * years + 30 * months + days, weeks=weeks, hours=hours, minutes=minutes, seconds=seconds)


def _checked(text: str) -> str:
    parse(text)
    return text


Duration: TypeAlias = Annotated[str, Field(pattern=f"^{PATTERN}$"), AfterValidator(_checked)]
