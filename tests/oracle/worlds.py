"""Random worlds and requests: entities, agreements and callers, from a seed and a number alone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.oracle.answers import Request, answer, size
from tests.oracle.law import Agreement, Caller, Rule, World

__all__ = ["ATTRIBUTES", "DOMAINS", "partial", "parties", "requests", "world"]

DOMAINS = {"water": ("A", "B"), "power": ("C",)}
"""Types by domain; type D is in no domain, so that no agreement can name it."""
ATTRIBUTES = ("n", "k", "s", "b", "r", "m", "l", "location", "place")
_TIERS = ("vendor", "researcher", "department")
_BROADER = {
    "ServiceProvision": frozenset({"Purpose", "ServiceManagement"}),
    "ServiceOptimisation": frozenset({"Purpose", "ServiceManagement"}),
    "ServiceManagement": frozenset({"Purpose"}),
    "Advertising": frozenset({"Marketing", "Purpose"}),
    "Marketing": frozenset({"Purpose"}),
}
_WORDS = ("red", "green", "blue", "12")
_SCOPES = ("/north", "/north/old", "/south/new", "/south")
_BOXES = ((0, 0, 4, 4), (2, 2, 6, 8), (-2, 0, 8, 4), (4, 0, 8, 8))
_DOORS = (
    ("query",) * 9 + ("post",) * 3 + ("retrieve",) * 5 + ("types-details", "attributes-details", "type", "attribute")
)
_SHOWN_SHARE = 0.12


def parties(number: int) -> list[str]:
    """Name the parties of a world; each world has its own."""
    return [f"urn:party:w{number}-{name}" for name in ("one", "two", "three")]


def world(seed: int, number: int) -> World:
    """Make the world of a number."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - reproducible
    entities = {one["id"]: one for one in (_entity(chance, n) for n in range(40))}
    own = parties(number)
    assignees = [*own, f"tier:{chance.choice(_TIERS)}", f"tier:{chance.choice(_TIERS)}", "tier:public"]
    agreements = []
    for n, assignee in enumerate(assignees):
        reached = list(DOMAINS) if chance.random() < 0.5 else ["water"]
        uids = [(f"urn:datapolis:oracle:{number}-{n}-{domain}", domain) for domain in reached]
        agreements += [_agreement(chance, uid, domain, assignee) for uid, domain in uids]
    callers = [Caller("public", "public", (), chance.choice([None, "Marketing"]))]
    for party, tier in zip(own, _TIERS, strict=True):
        roles = ("planner",) if chance.random() < 0.5 else ()
        callers.append(Caller(party, tier, roles, chance.choice(["ServiceProvision", "Advertising", None])))
    return World(number, entities, tuple(agreements), tuple(callers), _BROADER)


def requests(seed: int, made: World, wanted: int) -> Iterator[Request]:
    """Give requests in that world; such whose answer is neither empty nor total come more often."""
    chance = Random(f"{seed}/{made.number}/requests")  # noqa: S311 - reproducible
    given = 0
    while given < wanted:
        request = _request(chance, made)
        if partial(made, request) or chance.random() < _SHOWN_SHARE:
            given += 1
            yield request


def partial(made: World, request: Request) -> bool:
    """Whether the right answer is neither empty nor what everybody would see without agreements."""
    found = answer(made, request)
    return size(found) > 0 and found != answer(made, request, everything=True)


# ---- entities


def _entity(chance: Random, number: int) -> dict[str, Any]:
    kinds = chance.choices([["A"], ["B"], ["C"], ["D"], ["A", "B"], ["A", "C"]], [8, 6, 5, 2, 2, 2])[0]
    found: dict[str, Any] = {"id": f"urn:ngsi-ld:E:{number:03}", "type": kinds}
    if chance.random() < 0.6:
        found["scope"] = chance.sample(_SCOPES, chance.choice([1, 1, 2]))
    for name in ATTRIBUTES:
        if chance.random() < 0.72:
            found[name] = _attribute(chance, name)
    return found


def _attribute(chance: Random, name: str) -> Any:
    if name in ("location", "place"):
        of = chance.choices([(None,), ("urn:d:1",), (None, "urn:d:1"), ("urn:d:1", "urn:d:2")], [12, 1, 2, 1])[0]
        points = [_point(chance) | ({"datasetId": one} if one else {}) for one in of]
        return points if len(points) > 1 else points[0]
    if name == "r":
        return {"type": "Relationship", "object": f"urn:ngsi-ld:E:{chance.randrange(40):03}"}
    if name == "l":
        return {"type": "LanguageProperty", "languageMap": {"en": chance.choice(_WORDS), "es": chance.choice(_WORDS)}}
    if name == "m":
        sets = chance.sample(["urn:d:1", "urn:d:2", "urn:d:3"], chance.choice([2, 3]))
        return [{"type": "Property", "value": chance.randrange(10), "datasetId": one} for one in sorted(sets)]
    value: Any = chance.choice(_WORDS)
    if name in ("n", "k"):
        value = chance.randrange(10)
    elif name == "b":
        value = chance.random() < 0.5
    found: dict[str, Any] = {"type": "Property", "value": value}
    if name == "n":
        found["observedAt"] = "2026-11-22T05:00:00Z"
        if chance.random() < 0.5:
            found["accuracy"] = {"type": "Property", "value": chance.randrange(4)}
    return found


