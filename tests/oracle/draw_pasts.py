"""Random deeds upon evolutions, purges and @contexts: those that do something, but not all, come more often."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

from tests.oracle.law import Agreement, Caller, Rule, World
from tests.oracle.pasts import DONE, EVOLUTIONS, WRITTEN, Deed, State, come_to
from tests.oracle.request import Request
from tests.oracle.worlds import BOXES, START, WORDS, condition

__all__ = ["Played", "managed", "play"]

Played = list[tuple[Deed, object, State, bool]]
"""Deeds in order: each with the answer that it must have, the state after it, and whether it did something in part."""
_CONTEXTS = ("context-add", "context-list", "context-read", "context-drop", "context-drop")
_SHOWN_SHARE = 0.012


def managed(world: World) -> World:
    """Let one of the callers manage, so that the @contexts of others are its to withdraw."""
    party = world.callers[-1].party
    agreement = Agreement(
        f"urn:datapolis:oracle:{world.number}-m", "witness", party, "active", "present", (Rule(("manage",), ("W",)),)
    )
    return replace(world, agreements=(*world.agreements, agreement))


def play(seed: int, made: World, wanted: int, now: str) -> Played:
    """Draw deeds, each in the state that the ones before it leave."""
    chance = Random(f"{seed}/{made.number}/pasts")  # noqa: S311 - reproducible
    state = State.of(made, now)
    found: Played = []
    while len(found) < wanted:
        deed = _deed(chance, made, state)
        answer, after = come_to(made, state, deed)
        partial = _in_part(made, state, deed, answer)
        if partial or chance.random() < _SHOWN_SHARE:
            found.append((deed, answer, after, partial))
            state = after
    return found


def _in_part(made: World, state: State, deed: Deed, answer: object) -> bool:
    """Say whether a deed does something that is not everybody's to do, or not all that it would without limits."""

    def came(deed: Deed, *, everything: bool = False) -> object:
        return come_to(made, state, deed, everything=everything)[1].entities

    if deed.kind == "purge":
        return answer not in (("denied",), DONE) or (
            came(deed) != state.entities and came(deed) != came(deed, everything=True)
        )
    if answer != DONE or deed.kind == "context-read":
        return False
    return any(come_to(made, state, replace(deed, caller=one))[0] != DONE for one in made.callers)


def _deed(chance: Random, made: World, state: State) -> Deed:
    caller = chance.choice(made.callers)
    way = chance.random()
    if way < 0.1:
        return Deed(chance.choice(_CONTEXTS), caller, context=chance.randrange(state.stored + 1))
    if way < 0.15:
        drop = tuple(chance.sample(WRITTEN, 2)) if chance.random() < 0.5 else ()
        ids = tuple(f"urn:ngsi-ld:E:{one:03}" for one in sorted(chance.sample(range(40), 6)))
        return Deed("purge", caller, query=_query(chance, caller, ids), drop=drop)
    kind = chance.choice((*EVOLUTIONS, "extend", "add", "modify", "withdraw"))
    entity = f"urn:ngsi-ld:E:{chance.randrange(44):03}"
    if kind == "extend" and entity in state.gone:
        kind = "add"
    there = state.entities.get(entity)
    types = tuple(there["type"]) if there else tuple(chance.choice((["A"], ["B"], ["C"], ["A", "B"], ["D"])))
    if kind == "forget":
        return Deed(kind, caller, entity)
    if kind in ("extend", "add"):
        attrs = [chance.choice(WRITTEN) for _ in range(chance.choice((1, 1, 2, 3)))]
        return Deed(
            kind, caller, entity, types, tuple((one, _value(chance, one), at) for one, at in _at(chance, attrs))
        )
    attr = chance.choice(WRITTEN)
    known = sorted(state.past.get(entity, {}).get(attr, ())) or ["2020-01-01T00:00:00Z"]
    return Deed(kind, caller, entity, instances=((attr, _value(chance, attr), chance.choice(known)),))


def _at(chance: Random, attrs: list[str]) -> list[tuple[str, str]]:
    """Draw an instant for each, before or after all that is known; no two are the same."""
    found = []
    for minute, attr in zip(sorted(chance.sample(range(400_000), len(attrs))), attrs, strict=True):
        years = chance.choice((-1, 1))
        at = START + timedelta(days=400 * years, minutes=minute, seconds=chance.randrange(60))
        found.append((attr, at.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return found


def _value(chance: Random, name: str) -> object:
    return chance.choice(WORDS) if name == "s" else chance.random() < 0.5 if name == "b" else chance.randrange(10)


def _query(chance: Random, caller: Caller, ids: tuple[str, ...]) -> Request:
    return Request(
        "purge",
        caller,
        types=chance.choice(["A", "A,B", "B,C", "*", "*"]),
        ids=ids,
        q=condition(chance) if chance.random() < 0.5 else None,
        scope=chance.choice(["/north/#", "/south/+", "/south"]) if chance.random() < 0.15 else None,
        geo=("location", chance.choice(BOXES)) if chance.random() < 0.15 else None,
        attrs=tuple(chance.sample(WRITTEN, 2)) if chance.random() < 0.2 else (),
    )
