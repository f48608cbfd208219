"""Who asks: the caller that a verified token names, or the public."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ANY_PURPOSE", "DPV", "PUBLIC", "TIERS", "Caller", "PurposeError", "TokenError"]

DPV = "https://w3id.org/dpv#"
TIERS = frozenset(
    {"public", "resident", "vendor", "startup", "researcher", "department", "oversight", "steward", "service"}
)
ANY_PURPOSE = DPV + "Purpose"
"""The root of the purposes: what a request without a stated purpose has; only agreements without a purpose cover it."""


class TokenError(Exception):
    """The token is not accepted (HTTP 401); `detail` says why in plain words, never repeating the token."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class PurposeError(Exception):
    """The purpose of the request cannot be told, or is not among the token's (HTTP 400); `detail` says what to send."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Caller:
    """A party and the person or service acting for it. `purposes` are IRIs; `expires` is epoch seconds."""

    party: str
    sub: str
    tier: str
    roles: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    expires: float = float("inf")
    agreement: str = ""
    """The one agreement that grants anything to this caller: that of its access key. Empty: all that concern it."""
    key: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        bound = ("\0", self.agreement) if self.agreement else ()
        object.__setattr__(self, "key", "\0".join((self.party, self.sub, self.tier, *self.roles, *bound)))


PUBLIC = Caller("public", "", "public")
