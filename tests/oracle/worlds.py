"""Random worlds: entities with their pasts, agreements and callers, from a seed and a number alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.oracle.law import Agreement, Caller, Rule, World

__all__ = ["ATTRIBUTES", "BOXES", "DOMAINS", "HISTORIC", "START", "WORDS", "condition", "parties", "world"]

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
WORDS = ("red", "green", "blue", "12")
_SCOPES = ("/north", "/north/old", "/south/new", "/south")
HISTORIC = ("n", "k", "s", "place")
"""The attributes that have a past."""
START = datetime(2024, 3, 5, tzinfo=UTC)
"""The pasts lie in the two days from here on, never on a round five minutes."""
_WINDOWS = ((0, 12), (6, 30), (20, 48), (-48, 24), (36, 60))
BOXES = ((0, 0, 4, 4), (2, 2, 6, 8), (-2, 0, 8, 4), (4, 0, 8, 8))


def parties(number: int) -> list[str]:
    """Name the parties of a world, of which eight have their own. The last only witnesses that all is told."""
    return [f"urn:party:w{number % 8}-{name}" for name in ("one", "two", "three", "witness")]


def world(seed: int, number: int) -> World:
    """Make the world of a number."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - reproducible
    entities: dict[str, dict[str, Any]] = {}
    histories: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for number_of in range(40):
        entity, past = _entity(chance, number_of)
        entities[entity["id"]], histories[entity["id"]] = entity, past
    *own, witness = parties(number)
    assignees = [*own, f"tier:{chance.choice(_TIERS)}", f"tier:{chance.choice(_TIERS)}", "tier:public"]
    agreements = []
    for n, assignee in enumerate(assignees):
        reached = list(DOMAINS) if chance.random() < 0.5 else ["water"]
        uids = [(f"urn:datapolis:oracle:{number}-{n}-{domain}", domain) for domain in reached]
        agreements += [_agreement(chance, uid, domain, assignee) for uid, domain in uids]
    sees = Rule(("subscribe",), ("W",))
    agreements.append(Agreement(f"urn:datapolis:oracle:{number}-w", "witness", witness, "active", "present", (sees,)))
    callers = [Caller("public", "public", (), chance.choice([None, "Marketing"]))]
    for party, tier in zip(own, _TIERS, strict=True):
        roles = ("planner",) if chance.random() < 0.5 else ()
        callers.append(Caller(party, tier, roles, chance.choice(["ServiceProvision", "Advertising", None])))
    return World(number, entities, tuple(agreements), tuple(callers), _BROADER, histories)


# ---- entities


