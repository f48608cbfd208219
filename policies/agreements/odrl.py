"""The agreement as written: our profile of ODRL 2.2 (CONTRACTS 6), closed so that no member is read over in silence."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from policies.caller import TIERS
from policies.decision import Action
from policies.durations import PATTERN, Duration

__all__ = [
    "PROFILE",
    "Agreement",
    "Attrs",
    "Constraint",
    "DutyRule",
    "Resolution",
    "Rule",
    "Status",
    "Target",
    "Window",
    "hint",
]

PROFILE = "https://datapolis.example/ns/trust"
Status: TypeAlias = Literal["offered", "applied", "active", "suspended", "revoked", "expired"]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]
_FITTING: dict[str, dict[str, type]] = {
    "purpose": {"isA": str, "eq": str, "isAnyOf": list, "isNoneOf": list},
    "t:role": {"eq": str, "isAnyOf": list},
    "dateTime": {"lt": str, "lteq": str, "gt": str, "gteq": str},
}
"""The operators of each left operand, and the kind of right operand that each takes."""


class Closed(BaseModel):
    """A part of an agreement: unknown members are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Attrs(Closed):
    """Attributes by name: `only` these, or all `except` these."""

    only: list[Name] | None = Field(default=None, min_length=1, max_length=500)
    but: list[Name] | None = Field(default=None, alias="except", min_length=1, max_length=500)

    @model_validator(mode="after")
    def _one_of_both(self) -> Attrs:
        if (self.only is None) == (self.but is None):
            raise ValueError("give either `only` or `except`")
        return self


class Window(Closed):
    """Which instances of the history: by observedAt from, to (not included), and no older than max_age."""

    from_: AwareDatetime | None = Field(default=None, alias="from")
    to: AwareDatetime | None = None
    max_age: Duration | None = None


class Resolution(Closed):
    """How fine: time as a duration (forces aggregatedValues), metres as a grid for positions."""

    time: Duration | None = None
    metres: float | None = Field(default=None, gt=0, le=100_000)


class Target(Closed):
    """Which data. Without `types` it is all types of the agreement's domain."""

    types: list[Name] | None = Field(default=None, min_length=1, max_length=200)
    attrs: Attrs | None = None
    q: str | None = Field(default=None, min_length=1, max_length=8192)
    scopeQ: str | None = Field(default=None, min_length=1, max_length=4096)
    area: dict[str, Any] | None = None
    window: Window | None = None
    resolution: Resolution | None = None
    aggregate_only: bool | None = None
    sources: list[Name] | None = Field(default=None, min_length=1, max_length=200)
    feeds: list[Name] | None = Field(default=None, min_length=1, max_length=200)


class Constraint(Closed):
    """When: the request's purpose, the caller's role, the time."""

    leftOperand: Literal["purpose", "t:role", "dateTime"]
    operator: Literal["isA", "isAnyOf", "isNoneOf", "eq", "lt", "lteq", "gt", "gteq"]
    rightOperand: str | list[str]

    @model_validator(mode="after")
    def _fits(self) -> Constraint:
        fitting = _FITTING[self.leftOperand]
        if self.operator not in fitting:
            raise ValueError(f"{self.leftOperand} takes the operators {', '.join(fitting)}")
        if not isinstance(self.rightOperand, fitting[self.operator]):
            kind = "one value" if fitting[self.operator] is str else "a list"
            raise ValueError(f"{self.operator} takes {kind}")
        if self.leftOperand == "dateTime" and datetime.fromisoformat(str(self.rightOperand)).tzinfo is None:
            raise ValueError("dateTime takes a time with its zone, such as 2027-01-01T00:00:00Z")
        return self


class DutyRule(Closed):
    """What is owed for the use."""

    action: Literal["attribute", "t:quota", "t:rate", "t:deleteAfter", "t:reportBenefit"]
    value: str | None = Field(default=None, max_length=500)

    @model_validator(mode="after")
    def _value(self) -> DutyRule:
        pattern = {
            "attribute": r".+",
            "t:quota": rf"[1-9]\d{{0,14}}/{PATTERN}",
            "t:rate": rf"[1-9]\d{{0,14}}/{PATTERN}",
            "t:deleteAfter": PATTERN,
            "t:reportBenefit": PATTERN,
        }[self.action]
        if self.value is None or not re.fullmatch(pattern, self.value):
            example = {"attribute": "a text", "t:quota": "10000/P1D", "t:rate": "50/PT1S"}.get(self.action, "P30D")
            raise ValueError(f"{self.action} needs a value such as {example}")
        return self


