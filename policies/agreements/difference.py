"""The difference between two answers about the same request: what would be gained and what lost; pure.

A type's attribute is visible under conditions: those of each grant that shows it (filters, area, window, resolution),
of which any suffices, and those of each prohibition that hides it. Two answers differ in an attribute where these sets
differ. `*` stands for every attribute that neither answer names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from policies.answer import Allowed, GrantAnswer, Refused, TargetAnswer
from policies.grants import servable

__all__ = ["Change", "TypeChange", "change"]

Effect: TypeAlias = Literal["gains", "loses", "gains and loses", "none"]
_Conditions: TypeAlias = frozenset[str]
_State: TypeAlias = tuple[_Conditions, _Conditions]
_HIDDEN: _State = (frozenset(), frozenset())
_ALWAYS = "{}"
_NOT_CONDITIONS = {"agreement", "version", "types", "attrs"}


@dataclass(frozen=True, slots=True)
class TypeChange:
    """What changes of one type: attributes gained and lost as a whole, and those shown for more or fewer entities."""

    type: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    wider: tuple[str, ...]
    narrower: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    named: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """Write it, without what is empty."""
        found = {name: list(getattr(self, name)) for name in ("gains", "loses", "wider", "narrower", "before", "after")}
        if any("*" in found[name] for name in ("gains", "loses", "wider", "narrower")):
            found["other_than"] = list(self.named)  # what `*` does not stand for
        return {"type": self.type, **{name: value for name, value in found.items() if value}}


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for a request: whether it is allowed, and type by type what it shows."""

    before: str
    after: str
    types: tuple[TypeChange, ...]

    @property
    def effect(self) -> Effect:
        """Which way it changes."""
        up = any(one.gains or one.wider for one in self.types) or (self.after == "allowed" != self.before)
        down = any(one.loses or one.narrower for one in self.types) or (self.before == "allowed" != self.after)
        if up and down:
            return "gains and loses"
        return "gains" if up else "loses" if down else "none"


def change(before: Allowed | Refused, after: Allowed | Refused, action: str) -> Change:
    """Compare two answers about an action."""
    old, new = _shown(before, action), _shown(after, action)
    names = _names([*_grants(before, action), *_grants(after, action), *_hidden(before), *_hidden(after)])
    types = sorted({type_ for type_, _ in (*old, *new)})
    changes = [_of_type(type_, sorted(names), old, new) for type_ in types]
    return Change(
        _verdict(before, action),
        _verdict(after, action),
        tuple(one for one in changes if one.gains or one.loses or one.wider or one.narrower),
    )


def _verdict(answer: Allowed | Refused, action: str) -> str:
    if isinstance(answer, Refused):
        return answer.reason
    return "allowed" if _grants(answer, action) else "no_agreement"


def _grants(answer: Allowed | Refused, action: str) -> list[GrantAnswer]:
    return [] if isinstance(answer, Refused) else [grant for grant in answer.grants if servable(grant, action)]


def _hidden(answer: Allowed | Refused) -> list[TargetAnswer]:
    return [] if isinstance(answer, Refused) else answer.prohibitions


def _names(targets: Iterable[TargetAnswer]) -> set[str]:
    found = {"*"}
    for target in targets:
        if target.attrs is not None:
            found.update(target.attrs.only or (), target.attrs.but or ())
    return found


def _covers(target: TargetAnswer, name: str) -> bool:
    if target.attrs is None:
        return True
    if target.attrs.only is not None:
        return name in target.attrs.only
    return name not in (target.attrs.but or ())


def _condition(target: TargetAnswer) -> str:
    found = target.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return json.dumps({name: found[name] for name in found.keys() - _NOT_CONDITIONS}, sort_keys=True)


class _Shown(dict[tuple[str, str], _State]):
    """By type and attribute; names that nobody mentions are as `*`."""

    def state(self, type_: str, name: str) -> _State:
        return self.get((type_, name), _HIDDEN)


def _shown(answer: Allowed | Refused, action: str) -> _Shown:
    grants, hidden = _grants(answer, action), _hidden(answer)
    shown = _Shown()
    for type_ in {type_ for grant in grants for type_ in grant.types or ()}:
        mine = [grant for grant in grants if type_ in (grant.types or ())]
        against = [one for one in hidden if one.types is None or type_ in one.types]
        for name in _names([*mine, *against]):
            shown[type_, name] = _state(mine, against, name)
    return shown


def _state(grants: list[GrantAnswer], hidden: list[TargetAnswer], name: str) -> _State:
    given = frozenset(_condition(grant) for grant in grants if _covers(grant, name))
    taken = frozenset(_condition(one) for one in hidden if _covers(one, name))
    if not given or _ALWAYS in taken:
        return _HIDDEN
    return (frozenset({_ALWAYS}) if _ALWAYS in given else given), taken


def _of_type(type_: str, names: list[str], old: _Shown, new: _Shown) -> TypeChange:
    gains, loses, wider, narrower = [], [], [], []
    befores: set[str] = set()
    afters: set[str] = set()
    for name in names:
        was = _full(old, type_, name)
        now = _full(new, type_, name)
        if was == now:
            continue
        if was == _HIDDEN:
            gains.append(name)
        elif now == _HIDDEN:
            loses.append(name)
        else:
            if _more(was, now):
                wider.append(name)
            if _more(now, was):
                narrower.append(name)
        befores |= was[0]
        afters |= now[0]
    return TypeChange(
        type_,
        tuple(gains),
        tuple(loses),
        tuple(wider),
        tuple(narrower),
        _conditions(befores),
        _conditions(afters),
        tuple(name for name in names if name != "*"),
    )


def _full(shown: _Shown, type_: str, name: str) -> _State:
    found = shown.get((type_, name))
    return shown.state(type_, "*") if found is None else found


def _more(one: _State, other: _State) -> bool:
    """Tell whether the other shows an attribute where the one may not: another grant's condition, or a ban less."""
    if _ALWAYS in one[0]:
        return bool(one[1] - other[1])
    return bool(other[0] - one[0]) or bool(one[1] - other[1])


def _conditions(texts: set[str]) -> tuple[Any, ...]:
    return tuple(json.loads(text) for text in sorted(texts) if text != _ALWAYS)
