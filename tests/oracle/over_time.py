"""What a temporal request must be answered: instances and aggregates over `law.rules`.

The paragraph: filters on the current state decide the entity, `window` clips instances by observedAt,
`resolution.time` forces aggregatedValues. What follows from it:

- An instance is shown iff a grant that matches the entity as it is names its attribute and has the instance in its
  window, and no prohibition covers (entity, attribute). An entity is found iff an instance asked for is shown.
- A grant with a resolution, or for aggregates only, shows no instance, so no predicate sees what it alone covers.
  Where nothing is found by the other grants, these answer: in aggregates, though none were asked for.
  What they answer is of periods, so `lastN` chooses among these and not among instances.
- A grant with a resolution counts for periods of whole cells alone, between instants on the edges of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.oracle.law import Rule, World, holds, matches, names, rules, typed
from tests.oracle.request import DENIED, MISSING, Request

__all__ = ["FORCED", "PERIODS", "answer", "moment"]

Past: TypeAlias = dict[str, list[dict[str, Any]]]
PERIODS = {"PT30M": 30, "PT1H": 60, "PT90M": 90, "PT2H": 120, "P1D": 1440}
"""The periods that requests may ask for, in minutes."""
FORCED = ("avg", "min", "max", "totalCount")
"""What is told of attributes where a resolution forces aggregates."""
_CELL = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALL = Rule(("temporal",), ())


def moment(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(world: World, request: Request, *, everything: bool = False) -> Any:
    """Give what must be answered; with `everything`, what a caller without any limits would be answered."""
    if everything:
        limitless = [replace(_ALL, types=tuple("ABCD"))]
        return _answered(world, request, limitless, []) or _none(request)
    grants, prohibitions = rules(world, request.caller, "aggregate" if request.methods else "temporal")
    if not grants:
        return DENIED
    plain = [one for one in grants if not _coarse(one)]
    counting = [one for one in grants if _counts(one, request)] if request.methods else plain
    if not request.methods and not plain:
        counting = grants
    request_for = request if request.methods or plain else _forced(request, grants)
    if request.methods and not plain and not counting:
        counting, request_for = grants, replace(request, period=_coarsened(request.period))
    found = _answered(world, request_for, counting, prohibitions)
    others = [one for one in grants if one not in counting]
    if found is None and others:
        found = _answered(world, _coarser(request, others), others, prohibitions)
    return found or _none(request)


def _none(request: Request) -> Any:
    return MISSING if request.door == "evolution" else (0, [])


def _coarse(rule: Rule) -> bool:
    return rule.aggregate_only or rule.hourly


def _counts(rule: Rule, request: Request) -> bool:
    """Say whether a grant counts for aggregates of the request's periods."""
    return not rule.hourly or request.period is None or PERIODS[request.period] % 60 == 0


def _forced(request: Request, grants: Sequence[Rule]) -> Request:
    period = "PT1H" if any(one.hourly for one in grants) else None
    return replace(request, methods=FORCED, period=period)


def _coarsened(period: str | None) -> str:
    return {"PT30M": "PT1H", "PT90M": "PT2H"}[period or ""]


def _coarser(request: Request, others: Sequence[Rule]) -> Request:
    if not request.methods:
        return _forced(request, others)
    return (
        request if any(_counts(one, request) for one in others) else replace(request, period=_coarsened(request.period))
    )


# ---- entities


def _answered(world: World, request: Request, grants: list[Rule], prohibitions: list[Rule]) -> Any:
    """Answer by these grants; None where they show nothing at all of what is asked for."""
    celled = bool(request.methods) and any(one.hourly for one in grants)
    coarse = bool(request.methods) and any(_coarse(one) for one in grants)
    begin, end = _range(request, celled=celled)
    found: list[Any] = []
    for name in sorted(world.entities):
        entity = world.entities[name]
        if not _wanted(request, entity):
            continue
        shown = _shown(world, entity, grants, prohibitions, begin, end)
        wanted = {attr: many for attr, many in shown.items() if _asked(request, attr)}
        seen = _shown(world, entity, [one for one in grants if not _coarse(one)], prohibitions, begin, end)
        if wanted and _meets(request, seen):
            shape = (
                _aggregated(wanted, request, celled=celled, coarse=coarse)
                if request.methods
                else _instances(wanted, request)
            )
            found.append({"id": name, "type": entity["type"], **shape})
    if not found:
        return None
    if request.door == "evolution":
        return found[0]
    return len(found), found[request.offset : request.offset + request.limit]


def _wanted(request: Request, entity: dict[str, Any]) -> bool:
    if request.door == "evolution":
        return bool(entity["id"] == request.name)
    if request.selectors and not any(typed(entity, kind) for kind, _ in request.selectors):
        return False
    return request.types is None or typed(entity, request.types)


