"""The temporal query language (CIM 009 V1.9.1, 4.11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from broker.core import times
from broker.core.errors import BadRequestData

__all__ = ["TIME_PROPERTIES", "TemporalQuery", "parse_time"]

TimeRelation = Literal["before", "after", "between"]
TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]
TIME_PROPERTIES: Final = ("observedAt", "createdAt", "modifiedAt", "deletedAt")


@dataclass(frozen=True, slots=True)
class TemporalQuery:
    """Which instances: `before` t < at; `after` t >= at; `between` at <= t < end. Times are canonical texts."""

    relation: TimeRelation
    at: str
    end: str | None = None
    property: TimeProperty = "observedAt"

    def holds(self, instant: str) -> bool:
        """Say whether a canonical instant meets it."""
        match self.relation:
            case "before":
                return instant < self.at
            case "after":
                return instant >= self.at
            case "between":
                return self.end is not None and self.at <= instant < self.end


def parse_time(
    timerel: str | None, time_at: str | None, end_time_at: str | None = None, timeproperty: str | None = None
) -> TemporalQuery | None:
    """Parse the four parameters; None if there is no `timerel` (then none of the others may be there)."""
    if timerel is None:
        for name, value in (("timeAt", time_at), ("endTimeAt", end_time_at), ("timeproperty", timeproperty)):
            if value is not None:
                raise BadRequestData(f"{name}: give timerel as well (before, after or between)")
        return None
    if timerel not in ("before", "after", "between"):
        raise BadRequestData(f"timerel: expected before, after or between, found {timerel!r:.60}")
    if time_at is None:
        raise BadRequestData("timeAt: missing; timerel needs it")
    if (end_time_at is not None) is not (timerel == "between"):
        raise BadRequestData("endTimeAt: needed with timerel=between, and only there")
    if timeproperty is not None and timeproperty not in TIME_PROPERTIES:
        raise BadRequestData(f"timeproperty: expected one of {', '.join(TIME_PROPERTIES)}, found {timeproperty!r:.60}")
    at = times.parse(time_at, "timeAt")
    end = None if end_time_at is None else times.parse(end_time_at, "endTimeAt")
    if end is not None and end <= at:
        raise BadRequestData("endTimeAt: must be after timeAt")
    return TemporalQuery(cast(TimeRelation, timerel), at, end, cast(TimeProperty, timeproperty or "observedAt"))