def _point(chance: Random) -> dict[str, Any]:
    point = [chance.randrange(-1, 8, 2), chance.randrange(-1, 8, 2)]
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": point}}


# ---- conditions


def _term(chance: Random) -> tuple[Any, ...]:
    name = chance.choice([*ATTRIBUTES, "n", "k", "s", "n.accuracy", "l[en]"])
    if chance.random() < 0.2 or name in ("l", "location", "place"):
        return ("has", name)
    both = chance.choice(["==", "!="])
    if name in ("s", "l[en]"):
        way = chance.random()
        if way < 0.2:
            return ("match", name, chance.choice(["~=", "!~="]), chance.choice(["re", "^b", "e$"]))
        if way < 0.4:
            return ("list", name, both, tuple(chance.sample(_WORDS, 2)))
        return ("is", name, chance.choice(["==", "!=", ">", "<="]), chance.choice(_WORDS))
    if name == "b":
        return ("is", name, both, chance.random() < 0.5)
    if name == "r":
        return ("is", name, both, f"urn:ngsi-ld:E:{chance.randrange(40):03}")
    if chance.random() < 0.2:
        low = chance.randrange(6)
        return ("range", name, both, (low, low + chance.randrange(1, 4)))
    if chance.random() < 0.1:
        return ("is", name, both, chance.choice(_WORDS))
    return ("is", name, chance.choice(["==", "!=", ">", ">=", "<", "<="]), chance.randrange(1, 9))


def _condition(chance: Random) -> tuple[Any, ...]:
    way = chance.random()
    if way < 0.55:
        return _term(chance)
    if way < 0.9:
        return (chance.choice(["and", "or", "or"]), (_term(chance), _term(chance)))
    return ("and", (_term(chance), ("or", (_term(chance), _term(chance)))))


# ---- agreements


def _rule(chance: Random, domain: str, prohibits: bool) -> Rule:
    types = tuple(sorted(chance.sample(DOMAINS[domain], chance.randint(1, len(DOMAINS[domain])))))
    way = chance.random()
    attrs: tuple[str, tuple[str, ...]] | None = None
    if way < (0.85 if prohibits else 0.6):
        attrs = (
            "only",
            tuple(sorted(chance.sample(ATTRIBUTES, chance.randint(1, 2) if prohibits else chance.randint(3, 7)))),
        )
    elif way < 0.9:
        attrs = ("except", tuple(sorted(chance.sample(ATTRIBUTES, chance.randint(1, 3)))))
    narrowed = chance.choice(["", "", "q", "q", "scope", "box", "q box"])
    if prohibits and attrs is None and not narrowed:
        narrowed = "q"
    return Rule(
        actions=("read",) if chance.random() < 0.7 else ("read", "subscribe", "temporal"),
        types=types,
        attrs=attrs,
        q=_condition(chance) if "q" in narrowed else None,
        scope=chance.choice(["/north/#", "/south/+", "/south", "/north"]) if "scope" in narrowed else None,
        box=chance.choice(_BOXES) if "box" in narrowed else None,
        purpose=_purpose(chance) if chance.random() < 0.3 else None,
        role="planner" if chance.random() < 0.1 else None,
        aggregate_only=not prohibits and chance.random() < 0.06,
    )


def _purpose(chance: Random) -> tuple[str, tuple[str, ...]]:
    operator = chance.choice(["isA", "isAnyOf", "isNoneOf", "eq"])
    wanted = tuple(chance.sample(["ServiceManagement", "Marketing", "ServiceProvision", "Purpose"], 2))
    return operator, wanted if operator in ("isAnyOf", "isNoneOf") else wanted[:1]


def _agreement(chance: Random, uid: str, domain: str, assignee: str) -> Agreement:
    return Agreement(
        uid,
        domain,
        assignee,
        chance.choices(["active", "suspended", "revoked", "offered"], [12, 1, 1, 1])[0],
        chance.choices(["present", "past", "future"], [12, 1, 1])[0],
        tuple(_rule(chance, domain, False) for _ in range(chance.randint(1, 3))),
        tuple(_rule(chance, domain, True) for _ in range(chance.choice([0, 0, 0, 1, 2]))),
    )


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
        said["q"] = _condition(chance)
    if chance.random() < 0.15:
        said["scope"] = chance.choice(["/north/#", "/south/+", "/south", "/+"])
    if chance.random() < 0.2:
        said["geo"] = (chance.choice(["location", "location", "place"]), chance.choice(_BOXES))
    if chance.random() < 0.3:
        said |= {"limit": chance.choice([0, 1, 3, 5]), "offset": chance.choice([0, 0, 1, 2])}
    return Request(door, caller, **said)


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
