"""Bearer tokens (JWT, RFC 7519; RFC 8725 practices) to callers.

A token is verified once; the caller is kept until the token expires or the issuer's set of keys changes, so the hot
path is one dictionary look-up. The algorithm comes from our allow-list and the key's own kind, never from the token
alone; `none` and symmetric algorithms are not in the list.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from policies.caller import DPV, PUBLIC, TIERS, Caller, TokenError
from policies.decision import EngineUnavailable
from policies.keys import KeySet, KeysUnavailable, PublicKey

__all__ = ["TIERS", "ClaimNames", "Verifier"]

_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
_KEPT = 10_000
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired; ask the issuer for a new one"),
    (jwt.ImmatureSignatureError, "the token is not valid yet (nbf or iat lies in the future)"),
    (jwt.InvalidAudienceError, "the token is meant for another audience than {audience}"),
    (jwt.InvalidIssuerError, "the token comes from another issuer than {issuer}"),
    (jwt.InvalidSignatureError, "the token's signature does not match the issuer's key"),
)


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Where an issuer's tokens say who calls; dots lead into objects (`realm_access.roles`)."""

    party: str = "party"
    tier: str = "tier"
    roles: str = "roles"
    purpose: str = "purpose"


_NAMES = ClaimNames()


class Verifier:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(
        self,
        keys: KeySet,
        issuer: str,
        audience: str,
        leeway_s: float,
        max_bytes: int,
        names: ClaimNames = _NAMES,
    ) -> None:
        self._names = names
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._max_bytes = max_bytes
        self._kept: dict[str, Caller] = {}
        self._generation = 0

    def known(self, authorization: str) -> Caller | None:
        """Give the caller of an `Authorization` value verified before and still valid; sync, for the hot path."""
        caller = self._kept.get(authorization)
        if caller is None or caller.expires <= time.time() or self._generation != self._keys.generation:
            return None
        return caller

    async def verify(self, headers: Mapping[str, str]) -> Caller:
        """Tell who calls; without an `authorization` header it is the public. Raises TokenError, EngineUnavailable."""
        authorization = headers.get("authorization")
        if authorization is None:
            return PUBLIC
        caller = self.known(authorization)
        return caller if caller is not None else await self._verify(authorization)

    async def _verify(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenError("the Authorization header must be `Bearer <token>`")
        if len(token) > self._max_bytes:
            raise TokenError(f"the token is longer than {self._max_bytes} bytes")
        algorithm, key = await self._key(token)
        caller = self._caller(self._claims(token, algorithm, key))
        self._keep(authorization, caller)
        return caller

    async def _key(self, token: str) -> tuple[str, PublicKey]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenError("the token is not a signed JWT without critical extensions") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in _ALGORITHMS:
            raise TokenError("the token's algorithm is not accepted; use RS256, PS256 or ES256")
        if not isinstance(kid, str):
            raise TokenError("the token names no key (`kid`)")
        try:
            key = await self._keys.key(kid)
        except KeysUnavailable as error:
            raise EngineUnavailable(f"the token cannot be verified: {error}") from error
        if key is None:
            raise TokenError("the token is signed with a key that the issuer does not publish")
        if algorithm not in key.algorithms:
            raise TokenError("the token's algorithm does not fit the issuer's key")
        return algorithm, key

    def _claims(self, token: str, algorithm: str, key: PublicKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.MissingRequiredClaimError as error:
            raise TokenError(f"the token lacks the claim `{error.claim}`") from error
        except jwt.PyJWTError as error:
            for kind, text in _REASONS:
                if isinstance(error, kind):
                    raise TokenError(text.format(audience=self._audience, issuer=self._issuer)) from error
            raise TokenError("the token is malformed") from error

    def _caller(self, claims: dict[str, Any]) -> Caller:
        names = self._names
        party, tier = _claim(claims, names.party), _claim(claims, names.tier)
        if not isinstance(party, str) or not party:
            raise TokenError(f"the token names no party (claim `{names.party}`)")
        if not isinstance(tier, str) or tier not in TIERS:
            raise TokenError(f"the token's `{names.tier}` must be one of {', '.join(sorted(TIERS))}")
        purposes = tuple(_iri(item) for item in _strings(claims, names.purpose))
        roles = tuple(sorted(_strings(claims, names.roles)))
        return Caller(party, claims["sub"], tier, roles, purposes, float(claims["exp"]))

    def _keep(self, authorization: str, caller: Caller) -> None:
        if self._generation != self._keys.generation:
            self._kept.clear()
            self._generation = self._keys.generation
        if len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[authorization] = caller


def _claim(claims: dict[str, Any], name: str) -> Any:
    """Find a claim by its name, or by a path of names into objects; None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _strings(claims: dict[str, Any], name: str) -> list[str]:
    found = _claim(claims, name)
    value = [] if found is None else found
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > 64 or not all(isinstance(item, str) for item in items):
        raise TokenError(f"the token's `{name}` must be a list of at most 64 strings")
    return items


def _iri(purpose: str) -> str:
    """Write `dpv:X` in full."""
    return DPV + purpose[4:] if purpose.startswith("dpv:") else purpose
