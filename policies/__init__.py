"""The data trust: who may do what with which data, for which purpose, and the record of it."""

from broker.core.access import Grant
from policies import audit
from policies.caller import PUBLIC, Caller, PurposeError, TokenError
from policies.decision import Action, Decision, Duty, EngineUnavailable, RateExceeded
from policies.settings import PolicySettings
from policies.trust import Trust

__all__ = [
    "PUBLIC",
    "Action",
    "Caller",
    "Decision",
    "Duty",
    "EngineUnavailable",
    "Grant",
    "PolicySettings",
    "PurposeError",
    "RateExceeded",
    "TokenError",
    "Trust",
    "audit",
]
