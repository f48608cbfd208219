"""The issuer's public keys (JWKS, RFC 7517): fetched, cached, fetched again for an unknown kid at a limited rate.

Where they are, the issuer's discovery document says (OpenID Connect Discovery 1.0, 4), unless a setting pins it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["KeySet", "KeysUnavailable", "PublicKey"]

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EC = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MAX_BYTES = 256 * 1024
_MIN_RSA_BITS = 2048


class KeysUnavailable(Exception):
    """The issuer's keys cannot be fetched."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key and the algorithms that it may verify."""

    key: RSAPublicKey | EllipticCurvePublicKey
    algorithms: frozenset[str]


def _usable(entry: dict[str, Any]) -> PublicKey | None:
    """Read one JWK; None for what cannot verify a signature here (symmetric, encryption, short or unknown)."""
    if entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(entry).key
    except jwt.PyJWTError:
        return None
    algorithms: frozenset[str]
    if isinstance(key, RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        algorithms = _RSA
    elif isinstance(key, EllipticCurvePublicKey) and key.curve.name in _EC:
        algorithms = frozenset({_EC[key.curve.name]})
    else:
        return None
    if "alg" in entry:
        algorithms = algorithms & {entry["alg"]}
    return PublicKey(key, algorithms) if algorithms else None


class KeySet:
    """The keys of one issuer by kid, at `url`; where that is empty, at what the issuer's discovery document names."""

    def __init__(self, url: str, http: aiohttp.ClientSession, refetch_s: float, ttl_s: float, issuer: str = "") -> None:
        self.url = url
        self._issuer = issuer
        self._http = http
        self._refetch_s = refetch_s
        self._ttl_s = ttl_s
        self._keys: dict[str, PublicKey] = {}
        self._tried = float("-inf")
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()
        self._why = ""
        self.generation = 0

    async def key(self, kid: str) -> PublicKey | None:
        """Give the key named `kid`, fetching when it is unknown or the set is old, at most once per `refetch_s`.

        Raises KeysUnavailable when the set is old and cannot be renewed: a withdrawn key must not live on.
        """
        if kid not in self._keys or self._old():
            async with self._lock:
                due = time.monotonic() - self._tried >= self._refetch_s
                if due and (kid not in self._keys or self._old()):
                    await self._fetch(time.monotonic())
        if self._old():
            raise KeysUnavailable(self._lacking())
        return self._keys.get(kid)

    def _lacking(self) -> str:
        keys, why = f"the keys of {self.url or self._issuer}", f": {self._why}" if self._why else ""
        if self._fetched == float("-inf"):
            return f"{keys} have not been fetched yet{why}"
        return f"{keys} are older than {self._ttl_s:g} s and cannot be renewed{why}"

    def _old(self) -> bool:
        return time.monotonic() - self._fetched > self._ttl_s

    async def refresh(self) -> None:
        """Fetch the keys now, whatever their age."""
        async with self._lock:
            await self._fetch(time.monotonic())

    async def _discovered(self) -> str:
        """Read where the keys are (Discovery 1.0, 4.3: the document must be the issuer's own)."""
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._document(url)
        if document.get("issuer") != self._issuer:
            raise KeysUnavailable(f"{url} is the document of another issuer than {self._issuer}")
        found = document.get("jwks_uri")
        schemes = ("https://", "http://") if self._issuer.startswith("http://") else ("https://",)
        if not isinstance(found, str) or not found.startswith(schemes):
            raise KeysUnavailable(f"{url} names no jwks_uri that is as safe as the issuer's own address")
        return found

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise KeysUnavailable(f"{url} answered {answer.status}")
                body = bytearray()
                async for part in answer.content.iter_chunked(_MAX_BYTES):
                    body += part
                    if len(body) > _MAX_BYTES:
                        raise KeysUnavailable(f"{url} is longer than {_MAX_BYTES} bytes")
                document = orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise KeysUnavailable(f"{url} cannot be read: {type(error).__name__}") from error
        if not isinstance(document, dict):
            raise KeysUnavailable(f"{url} is no JSON object")
        return document

    async def _fetch(self, now: float) -> None:
        self._tried = now
        try:
            await self._renew(now)
        except KeysUnavailable as error:
            self._why = str(error)
            raise
        self._why = ""

    async def _renew(self, now: float) -> None:
        url = self.url or await self._discovered()
        document = await self._document(url)
        if not isinstance(document.get("keys"), list):
            raise KeysUnavailable(f"{url} is no set of keys")
        keys = {
            entry["kid"]: usable
            for entry in document["keys"]
            if isinstance(entry, dict) and isinstance(entry.get("kid"), str) and (usable := _usable(entry))
        }
        if keys.keys() != self._keys.keys():
            self.generation += 1
        self._keys, self._fetched = keys, now
