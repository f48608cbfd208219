"""The issuer's signing keys: made once, kept as files, rotated with the last one still published."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from uuid_utils import uuid7

__all__ = ["Algorithm", "SigningKeys", "claims"]

Algorithm = Literal["RS256", "ES256"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_KEPT = 2


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    algorithm: Algorithm
    private: PrivateKey

    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        text = RSAAlgorithm.to_jwk(public) if isinstance(public, rsa.RSAPublicKey) else ECAlgorithm.to_jwk(public)
        return {**json.loads(text), "kid": self.kid, "use": "sig", "alg": self.algorithm}


class SigningKeys:
    """The keys in a folder: `<kid>.<algorithm>.pem`, the newest signs, the two newest are published."""

    def __init__(self, folder: Path, algorithm: Algorithm = "RS256") -> None:
        self._folder = folder
        self._algorithm: Algorithm = algorithm
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._keys = self._read()
        if not self._keys:
            self.rotate()

    def rotate(self) -> str:
        """Make a new key that signs from now on; its kid."""
        private: PrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if self._algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )
        kid = uuid7().hex
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self._folder / f"{kid}.{self._algorithm}.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        for old in sorted(self._folder.glob("*.pem"))[:-_KEPT]:
            old.unlink(missing_ok=True)
        self._keys = self._read()
        return kid

    def jwks(self) -> dict[str, Any]:
        """Give the public keys as a JWK set."""
        return {"keys": [key.jwk() for key in reversed(self._keys)]}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
        """Sign claims with the newest key."""
        key = self._keys[-1]
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid, **(headers or {})})

    def _read(self) -> list[_Key]:
        keys = []
        for path in sorted(self._folder.glob("*.pem")):
            kid, algorithm, _ = path.name.split(".")
            private = serialization.load_pem_private_key(path.read_bytes(), None)
            if isinstance(private, rsa.RSAPrivateKey) and algorithm == "RS256":
                keys.append(_Key(kid, "RS256", private))
            elif isinstance(private, ec.EllipticCurvePrivateKey) and algorithm == "ES256":
                keys.append(_Key(kid, "ES256", private))
            else:
                raise ValueError(f"{path} does not hold a key for {algorithm}; remove it")
        return keys


def claims(
    issuer: str,
    audience: str,
    party: str,
    tier: str,
    *,
    sub: str = "",
    roles: list[str] | None = None,
    purposes: list[str] | None = None,
    ttl_s: float = 3600.0,
) -> dict[str, Any]:
    """Build the claims of a token that is valid from now on."""
    now = int(time.time())
    found: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + int(ttl_s),
        "jti": uuid7().hex,
        "sub": sub or party,
        "party": party,
        "tier": tier,
        "roles": roles or [],
    }
    if purposes:
        found["purpose"] = purposes
    return found
