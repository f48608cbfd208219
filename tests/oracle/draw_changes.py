"""Random writes and subscriptions in a world: such whose outcome is neither nothing nor all come more often."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.oracle.changes import BATCHES, KINDS, Change, Item, Step, Subscription, come_to, told
from tests.oracle.law import Entity, World
from tests.oracle.worlds import WORDS, condition

__all__ = ["Play", "play", "subscriptions"]

_WRITTEN = ("n", "k", "s", "b")
_PATHS = (*_WRITTEN, "n", "k", "location", "r")
_SHOWN_SHARE = 0.03

Play = list[tuple[Change, Any, list[Step], bool]]
"""Writes in order: each with the answer that it must have, what it changes, and whether that is something in part."""


def play(seed: int, made: World, wanted: int) -> tuple[Play, dict[str, Entity]]:
    """Draw writes, each in the state that the ones before it leave; give that of the last too."""
    chance = Random(f"{seed}/{made.number}/changes")  # noqa: S311 - reproducible
    state = dict(made.entities)
    found: Play = []
    while len(found) < wanted:
        change = _change(chance, made, state)
        answer, steps = come_to(made, state, change)
        partial = bool(steps) and (answer, steps) != come_to(made, state, change, everything=True)
        if not partial and chance.random() >= _SHOWN_SHARE:
            continue
        found.append((change, answer, steps, partial))
        for step in steps:
            if step.after is None:
                del state[step.entity]
            else:
                state[step.entity] = step.after
    return found, state


def _change(chance: Random, made: World, state: dict[str, Entity]) -> Change:
    caller = chance.choice(made.callers)
    if chance.random() < 0.5:
        kind = chance.choice(BATCHES)
        ids = chance.sample(range(44), chance.randint(3, 6))
        return Change(kind, caller, tuple(_item(chance, kind, one, state) for one in sorted(ids)), batch=True)
    kind = chance.choice((*KINDS, "replace", "replace", "merge"))
    return Change(kind, caller, (_item(chance, kind, chance.randrange(44), state),))


def _item(chance: Random, kind: str, number: int, state: dict[str, Entity]) -> Item:
    name = f"urn:ngsi-ld:E:{number:03}"
    there = state.get(name)
    types = there["type"] if there is not None else chance.choice((["A"], ["B"], ["C"], ["A", "B"], ["D"]))
    if kind == "delete":
        return Item(name, tuple(types))
    several = 1 if kind in ("partial", "put", "drop") else chance.choice((1, 1, 2, 3))
    written = sorted(chance.sample(_WRITTEN, several))
    return Item(name, tuple(types), tuple((one, _value(chance, one, there or {})) for one in written))


def _value(chance: Random, name: str, there: Entity) -> Any:
    """Draw a value that is not the one it has."""
    values: tuple[Any, ...] = WORDS if name == "s" else (True, False) if name == "b" else tuple(range(10))
    had = there.get(name, {}).get("value")
    return chance.choice([one for one in values if one != had])


def subscriptions(seed: int, made: World, wanted: int, steps: list[Step]) -> list[Subscription]:
    """Draw subscriptions, most of them such that are told something and not everything."""
    chance = Random(f"{seed}/{made.number}/subscriptions")  # noqa: S311 - reproducible
    callers = [one for one in made.callers if one.tier != "public"]
    found: list[Subscription] = []
    for _ in range(20 * wanted):
        drawn = Subscription(
            f"urn:ngsi-ld:Subscription:{made.number}-{len(found)}",
            chance.choice(callers),
            tuple((one, chance.choice([None, None, ":0[012]"])) for one in chance.sample("ABC", chance.choice([1, 2]))),
            condition(chance, _PATHS) if chance.random() < 0.4 else None,
            tuple(chance.sample(_WRITTEN, 2)) if chance.random() < 0.4 else (),
            tuple(chance.sample((*_WRITTEN, "location", "r", "m"), 4)) if chance.random() < 0.4 else (),
        )
        if told(made, drawn, steps) or chance.random() < _SHOWN_SHARE:
            found.append(drawn)
        if len(found) == wanted:
            break
    return found
