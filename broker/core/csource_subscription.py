"""Subscriptions to context source registrations: what one is told, and why (CIM 009 V1.9.1, 5.3.3, 5.11.7).

A change of a registration links two states of it. Who is told sees both as discovery shows them, so that a change of
what is hidden is no change, and a registration that becomes hidden has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from broker.core.registration import Asked, compiled, info_matches, matches
from broker.core.subscription import Subscription

__all__ = ["CsourceSubscription", "Reason", "Seen", "reason", "relevant"]

Reason: TypeAlias = Literal["newlyMatching", "updated", "noLongerMatching"]
Seen: TypeAlias = Mapping[str, Any]
"""A registration's document as somebody sees it, with its id."""

_KEPT_BY_THE_BROKER: Final = ("createdAt", "modifiedAt")


@dataclass(frozen=True, slots=True)
class CsourceSubscription:
    """A subscription in expanded form. `base` is what it has in common with others; its conditions on entities are not.

    `every`: how often all that matches is told; None: changes are told as they come.
    """

    base: Subscription
    asked: Asked
    sys_attrs: bool = False
    every: timedelta | None = None


def relevant(one: CsourceSubscription, seen: Seen | None) -> dict[str, Any] | None:
    """Return the registration with the RegistrationInfo elements that match (5.11.7), None if it does not match."""
    if seen is None:
        return None
    registration = compiled(seen["id"], "", seen)
    if not matches(registration, one.asked):
        return None
    information = [
        info
        for info, read in zip(seen["information"], registration.information, strict=True)
        if info_matches(read, one.asked)
    ]
    return {**seen, "information": information}


def reason(one: CsourceSubscription, was: Seen | None, now: Seen | None) -> Reason | None:
    """Say why the subscriber is told of a change, None if it is not (5.3.3)."""
    before, after = relevant(one, was), relevant(one, now)
    if before is None:
        return None if after is None else "newlyMatching"
    if after is None:
        return "noLongerMatching"
    return None if _told(was) == _told(now) else "updated"


def _told(seen: Seen | None) -> dict[str, Any]:
    return {name: value for name, value in (seen or {}).items() if name not in _KEPT_BY_THE_BROKER}
