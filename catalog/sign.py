"""Sign verdicts and check them: compact JWS (RFC 7515) with Ed25519 (RFC 8037), keys as JWK with their thumbprint.

The private key is a file of the assessor's, made when there is none; the public one is published at `/readiness/keys`.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from catalog.evidence import Verdict, evidence_json

__all__ = ["SignatureError", "VerdictKey", "opened", "statement_of"]


class SignatureError(ValueError):
    """The statement is malformed, or not signed by a published key."""


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def statement_of(verdict: Verdict, version: int) -> dict[str, Any]:
    """What is signed of a verdict: all of it, as it was assessed."""
    return {
        "domain": verdict.domain,
        "version": version,
        "status": verdict.status,
        "failing": list(verdict.failing),
        "reason": verdict.reason,
        "at": verdict.at,
        "expires": verdict.expires,
        "gates": [evidence_json(e) for e in verdict.gates],
    }


class VerdictKey:
    """The key that signs verdicts; its id is its thumbprint (RFC 7638)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        thumb = orjson.dumps({"crv": "Ed25519", "kty": "OKP", "x": _b64(raw)})
        self.kid = _b64(hashlib.sha256(thumb).digest())
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": _b64(raw), "kid": self.kid, "use": "sig", "alg": "EdDSA"}
        self._header = _b64(orjson.dumps({"alg": "EdDSA", "kid": self.kid, "typ": "JWS"}))

    @classmethod
    def load(cls, path: Path) -> VerdictKey:
        """Read the key from its file (PEM), making it if there is none. Raises ValueError for another kind of key."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            temporary = path.with_suffix(f".{os.getpid()}.tmp")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
            try:
                os.link(temporary, path)  # fails where another process was first; its key is then the one
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key; restore the catalog's own key or remove the file")
        return cls(key)

    def sign(self, verdict: Verdict, version: int) -> str:
        """Sign a verdict: a compact JWS."""
        body = _b64(orjson.dumps(statement_of(verdict, version), option=orjson.OPT_SORT_KEYS))
        signed = f"{self._header}.{body}"
        return f"{signed}.{_b64(self._key.sign(signed.encode()))}"


def opened(jws: str, keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Check a signature by the published keys (JWK) and give what was signed. Raises SignatureError."""
    try:
        head, body, signature = jws.split(".")
        header, found = orjson.loads(_bytes(head)), orjson.loads(_bytes(body))
        mark = _bytes(signature)
    except ValueError as error:
        raise SignatureError("it is no compact JWS") from error
    if not isinstance(header, dict) or not isinstance(found, dict) or header.get("alg") != "EdDSA":
        raise SignatureError("it is not signed with EdDSA")
    for jwk in keys:
        if jwk.get("kid") == header.get("kid") and jwk.get("crv") == "Ed25519":
            try:
                Ed25519PublicKey.from_public_bytes(_bytes(str(jwk["x"]))).verify(mark, f"{head}.{body}".encode())
            except (InvalidSignature, ValueError, KeyError) as error:
                raise SignatureError("the signature does not match what it signs") from error
            return found
    raise SignatureError(f"its key {header.get('kid')} is not among those that are published")
