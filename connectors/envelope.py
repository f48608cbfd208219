"""What goes to Kafka: the envelope of `entities.<domain>` and the dead letter, as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from connectors.errors import Rejection
from connectors.feed import Feed
from connectors.functions import utc

__all__ = ["dead_letter", "envelope"]


def envelope(
    feed: Feed, mapping: str, entity: dict[str, Any], event: str, received_at: str, subjects: Sequence[str] = ()
) -> bytes:
    """Write one entity's envelope; `event` is deterministic from the record's position."""
    return orjson.dumps(
        {
            "v": 1,
            "event": event,
            "feed": feed.feed,
            "mapping": mapping,
            "tenant": feed.tenant,
            "domain": feed.domain,
            "op": "merge",
            "received_at": received_at,
            "subjects": list(subjects),
            "entity": entity,
        }
    )


def dead_letter(feed: str, rejection: Rejection, position: str, raw: bytes, at: datetime) -> bytes:
    """Write a dead letter: why and where, length and hash, nothing of the record."""
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
