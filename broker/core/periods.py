"""Periods of aggregation: durations of ISO 8601 as they are added to instants (CIM 009 V1.9.1, 4.5.19.1).

Years and months are calendar months; a day is 24 hours, since all instants are UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.core.errors import BadRequestData

__all__ = ["WHOLE", "Period", "parse_period"]

_PARTS: Final = re.compile(
    r"P(?:(\d{1,4})W|(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10})S)?)?)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """So many calendar months and then so many seconds; both 0 is the whole range of a query."""

    months: int = 0
    seconds: int = 0

    @property
    def whole(self) -> bool:
        """Say whether it stands for the whole range."""
        return not self.months and not self.seconds

    def after(self, origin: datetime, number: int = 1) -> datetime:
        """Return the start of the numbered period from an origin; the end of time where that is later."""
        try:
            month = origin.year * 12 + origin.month - 1 + self.months * number
            moved = _on_day(origin, month) if self.months else origin
            return moved + timedelta(seconds=self.seconds * number)
        except (OverflowError, ValueError):
            return _LAST

    def end_of(self, origin: datetime, start: datetime) -> datetime:
        """Return where the period from an origin ends that starts at `start`."""
        if not self.months:
            return self.after(start)
        passed = (start.year - origin.year) * 12 + start.month - origin.month
        number = int(passed / (self.months + self.seconds / (30.5 * _DAY_S)))
        while self.after(origin, number) > start:
            number -= 1
        while (end := self.after(origin, number + 1)) <= start:
            number += 1
        return end

    def floor(self, instant: datetime) -> datetime:
        """Return the last edge of the period's own grid (from 1970, or for months from the year 0) up to an instant."""
        if self.months:
            month = instant.year * 12 + instant.month - 1
            month -= month % self.months
            return datetime(max(1, month // 12), month % 12 + 1, 1, tzinfo=UTC)
        passed = (instant - _EPOCH) // timedelta(seconds=self.seconds)
        return _EPOCH + timedelta(seconds=passed * self.seconds)

    def ceil(self, instant: datetime) -> datetime:
        """Return the first edge of its grid from an instant on."""
        edge = self.floor(instant)
        return edge if edge == instant else self.after(edge)

    def holds(self, finer: Period) -> bool:
        """Say whether every edge of this period's grid is one of the finer period's; the whole range holds any."""
        if self.whole:
            return True
        if finer.months:
            return not finer.seconds and not self.seconds and self.months % finer.months == 0
        if self.months:
            return not self.seconds and _DAY_S % finer.seconds == 0
        return self.seconds % finer.seconds == 0

    def coarsened(self, finer: Period) -> Period:
        """Return the shortest period from this one on that holds the finer one, else the finer one itself."""
        if self.holds(finer):
            return self
        if not self.months and not finer.months:
            return Period(0, -(-self.seconds // finer.seconds) * finer.seconds)
        if not self.seconds and not finer.seconds:
            return Period(-(-self.months // finer.months) * finer.months)
        return finer


WHOLE: Final = Period()


def parse_period(text: str, member: str = "aggrPeriodDuration") -> Period:
    """Parse a duration such as PT1H or P1Y6M; BadRequestData naming `member` if it is none."""
    found = _PARTS.fullmatch(text)
    if found is None or not any(part is not None for part in found.groups()) or text.endswith("T"):
        raise BadRequestData(f"{member}: {text!r:.60} is no duration such as PT1H, P1D or P1M (4.5.19.1)")
    weeks, years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Period(12 * years + months, (7 * weeks + days) * _DAY_S + hours * 3600 + minutes * 60 + seconds)


def _on_day(origin: datetime, month: int) -> datetime:
    """Move to a month, to the origin's day or the month's last."""
    year, place = divmod(month, 12)
    first_after = datetime(year + place // 11, (place + 1) % 12 + 1, 1, tzinfo=UTC)
    last = (first_after - timedelta(days=1)).day
    return origin.replace(year=year, month=place + 1, day=min(origin.day, last))