def _entity(chance: Random, number: int) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Make an entity and its past."""
    kinds = chance.choices([["A"], ["B"], ["C"], ["D"], ["A", "B"], ["A", "C"]], [8, 6, 5, 2, 2, 2])[0]
    found: dict[str, Any] = {"id": f"urn:ngsi-ld:E:{number:03}", "type": kinds}
    past: dict[str, list[dict[str, Any]]] = {}
    if chance.random() < 0.6:
        found["scope"] = chance.sample(_SCOPES, chance.choice([1, 1, 2]))
    for name in ATTRIBUTES:
        if chance.random() >= 0.72:
            continue
        found[name] = _attribute(chance, name)
        if name in HISTORIC:
            past[name] = [_attribute(chance, name) for _ in range(chance.randrange(4))] + [found[name]]
            minutes = sorted(chance.sample(range(3, 2880, 10), len(past[name])))
            for one, at in zip(past[name], minutes, strict=True):
                one["observedAt"] = (START + timedelta(minutes=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return found, past


def _attribute(chance: Random, name: str) -> Any:
    if name == "place":
        return _point(chance)
    if name == "location":
        of = chance.choices([(None,), ("urn:d:1",), (None, "urn:d:1"), ("urn:d:1", "urn:d:2")], [12, 1, 2, 1])[0]
        points = [_point(chance) | ({"datasetId": one} if one else {}) for one in of]
        return points if len(points) > 1 else points[0]
    if name == "r":
        return {"type": "Relationship", "object": f"urn:ngsi-ld:E:{chance.randrange(40):03}"}
    if name == "l":
        return {"type": "LanguageProperty", "languageMap": {"en": chance.choice(WORDS), "es": chance.choice(WORDS)}}
    if name == "m":
        sets = chance.sample(["urn:d:1", "urn:d:2", "urn:d:3"], chance.choice([2, 3]))
        return [{"type": "Property", "value": chance.randrange(10), "datasetId": one} for one in sorted(sets)]
    value: Any = chance.choice(WORDS)
    if name in ("n", "k"):
        value = chance.randrange(10)
    elif name == "b":
        value = chance.random() < 0.5
    found: dict[str, Any] = {"type": "Property", "value": value}
    if name == "n" and chance.random() < 0.5:
        found["accuracy"] = {"type": "Property", "value": chance.randrange(4)}
    return found


def _point(chance: Random) -> dict[str, Any]:
    point = [chance.randrange(-1, 8, 2), chance.randrange(-1, 8, 2)]
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": point}}


# ---- conditions


_PATHS = (*ATTRIBUTES, "n", "k", "s", "n.accuracy", "l[en]")


def _term(chance: Random, paths: tuple[str, ...]) -> tuple[Any, ...]:
    name = chance.choice(paths)
    if chance.random() < 0.2 or name in ("l", "location", "place"):
        return ("has", name)
    both = chance.choice(["==", "!="])
    if name in ("s", "l[en]"):
        way = chance.random()
        if way < 0.2:
            return ("match", name, chance.choice(["~=", "!~="]), chance.choice(["re", "^b", "e$"]))
        if way < 0.4:
            return ("list", name, both, tuple(chance.sample(WORDS, 2)))
        return ("is", name, chance.choice(["==", "!=", ">", "<="]), chance.choice(WORDS))
    if name == "b":
        return ("is", name, both, chance.random() < 0.5)
    if name == "r":
        return ("is", name, both, f"urn:ngsi-ld:E:{chance.randrange(40):03}")
    if chance.random() < 0.2:
        low = chance.randrange(6)
        return ("range", name, both, (low, low + chance.randrange(1, 4)))
    if chance.random() < 0.1:
        return ("is", name, both, chance.choice(WORDS))
    return ("is", name, chance.choice(["==", "!=", ">", ">=", "<", "<="]), chance.randrange(1, 9))


def condition(chance: Random, paths: tuple[str, ...] = _PATHS) -> tuple[Any, ...]:
    """Draw a condition on what the paths lead to."""
    way = chance.random()
    if way < 0.55:
        return _term(chance, paths)
    if way < 0.9:
        return (chance.choice(["and", "or", "or"]), (_term(chance, paths), _term(chance, paths)))
    return ("and", (_term(chance, paths), ("or", (_term(chance, paths), _term(chance, paths)))))


# ---- agreements

_ACTIONS: tuple[tuple[str, ...], ...] = (
    ("read", "temporal", "aggregate", "publish", "delete", "subscribe"),
    ("read", "publish", "subscribe"),
    ("read", "temporal", "aggregate"),
    ("read",),
    ("read", "subscribe", "temporal"),
    ("temporal", "aggregate"),
    ("read", "aggregate"),
    ("publish", "delete"),
)
_ACTION_WEIGHTS = (8, 2, 3, 3, 2, 1, 1, 1)


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
        actions=chance.choices(_ACTIONS, _ACTION_WEIGHTS)[0],
        types=types,
        attrs=attrs,
        q=condition(chance) if "q" in narrowed else None,
        scope=chance.choice(["/north/#", "/south/+", "/south", "/north"]) if "scope" in narrowed else None,
        box=chance.choice(BOXES) if "box" in narrowed else None,
        purpose=_purpose(chance) if chance.random() < 0.3 else None,
        role="planner" if chance.random() < 0.1 else None,
        aggregate_only=not prohibits and chance.random() < 0.06,
        hourly=not prohibits and chance.random() < 0.08,
        window=_window(chance) if not prohibits and chance.random() < 0.3 else None,
    )


def _window(chance: Random) -> tuple[str, str]:
    begin, end = [(START + timedelta(hours=one)).strftime("%Y-%m-%dT%H:%M:%SZ") for one in chance.choice(_WINDOWS)]
    return begin, end


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
