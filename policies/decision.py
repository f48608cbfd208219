"""What a decision is: a refusal with its reason, or an allowance with grants in the broker's own terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from broker.core.access import EVERYTHING, Access

__all__ = [
    "ACTIONS",
    "KEY_ACTIONS",
    "NOTHING",
    "OPEN",
    "Action",
    "Decision",
    "Duty",
    "EngineUnavailable",
    "RateExceeded",
    "Reason",
]

NOTHING = Access()

Action: TypeAlias = Literal[
    "read", "temporal", "aggregate", "subscribe", "export", "publish", "delete", "register", "tenant", "manage"
]
ACTIONS: tuple[Action, ...] = (
    "read",
    "temporal",
    "aggregate",
    "subscribe",
    "export",
    "publish",
    "delete",
    "register",
    "tenant",
    "manage",
)
KEY_ACTIONS: frozenset[Action] = frozenset({"read", "temporal", "aggregate", "export"})
"""What an access key serves; whoever writes or subscribes can renew a token."""
Reason: TypeAlias = Literal[
    "no_agreement", "purpose_not_covered", "suspended", "expired", "quota", "prohibited", "engine_unavailable"
]


class EngineUnavailable(Exception):
    """No decision can be given now (HTTP 503): the policy engine or the revision watch has gone quiet."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RateExceeded(Exception):
    """The agreed rate is exceeded (HTTP 429); `retry_after_s` tells when a request fits again."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Duty:
    """What the caller owes: quota 10000/P1D, rate 50/PT1S, attribution (text), delete_after P30D, report_benefit.

    `own`: under an agreement made with the caller itself, not with its tier or everybody.
    """

    agreement: str
    kind: Literal["quota", "rate", "attribution", "delete_after", "report_benefit"]
    value: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed with `access`, or refused with `reason`, `detail` and where to apply. Valid until `until` (UTC).

    `rates` are those of the duties that are rates.
    """

    allow: bool
    access: Access = NOTHING
    reason: Reason | None = None
    detail: str = ""
    apply_at: str = ""
    duties: tuple[Duty, ...] = ()
    until: datetime | None = None
    agreements: tuple[tuple[str, int], ...] = ()
    revision: int = 0
    rates: tuple[Duty, ...] = ()


OPEN = Decision(True, EVERYTHING, agreements=(("urn:datapolis:open", 1),))
"""The decision of a platform that runs with DATAPOLIS_ACCESS=open."""
