"""The answer that a request must have, from what its caller sees: NGSI-LD's reads over `law.see`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tests.oracle import over_time
from tests.oracle.law import MEMBERS, Caller, Seen, World, attributes, holds, inside, rules, scoped, see, typed
from tests.oracle.request import DENIED, MISSING, Request

__all__ = ["answer", "selected", "size"]


def answer(world: World, request: Request, *, everything: bool = False) -> Any:
    """Give what must be answered; with `everything`, what a caller without any limits would be answered."""
    if request.when is not None:
        return over_time.answer(world, request, everything=everything)
    seen = _everything(world) if everything else _seen(world, request.caller)
    if seen is None:
        return DENIED
    if request.door == "retrieve":
        return _retrieve(request, seen)
    if request.door in ("query", "post"):
        return _query(request, seen)
    return _discover(request, seen)


@lru_cache(maxsize=8)
def _everything(world: World) -> list[Seen]:
    return [Seen(world.entities[one], frozenset(attributes(world.entities[one]))) for one in sorted(world.entities)]


@lru_cache(maxsize=64)
def _seen(world: World, caller: Caller) -> list[Seen] | None:
    """Give what a caller sees, ordered by id; None where no grant lets it read."""
    grants, prohibitions = rules(world, caller, "read")
    found = [see(world.entities[one], grants, prohibitions) for one in sorted(world.entities)]
    return [one for one in found if one is not None] if grants else None


def size(found: Any) -> int:
    """Tell how much an answer holds, to say whether it is empty."""
    if found in (DENIED, MISSING):
        return 0
    if isinstance(found, tuple):
        return int(found[0]) if found[0] is not None else len(found[1])
    return len(found)


# ---- entities


def _retrieve(request: Request, seen: Sequence[Seen]) -> Any:
    for one in seen:
        if one.entity["id"] == request.name:
            if request.attrs and one.shown.isdisjoint(request.attrs):
                return MISSING
            return _joined(request, _show(request, one), seen)
    return MISSING


def _query(request: Request, seen: Sequence[Seen]) -> tuple[int, list[Any]]:
    found = _ordered(request, [one for one in seen if selected(request, one)])
    page = found[request.offset : request.offset + request.limit]
    return len(found), [_joined(request, _show(request, one), seen) for one in page]


def _ordered(request: Request, found: list[Seen]) -> list[Seen]:
    """Order by what the caller sees: an attribute that is hidden comes last, as one that is not there; then by id."""
    for name, descends in reversed(request.order):
        having = [one for one in found if one.visible(name)]
        having.sort(key=lambda one: _value(one, name), reverse=descends)
        found = having + [one for one in found if not one.visible(name)]
    return found


def _value(one: Seen, name: str) -> Any:
    attribute = one.entity[name]
    return attribute["object"] if "object" in attribute else attribute["value"]


def _joined(request: Request, shown: Any, seen: Sequence[Seen]) -> Any:
    """Put what the caller sees of a linked entity into the relationship that leads to it; none into itself."""
    if not request.join or "r" not in shown or shown["r"]["object"] == shown["id"]:
        return shown
    linked = [one for one in seen if one.entity["id"] == shown["r"]["object"]]
    return {**shown, "r": {**shown["r"], "entity": _show(request, linked[0])}} if linked else shown


def selected(request: Request, one: Seen) -> bool:
    """Say whether a query finds what its caller sees of an entity."""
    entity = one.entity
    if request.selectors and not any(
        typed(entity, kind) and (pattern is None or re.search(pattern, entity["id"]))
        for kind, pattern in request.selectors
    ):
        return False
    return (
        (request.types is None or typed(entity, request.types))
        and (not request.ids or entity["id"] in request.ids)
        and (request.id_pattern is None or re.search(request.id_pattern, entity["id"]) is not None)
        and (not request.attrs or not one.shown.isdisjoint(request.attrs))
        and (request.q is None or holds(request.q, entity, one.visible))
        and (request.scope is None or scoped(entity, request.scope))
        and (request.geo is None or inside(entity, *request.geo, one.visible))
    )


def _show(request: Request, one: Seen) -> Any:
    entity = {name: value for name, value in one.entity.items() if name in MEMBERS or name in one.shown}
    shown = {name: value for name, value in entity.items() if _kept(request, name)}
    if request.dataset is not None:
        shown = {name: value for name, value in shown.items() if name in MEMBERS or _of_dataset(value, request.dataset)}
        shown |= {name: _of_dataset(value, request.dataset) for name, value in shown.items() if name not in MEMBERS}
    if request.shape == "simplified":
        return dict.fromkeys(shown)
    if request.shape != "geojson":
        return shown
    where = _instances(entity.get(request.geometry or "location", []))
    places = [one for one in where if one["type"] == "GeoProperty" and one.get("datasetId") == request.dataset]
    return {"geometry": places[0]["value"] if places else None, "properties": shown}


def _kept(request: Request, name: str) -> bool:
    if name in request.omit or (request.pick and name not in request.pick):
        return False
    return not request.attrs or name in MEMBERS or name in request.attrs


def _of_dataset(value: Any, dataset: str) -> Any:
    """Give the instances of a dataset: one stands alone, none is None."""
    kept = [one for one in (value if isinstance(value, list) else [value]) if one.get("datasetId") == dataset]
    return kept[0] if len(kept) == 1 else kept or None


# ---- discovery


def _discover(request: Request, seen: list[Seen]) -> Any:
    if request.door == "types":
        return sorted({kind for one in seen for kind in one.entity["type"]})
    if request.door == "types-details":
        return {
            kind: sorted({name for one in seen if kind in one.entity["type"] for name in one.shown})
            for kind in {kind for one in seen for kind in one.entity["type"]}
        }
    if request.door == "type":
        having = [one for one in seen if request.name in one.entity["type"]]
        kinds = _kinds(having)
        return (len(having), sorted(kinds.items())) if having else MISSING
    if request.door == "attributes":
        return sorted({name for one in seen for name in one.shown})
    showing = [one for one in seen if one.visible(request.name)]
    if request.door == "attribute":
        if not showing:
            return MISSING
        kind = sorted(_kinds([replace(one, shown=frozenset({request.name})) for one in showing])[request.name])
        count = sum(len(_instances(one.entity[request.name])) for one in showing)
        return (count, [kind, sorted({kind for one in showing for kind in one.entity["type"]})])
    return {
        name: sorted({kind for one in seen if one.visible(name) for kind in one.entity["type"]})
        for name in {name for one in seen for name in one.shown}
    }


def _instances(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _kinds(seen: Iterable[Seen]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for one in seen:
        for name in one.shown:
            found.setdefault(name, set()).update(each["type"] for each in _instances(one.entity[name]))
    return {name: sorted(kinds) for name, kinds in found.items()}
