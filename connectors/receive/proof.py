"""Check that a request comes from the feed's sender: tokens and signatures, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from connectors.specs.closed import revealed
from connectors.specs.push import Auth, BasicAuth, BearerAuth, HeaderAuth, HmacAuth, QueryAuth, StandardWebhooks

__all__ = ["CHALLENGES", "needs_body", "proven"]

CHALLENGES = {"bearer": "Bearer", "basic": 'Basic realm="push"'}
"""WWW-Authenticate by kind, where HTTP knows the kind."""


def needs_body(auth: Auth) -> bool:
    """Say whether the proof can be checked only with the body."""
    return isinstance(auth, HmacAuth | StandardWebhooks)


def proven(auth: Auth, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: float) -> bool:
    """Say whether headers, query (or the body, where it is signed) carry the proof; `now` in seconds since 1970."""
    match auth:
        case BearerAuth():
            return _same(headers.get("Authorization", ""), f"Bearer {revealed(auth.token)}")
        case BasicAuth():
            pair = f"{auth.username}:{revealed(auth.password)}".encode()
            return _same(headers.get("Authorization", ""), "Basic " + base64.b64encode(pair).decode())
        case HeaderAuth():
            return _same(headers.get(auth.name, ""), revealed(auth.value))
        case QueryAuth():
            return _same(query.get(auth.name, ""), revealed(auth.value))
        case HmacAuth():
            return _signed(auth, headers, body, now)
        case StandardWebhooks():
            return _standard(auth, headers, body, now)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _signed(auth: HmacAuth, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    message = body
    if auth.timestamp is not None:
        stamp = headers.get(auth.timestamp, "")
        if not _recent(stamp, now, auth.tolerance):
            return False
        message = stamp.encode() + b"." + body
    made = hmac.digest(revealed(auth.secret).encode(), message, auth.algorithm)
    text = made.hex() if auth.encoding == "hex" else base64.b64encode(made).decode()
    given = headers.get(auth.header, "").strip()
    return _same(given.lower() if auth.encoding == "hex" else given, (auth.prefix + text))


def _standard(auth: StandardWebhooks, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    stamp, label = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    if not label or not _recent(stamp, now, auth.tolerance):
        return False
    try:
        key = base64.b64decode(revealed(auth.secret).removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    made = base64.b64encode(hmac.digest(key, f"{label}.{stamp}.".encode() + body, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split()
    return any(_same(one, f"v1,{made}") for one in given[:10])


def _recent(stamp: str, now: float, tolerance: float) -> bool:
    return stamp.isascii() and stamp.isdecimal() and abs(now - int(stamp)) <= tolerance
