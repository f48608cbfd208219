"""The change event: what happened to one entity, as the topic `changes` carries it.

`payload` writes one from JSON texts without parsing them (the write path); `parse` reads one back whole.
orjson is allowed in `core`: it is computation, not I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeAlias

import orjson

__all__ = [
    "AttrChange",
    "AttrTexts",
    "ChangeEvent",
    "Members",
    "MembersChange",
    "Op",
    "event_id",
    "moved",
    "parse",
    "payload",
    "quoted",
    "serialise",
    "text",
]

Op: TypeAlias = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class AttrChange:
    """One attribute instance before and after, in internal form; None: absent. `datasetId` "" is the default one."""

    name: str
    datasetId: str
    was: dict[str, Any] | None
    now: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Members:
    """An entity's types and scopes in one state; `scope` None: it has none."""

    type: tuple[str, ...]
    scope: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MembersChange:
    """Types and scopes before and after a change; None: there is no entity."""

    was: Members | None
    now: Members | None


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One change of one entity. `version` counts the entity's states; a consumer drops a version it has seen.

    `members`: where types or scopes changed, or come or go with the entity. Whoever decides by them on a state that is
    past needs them as they were then.
    """

    id: str
    tenant: str
    entity: str
    types: tuple[str, ...]
    version: int
    at: str
    op: Op
    attrs: tuple[AttrChange, ...]
    cause: str
    v: Literal[1] = 1
    members: MembersChange | None = None


class AttrTexts(Protocol):
    """An attribute instance before and after, as JSON texts in internal form."""

    @property
    def name(self) -> str:
        """The attribute's IRI."""

    @property
    def dataset_id(self) -> str:
        """The instance's datasetId, "" for the default one."""

    @property
    def was(self) -> str | None:
        """The instance before."""

    @property
    def now(self) -> str | None:
        """The instance after."""


def event_id(tenant: str, entity: str, version: int) -> str:
    """Name a change: the same change has the same name wherever it is told."""
    return f"{tenant}/{entity}/{version}"


def payload(
    tenant: str,
    entity: str,
    types: Sequence[str],
    version: int,
    at: str,
    op: Op,
    attrs: Sequence[AttrTexts],
    cause: str,
    members: str = "",
) -> bytes:
    """Write a change event from the instances' JSON texts."""
    return text(tenant, entity, types, version, at, op, attrs, cause, members).encode()


def text(
    tenant: str,
    entity: str,
    types: Sequence[str],
    version: int,
    at: str,
    op: Op,
    attrs: Sequence[AttrTexts],
    cause: str,
    members: str = "",
) -> str:
    """Write what `payload` gives, as the outbox takes it; `members` is what `moved` has written."""
    instances = ",".join(
        [f'{_instance(one.name, one.dataset_id)}{one.was or "null"},"now":{one.now or "null"}}}' for one in attrs]
    )
    head = orjson.dumps(
        {
            "v": 1,
            "id": event_id(tenant, entity, version),
            "tenant": tenant,
            "entity": entity,
            "types": types,
            "version": version,
            "at": at,
            "op": op,
        }
    ).decode()
    return f'{head[:-1]},"attrs":[{instances}],{members}"cause":{quoted(cause)}}}'


@lru_cache(maxsize=4096)
def _instance(name: str, dataset_id: str) -> str:
    """Write what stands before an instance's texts; the same few come again and again."""
    return f'{{"name":{quoted(name)},"datasetId":{quoted(dataset_id)},"was":'


def moved(was: Members | None, now: Members | None) -> str:
    """Write the change of types and scopes, as `text` takes it."""
    return f'"members":{orjson.dumps(MembersChange(was, now)).decode()},'


def serialise(event: ChangeEvent) -> bytes:
    """Write a change event; `parse` gives it back equal."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(event))
    if event.members is None:
        del found["members"]
    return orjson.dumps(found)


def parse(data: bytes | str) -> ChangeEvent:
    """Read a change event; ValueError if it is none (it comes from our own relay, so a fault is ours)."""
    try:
        raw = orjson.loads(data)
        attrs = tuple(AttrChange(a["name"], a["datasetId"], a["was"], a["now"]) for a in raw["attrs"])
        if raw["v"] != 1:
            raise ValueError(f"change event of version {raw['v']!r}: only 1 is known")
        return ChangeEvent(
            raw["id"],
            raw["tenant"],
            raw["entity"],
            tuple(raw["types"]),
            raw["version"],
            raw["at"],
            raw["op"],
            attrs,
            raw["cause"],
            members=_members(raw.get("members")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a change event: {error!r}") from error


def _members(raw: Any) -> MembersChange | None:
    return None if raw is None else MembersChange(_state(raw["was"]), _state(raw["now"]))


def _state(raw: Any) -> Members | None:
    if raw is None:
        return None
    return Members(tuple(raw["type"]), None if raw["scope"] is None else tuple(raw["scope"]))


@lru_cache(maxsize=4096)
def quoted(text: str) -> str:
    """Write a name as JSON; the same few come again and again."""
    return orjson.dumps(text).decode()
