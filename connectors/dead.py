"""Dead letters: why a record was not taken and where it stood; length and hash, nothing of the record itself."""

from __future__ import annotations

import hashlib
from datetime import datetime

import orjson

from connectors.errors import Rejection
from connectors.functions import utc

__all__ = ["dead_letter"]


def dead_letter(feed: str, rejection: Rejection, position: str, raw: bytes, at: datetime) -> bytes:
    """Write a dead letter of topic `dead.<feed>`. `raw` is hashed and measured only."""
    return orjson.dumps(
        {
            "v": 1,
            "feed": feed,
            "stage": rejection.stage,
            "rule": rejection.rule,
            "field": rejection.field,
            "suggestion": rejection.suggestion,
            "position": position,
            "length": len(raw),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "at": utc(at),
        }
    )