class Rule(Closed):
    """A permission or a prohibition."""

    action: Action | list[Action]
    target: Target = Field(default_factory=Target)
    constraint: list[Constraint] = Field(default_factory=list, max_length=50)
    duty: list[DutyRule] = Field(default_factory=list, max_length=20)


class Period(Closed):
    """From when until when (not included)."""

    from_: AwareDatetime = Field(alias="from")
    until: AwareDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.from_ >= self.until:
            raise ValueError("`from` must be before `until`")
        return self


class Agreement(Closed):
    """Who may do what, for which purposes, on which data, under which duties, until when."""

    context: str | dict[str, Any] | list[str | dict[str, Any]] = Field(alias="@context")
    type_: Literal["Agreement", "Offer"] = Field(alias="@type")
    uid: str = Field(pattern=r"^urn:[a-z0-9][a-z0-9-]{0,31}:\S+$", max_length=200)
    profile: Literal["https://datapolis.example/ns/trust"]
    version: int = Field(ge=1)
    status: Status
    title: dict[str, str] | None = None
    domain: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    assigner: str = Field(pattern=r"^urn:\S+$")
    assignee: str = Field(pattern=r"^(urn:\S+|tier:[a-z]+)$")
    valid: Period
    assessment: str | None = Field(default=None, pattern=r"^urn:\S+$")
    permission: list[Rule] = Field(default_factory=list, max_length=100)
    prohibition: list[Rule] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _says_something(self) -> Agreement:
        if not self.permission and not self.prohibition:
            raise ValueError("an agreement needs a permission or a prohibition")
        if any(rule.duty for rule in self.prohibition):
            raise ValueError("a prohibition has no duties")
        return self

    @model_validator(mode="after")
    def _offer_or_agreement(self) -> Agreement:
        if (self.type_ == "Offer") != (self.status == "offered"):
            raise ValueError("an Offer has the status offered, and nothing else has")
        return self

    @field_validator("assignee")
    @classmethod
    def _tier(cls, assignee: str) -> str:
        if assignee.startswith("tier:") and assignee[5:] not in TIERS:
            raise ValueError(f"{assignee[5:]!r} is no tier; the tiers are {', '.join(sorted(TIERS))}")
        return assignee


_HINTS = {
    "obligation": "write what is owed as `duty` of the permission it belongs to",
    "refinement": "write the narrower data as members of `target`: q, scopeQ, area, attrs, window, resolution",
    "and": "list the constraints; all of them must hold",
    "or": "write one permission for each alternative; grants add up",
    "xone": "write one permission for each alternative",
    "andSequence": "list the constraints; an order among them cannot be kept",
    "remedy": "write a duty of a permission; the trust's sanctions are warning, suspension and revocation",
    "consequence": "write a duty; what follows when it is not met is the steward's decision",
    "compensation": "payment is not part of the profile",
    "inheritFrom": "write the agreement out in full; nothing is read from elsewhere",
    "conflict": "a prohibition always wins; another strategy cannot be kept",
    "asset": "name the data in `target`: types, attrs, q, scopeQ, area",
    "relation": "name the data in `target`",
    "function": "name the parties as `assigner` and `assignee`",
    "unit": "the unit is part of the value: 10000/P1D, P30D, PT1H, metres",
    "dataType": "values are texts of the forms that the profile lists",
    "rightOperandReference": "write the value itself as `rightOperand`",
    "implies": "list every action",
    "includedIn": "list every action",
}


def hint(error: ValidationError) -> dict[str, str]:
    """Say of ODRL's own members that this profile leaves out what to write in their place."""
    found = {}
    for fault in error.errors(include_url=False, include_input=False):
        if fault["type"] == "extra_forbidden" and fault["loc"][-1] in _HINTS:
            found[".".join(str(part) for part in fault["loc"])] = _HINTS[str(fault["loc"][-1])]
    return found
