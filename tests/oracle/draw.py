"""Random requests in a world, from a seed alone; such whose answer is neither empty nor total come more often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

from tests.oracle.answers import answer, size
from tests.oracle.law import World
from tests.oracle.over_time import PERIODS
from tests.oracle.request import Request
from tests.oracle.worlds import ATTRIBUTES, BOXES, HISTORIC, START, condition

__all__ = ["partial", "requests"]

_DOORS = (
    ("query",) * 9
    + ("post",) * 3
    + ("retrieve",) * 5
    + ("evolutions",) * 5
    + ("post-evolutions",) * 2
    + ("evolution",) * 2
    + ("types-details", "attributes-details", "type", "attribute")
)
_METHODS = ("avg", "min", "max", "sum")
_SHOWN_SHARE = 0.12


def requests(seed: int, made: World, wanted: int) -> Iterator[Request]:
    """Give requests in that world; such whose answer is neither empty nor total come more often."""
    chance = Random(f"{seed}/{made.number}/requests")  # noqa: S311 - reproducible
    given = 0
    while given < wanted:
        request = _request(chance, made)
        named = request.door == "retrieve" and request.attrs
        if partial(made, request) or named or chance.random() < _SHOWN_SHARE:
            given += 1
            yield request


def partial(made: World, request: Request) -> bool:
    """Whether the right answer is neither empty nor what everybody would see without agreements."""
    found = answer(made, request)
    return size(found) > 0 and found != answer(made, request, everything=True)


# ---- requests


def _request(chance: Random, made: World) -> Request:
    door = chance.choice(_DOORS)
    caller = chance.choice(made.callers)
    if door in ("types-details", "attributes-details"):
        return Request(door if chance.random() < 0.5 else door.partition("-")[0], caller)
    if door == "type":
        return Request(door, caller, chance.choice("ABCD"))
    if door == "attribute":
        return Request(door, caller, chance.choice(ATTRIBUTES))
    if door.endswith(("evolution", "evolutions")):
        return _temporal(chance, door, made)
    said: dict[str, Any] = _projection(chance)
    if not said and door != "post" and chance.random() < 0.5:
        said["join"] = True
    if door == "retrieve":
        return Request(door, caller, f"urn:ngsi-ld:E:{chance.randrange(41):03}", **said)
    types = chance.choice(["A", "B", "C", "A,B", "A,C", "B,C", "*", "(A;B)", "A,B,C,D"])
    if door == "post":
        kinds = chance.sample("ABC", chance.choice([1, 2]))
        said["selectors"] = tuple((one, chance.choice([None, None, ":01", ":0[02]"])) for one in kinds)
    else:
        said["types"] = types
        if chance.random() < 0.15:
            said["id_pattern"] = chance.choice([":00", ":01", ":0[12]"])
        if chance.random() < 0.05:
            said["ids"] = tuple(f"urn:ngsi-ld:E:{n:03}" for n in chance.sample(range(41), 12))
        if chance.random() < 0.3:
            names = chance.sample(["n", "k", "s", "b", "r"], chance.choice([1, 1, 2]))
            said["order"] = tuple((name, chance.random() < 0.5) for name in names)
    if chance.random() < 0.6:
        said["q"] = condition(chance)
    if chance.random() < 0.15:
        said["scope"] = chance.choice(["/north/#", "/south/+", "/south", "/+"])
    if chance.random() < 0.2:
        said["geo"] = (chance.choice(["location", "location", "place"]), chance.choice(BOXES))
    if chance.random() < 0.3:
        said |= {"limit": chance.choice([0, 1, 3, 5]), "offset": chance.choice([0, 0, 1, 2])}
    return Request(door, caller, **said)


def _temporal(chance: Random, door: str, made: World) -> Request:
    said: dict[str, Any] = {"when": _when(chance)}
    way = chance.random()
    if way < 0.25:
        said["attrs"] = tuple(chance.sample(HISTORIC, chance.randint(1, 2)))
    elif way < 0.4:
        said["pick"] = ("id", "type", *chance.sample(ATTRIBUTES, chance.randint(2, 5)))
    if chance.random() < 0.4:
        said["methods"] = (*chance.sample(_METHODS, chance.randint(0, 3)), "totalCount")
        said["period"] = chance.choice([None, *PERIODS])
    else:
        said["shape"] = chance.choice(["normalized", "normalized", "values"])
    said["last"] = chance.choice([None, None, 1, 2])
    name = ""
    if door == "evolution":
        name = f"urn:ngsi-ld:E:{chance.randrange(41):03}"
    elif door == "evolutions":
        said["types"] = chance.choice(["A", "B", "C", "A,B", "A,C", "B,C", "*", "(A;B)", "A,B,C,D"])
    else:
        said["selectors"] = tuple((one, None) for one in chance.sample("ABC", chance.choice([1, 2])))
    if door != "evolution":
        if chance.random() < 0.5:
            said["q"] = condition(chance, (*HISTORIC, "n", "k", "s", "n.accuracy", "b"))
        if chance.random() < 0.15:
            said["geo"] = ("place", chance.choice(BOXES))
        if chance.random() < 0.3:
            said |= {"limit": chance.choice([0, 1, 3, 5]), "offset": chance.choice([0, 0, 1, 2])}
    return Request(door, chance.choice(made.callers), name, **said)


def _when(chance: Random) -> tuple[str, str, str | None]:
    """Draw a range; its edges are whole or half hours."""
    edges = [(START + timedelta(minutes=30 * chance.randrange(97))).strftime("%Y-%m-%dT%H:%M:%SZ") for _ in range(2)]
    relation = chance.choice(["before", "after", "between"])
    if relation != "between":
        return relation, edges[0], None
    begin, end = sorted(edges)
    return (relation, begin, end) if begin < end else ("after", begin, None)


def _projection(chance: Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    way = chance.random()
    if way < 0.15:
        found["attrs"] = tuple(chance.sample(ATTRIBUTES, chance.randint(1, 3)))
    elif way < 0.3:
        found["pick"] = ("id", "type", *chance.sample(ATTRIBUTES, chance.randint(1, 4)))
    elif way < 0.4:
        found["omit"] = tuple(chance.sample([*ATTRIBUTES, "scope"], chance.randint(1, 3)))
    elif way < 0.44:
        found["dataset"] = "urn:d:1"
    way = chance.random()
    if way < 0.12:
        found["shape"] = "simplified"
    elif way < 0.3:
        found |= {"shape": "geojson", "geometry": chance.choice([None, "place", "n"])}
    return found