def _asked(request: Request, attr: str) -> bool:
    wanted = request.attrs or request.pick
    return attr not in request.omit and (not wanted or attr in wanted)


def _range(request: Request, *, celled: bool) -> tuple[datetime | None, datetime | None]:
    if request.when is None:
        raise ValueError("a temporal request has a range")
    relation, at, until = request.when
    begin = None if relation == "before" else moment(at)
    end = moment(at) if relation == "before" else moment(until) if until is not None else None
    if celled:
        begin = None if begin is None else _ceil(begin)
        end = None if end is None else _floor(end, _CELL)
    return begin, end


def _floor(instant: datetime, step: timedelta) -> datetime:
    return _EPOCH + (instant - _EPOCH) // step * step


def _ceil(instant: datetime) -> datetime:
    edge = _floor(instant, _CELL)
    return edge if edge == instant else edge + _CELL


def _shown(
    world: World,
    entity: dict[str, Any],
    grants: list[Rule],
    prohibitions: list[Rule],
    begin: datetime | None,
    end: datetime | None,
) -> Past:
    """Give the instances in a range that grants show."""
    granting = [one for one in grants if matches(one, entity)]
    hiding = [one for one in prohibitions if matches(one, entity)]
    if any(one.attrs is None for one in hiding):
        return {}
    found: Past = {}
    for attr, many in world.histories.get(entity["id"], {}).items():
        by = [one for one in granting if names(one, attr)]
        if not by or any(names(one, attr) for one in hiding):
            continue
        kept = [
            one
            for one in many
            if _between(one, begin, end) and any(rule.window is None or _in_window(one, rule.window) for rule in by)
        ]
        if kept:
            found[attr] = kept
    return found


def _between(instance: dict[str, Any], begin: datetime | None, end: datetime | None) -> bool:
    at = moment(instance["observedAt"])
    return (begin is None or begin <= at) and (end is None or at < end)


def _in_window(instance: dict[str, Any], window: tuple[str, str]) -> bool:
    return _between(instance, moment(window[0]), moment(window[1]))


def _meets(request: Request, seen: Past) -> bool:
    """Say whether the instances that the caller is shown one by one meet the predicates."""
    if request.q is not None and not holds(request.q, seen, lambda _: True):
        return False
    if request.geo is None:
        return True
    attr, (west, south, east, north) = request.geo
    points = [one["value"]["coordinates"] for one in seen.get(attr, ())]
    return any(west < lon < east and south < lat < north for lon, lat in points)


# ---- forms


def _last(shown: Past, request: Request) -> Past:
    return shown if request.last is None else {attr: many[-request.last :] for attr, many in shown.items()}


def _instances(shown: Past, request: Request) -> dict[str, Any]:
    kept = _last(shown, request)
    if request.shape != "values":
        return dict(kept)
    return {
        attr: {"type": many[0]["type"], "values": [[one["value"], one["observedAt"]] for one in many]}
        for attr, many in kept.items()
    }


def _aggregated(shown: Past, request: Request, *, celled: bool, coarse: bool) -> dict[str, Any]:
    if not coarse:
        shown = _last(shown, request)
        request = replace(request, last=None)
    begin, end = _range(request, celled=celled)
    instants = [moment(one["observedAt"]) for many in shown.values() for one in many]
    begin, end = begin or min(instants), end or max(instants)
    if request.period is None:
        bounds = (_floor(begin, _CELL), _ceil(end)) if celled else (begin, end)
        return {attr: _told(many, request, lambda _: bounds) for attr, many in shown.items()}
    step = timedelta(minutes=PERIODS[request.period])
    origin = _floor(begin, step) if celled else begin

    def cell(at: datetime) -> tuple[datetime, datetime]:
        start = origin + (at - origin) // step * step
        return start, start + step

    return {attr: _told(many, request, cell) for attr, many in shown.items()}


Bounds: TypeAlias = Callable[[datetime], tuple[datetime, datetime]]


def _told(many: list[dict[str, Any]], request: Request, bounds: Bounds) -> dict[str, Any]:
    periods: dict[tuple[datetime, datetime], list[Any]] = {}
    for one in many:
        periods.setdefault(bounds(moment(one["observedAt"])), []).append(one["value"])
    told = sorted(periods.items())[-(request.last or 0) :]
    found: dict[str, Any] = {"type": many[0]["type"]}
    for method in request.methods:
        given = [(_of(method, values), start, end) for (start, end), values in told]
        found[method] = [[value, _text(start), _text(end)] for value, start, end in given if value is not None]
    return found


def _of(method: str, values: list[Any]) -> Any:
    if method == "totalCount":
        return len(values)
    if isinstance(values[0], dict):
        return None
    if method in ("min", "max"):
        return min(values) if method == "min" else max(values)
    if isinstance(values[0], str):
        return None
    return sum(values) if method == "sum" else round(sum(values) / len(values), 6)
