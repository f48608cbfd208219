"""OPA's input and answer as typed models: what `data.datapolis.decision` takes and gives (CONTRACTS 5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from policies.decision import Action, Reason

__all__ = ["ANSWER", "Allowed", "DecisionInput", "Refused"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CallerInput(_Model):
    """The caller as the rules see it."""

    party: str
    sub: str
    tier: str
    roles: list[str]


class DecisionInput(_Model):
    """What a decision is made from."""

    caller: CallerInput
    purpose: str
    action: Action
    tenant: str
    now: str
    agreements: list[dict[str, Any]]


class AttrsAnswer(_Model):
    """Attributes by IRI."""

    only: list[str] | None = None
    but: list[str] | None = Field(default=None, alias="except")


class WindowAnswer(_Model):
    """Which instances of the history."""

    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    max_age: str | None = None


class ResolutionAnswer(_Model):
    """How fine."""

    time: str | None = None
    metres: float | None = None


class TargetAnswer(_Model):
    """Data in the broker's own terms; names in full, also in `q`."""

    types: list[str] | None = None
    attrs: AttrsAnswer | None = None
    q: str | None = None
    scopeQ: str | None = None
    area: dict[str, Any] | None = None
    window: WindowAnswer | None = None
    resolution: ResolutionAnswer | None = None
    aggregate_only: bool = False
    sources: list[str] = Field(default_factory=list)
    feeds: list[str] = Field(default_factory=list)


class GrantAnswer(TargetAnswer):
    """A grant, with the agreement it comes from."""

    agreement: str
    version: int


class DutyAnswer(_Model):
    """What is owed."""

    agreement: str
    kind: Literal["quota", "rate", "attribution", "delete_after", "report_benefit"]
    value: str


class Allowed(_Model):
    """The action is allowed, within the grants."""

    allow: Literal[True]
    grants: list[GrantAnswer] = Field(min_length=1)
    prohibitions: list[TargetAnswer]
    duties: list[DutyAnswer]
    until: str | None = None


class Refused(_Model):
    """The action is refused."""

    allow: Literal[False]
    reason: Reason
    detail: str
    domain: str | None = None
    until: str | None = None


Answer: TypeAlias = Annotated[Allowed | Refused, Field(discriminator="allow")]
ANSWER: TypeAdapter[Allowed | Refused] = TypeAdapter(Answer)
