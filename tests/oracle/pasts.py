"""What must come of writing and withdrawing evolutions, of a purge, and of who stores and withdraws @contexts.

The paragraph speaks of what is visible; of these doors it follows, beside what `changes` says of writes:

- Instances are added where their attributes are visible by name in the entity as it is, and as the newest of them make
  it. An id that is taken by what the writer does not see is refused as any that no grant covers.
- An instance, or all of an attribute, is changed or withdrawn by whom the attribute is visible to, by name; what is not
  visible is missing. Who withdraws a whole evolution must see each attribute that is in it.
- A grant's window is of what histories show: it limits no deed.
- A purge finds what a query would find that sees as the purger sees. What it finds but may not delete is named as
  refused; attributes that are dropped are those that the purger sees.
- A @context is stored by whoever may publish something or manage, read by everybody, and withdrawn by the party that
  stored it or by a manager; to others who may publish it is missing. The public, being nobody, withdraws none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.answers import selected
from tests.oracle.changes import covers, shows, whole
from tests.oracle.law import Caller, Entity, Rule, World, attributes, rules, see
from tests.oracle.request import DENIED, MISSING, Request

__all__ = ["DONE", "EVOLUTIONS", "WRITTEN", "Deed", "State", "come_to"]

DONE = ("done",)
EVOLUTIONS = ("extend", "add", "modify", "withdraw", "withdraw-all", "forget")
WRITTEN = ("n", "k", "s", "b")
"""The attributes whose histories are written."""


@dataclass(frozen=True)
class Deed:
    """What one caller does. `instances`: (attribute, value, observedAt); `query` and `drop` are a purge's.

    `context`: the number of a @context, counted as they were stored.
    """

    kind: str
    caller: Caller
    entity: str = ""
    types: tuple[str, ...] = ()
    instances: tuple[tuple[str, Any, str], ...] = ()
    query: Request | None = None
    drop: tuple[str, ...] = ()
    context: int = 0


@dataclass
class State:
    """Entities as they are, their histories (by attribute: instant and value), and the @contexts with their parties.

    `since`: when what is current of an attribute was observed, or when it was removed. `others`: attributes that are in
    an evolution beside those with values in `past`. `gone`: entities that were purged.
    """

    entities: dict[str, Entity]
    past: dict[str, dict[str, dict[str, Any]]]
    since: dict[tuple[str, str], str]
    others: dict[str, set[str]]
    gone: set[str] = field(default_factory=set)
    contexts: dict[int, str] = field(default_factory=dict)
    stored: int = 0

    @classmethod
    def of(cls, world: World, now: str) -> State:
        """Begin with a world that was stored at an instant."""
        found = cls(dict(world.entities), {}, {}, {})
        for name, entity in world.entities.items():
            past = found.past.setdefault(name, {})
            histories = world.histories.get(name, {})
            found.others[name] = {one for one in attributes(entity) if one not in WRITTEN}
            for attr in (one for one in WRITTEN if one in entity):
                many = histories.get(attr, [{**entity[attr], "observedAt": now}])
                past[attr] = {one["observedAt"]: one["value"] for one in many}
                found.since[name, attr] = many[-1]["observedAt"]
        return found

    def names(self, entity: str) -> set[str]:
        """Name the attributes that are in an evolution."""
        return self.others.get(entity, set()) | {name for name, past in self.past.get(entity, {}).items() if past}

    def copy(self) -> State:
        """Give a state of its own to go on from."""
        past = {name: {attr: dict(one) for attr, one in many.items()} for name, many in self.past.items()}
        others = {name: set(one) for name, one in self.others.items()}
        mine = (dict(self.entities), past, dict(self.since), others, set(self.gone), dict(self.contexts))
        return State(*mine, self.stored)


def come_to(world: World, state: State, deed: Deed, *, everything: bool = False) -> tuple[Any, State]:
    """Give the answer of a deed and the state after it; with `everything`, for a caller without any limits."""
    after = state.copy()
    if deed.kind.startswith("context"):
        return _context(world, after, deed, everything=everything), after
    action = "publish" if deed.kind in ("extend", "add", "modify") else "delete"
    grants, prohibitions = rules(world, deed.caller, action)
    if everything:
        grants, prohibitions = [Rule((action,), tuple("ABCD"))], []
    if not grants:
        return DENIED, after
    if deed.kind == "purge":
        return _purge(after, deed, grants, prohibitions), after
    if deed.kind in ("extend", "add"):
        return _add(after, deed, grants, prohibitions), after
    return _withdraw(after, deed, grants, prohibitions), after


# ---- evolutions


def _add(state: State, deed: Deed, grants: list[Rule], prohibitions: list[Rule]) -> tuple[str, ...]:
    name, before = deed.entity, state.entities.get(deed.entity)
    written = [attr for attr, _, _ in deed.instances]
    if deed.kind == "add" and (before is None or not state.names(name)):
        return MISSING
    if before is not None:
        if see(before, grants, prohibitions) is None:
            return MISSING if deed.kind == "add" else DENIED
        if not covers(before, written, grants, prohibitions):
            return DENIED
    after = dict(before or {"id": name, "type": list(deed.types)})
    newest: dict[str, tuple[str, Any]] = {}
    for attr, value, at in deed.instances:
        if at > newest.get(attr, (state.since.get((name, attr), ""), None))[0]:
            newest[attr] = (at, value)
    after |= {attr: {"type": "Property", "value": value} for attr, (_, value) in newest.items()}
    if not covers(after, written, grants, prohibitions):
        return DENIED
    state.entities[name] = after
    state.since |= {(name, attr): at for attr, (at, _) in newest.items()}
    for attr, value, at in deed.instances:
        state.past.setdefault(name, {}).setdefault(attr, {})[at] = value
    return DONE


def _withdraw(state: State, deed: Deed, grants: list[Rule], prohibitions: list[Rule]) -> tuple[str, ...]:
    name, entity, there = deed.entity, state.entities.get(deed.entity), state.names(deed.entity)
    if entity is None or not there or see(entity, grants, prohibitions) is None:
        return MISSING
    if deed.kind == "forget":
        if not all(shows(entity, one, grants, prohibitions) for one in there):
            return DENIED
        state.past[name], state.others[name] = {}, set()
        if _provided(name):
            del state.entities[name]
            for attr in WRITTEN:
                state.since.pop((name, attr), None)
        return DONE
    ((attr, value, at),) = deed.instances
    past = state.past.get(name, {}).get(attr, {})
    if not shows(entity, attr, grants, prohibitions):
        return MISSING
    if deed.kind == "withdraw-all":
        if attr not in there:
            return MISSING
        past.clear()
        state.others.get(name, set()).discard(attr)
        return DONE
    if at not in past:
        return MISSING
    if deed.kind == "modify":
        past[at] = value
    else:
        del past[at]
    return DONE


def _provided(name: str) -> bool:
    """Say whether an entity is known from its evolution alone: those from 40 on were not there to begin with."""
    return int(name.rpartition(":")[2]) >= 40


# ---- purge


def _purge(state: State, deed: Deed, grants: list[Rule], prohibitions: list[Rule]) -> Any:
    if deed.query is None:
        raise ValueError("a purge has a query")
    done: list[str] = []
    refused: list[tuple[str, tuple[str, ...]]] = []
    for name, entity in sorted(state.entities.items()):
        seen = see(entity, grants, prohibitions)
        if seen is None or not selected(deed.query, seen) or (deed.drop and seen.shown.isdisjoint(deed.drop)):
            continue
        dropped = seen.shown.intersection(deed.drop)
        after = {attr: value for attr, value in entity.items() if attr not in dropped} if deed.drop else None
        allowed = covers(entity, (), grants, prohibitions) and (
            whole(entity, grants, prohibitions) if after is None else covers(after, (), grants, prohibitions)
        )
        if not allowed:
            refused.append((name, DENIED))
            continue
        done.append(name)
        if after is None:
            state.gone.add(name)
            del state.entities[name]
        else:
            state.entities[name] = after
            state.others.setdefault(name, set()).update(dropped)  # that it was removed is in the evolution as well
            state.since |= {(name, attr): "9" for attr in dropped}
    return (done, refused) if refused else DONE


# ---- contexts


def _context(world: World, state: State, deed: Deed, *, everything: bool) -> Any:
    manages = everything or bool(rules(world, deed.caller, "manage")[0])
    publishes = bool(rules(world, deed.caller, "publish")[0])
    if deed.kind == "context-list":
        return _known(state.contexts)
    if deed.kind == "context-read":
        return DONE if deed.context in state.contexts else MISSING
    if not manages and not publishes:
        return DENIED
    if deed.kind == "context-add":
        state.contexts[state.stored] = deed.caller.party
        state.stored += 1
        return DONE
    if not manages and deed.caller.tier == "public":
        return DENIED
    if deed.context not in state.contexts or (not manages and state.contexts[deed.context] != deed.caller.party):
        return MISSING
    del state.contexts[deed.context]
    return DONE


def _known(contexts: Mapping[int, str] | Iterable[int]) -> list[int]:
    return sorted(contexts)
