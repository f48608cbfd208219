"""The envelope of `entities.<domain>`: one entity on its way from a feed to the broker.

`parse` refuses the whole envelope at the first fault and names the member, so that a dead letter can say what was
wrong.
`event` derives from the record's position: a remap or a duplicate produce repeats it.
orjson is allowed in `core`: it is computation, not I/O.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from broker.core import times
from broker.core.entity import Doc
from broker.core.errors import BadRequestData
from broker.core.ids import DEFAULT_TENANT, TenantId, parse_tenant
from broker.core.nul import where_nul
from broker.core.plain import is_plain_doc
from broker.core.validate import MAX_ATTRIBUTES, check_doc

__all__ = ["MAX_BYTES", "Envelope", "EnvelopeError", "EnvelopeOp", "event_id", "parse", "serialise"]

EnvelopeOp: TypeAlias = Literal["merge", "replace", "delete"]

MAX_BYTES: Final = 1_000_000
_MEMBERS: Final = (
    "v",
    "event",
    "feed",
    "mapping",
    "tenant",
    "domain",
    "op",
    "received_at",
    "subjects",
    "entity",
)
_MEMBERS_SET: Final = frozenset(_MEMBERS)
_OPS: Final = frozenset({"merge", "replace", "delete"})


class EnvelopeError(BadRequestData):
    """The bytes are no envelope; `member` is the faulty member's path, e.g. `entity.id`."""

    def __init__(self, member: str, detail: str) -> None:
        super().__init__(f"{member}: {detail}")
        self.member = member


class Envelope(NamedTuple):
    """One entity of a feed, in internal form. For `delete` the entity needs its id only."""

    event: str
    feed: str
    mapping: str
    tenant: TenantId
    domain: str
    op: EnvelopeOp
    received_at: str
    entity: Doc
    subjects: tuple[str, ...] = ()
    v: Literal[1] = 1


def event_id(feed: str, partition: int, offset: int, n: int) -> str:
    """Name the n-th entity made of the record at this position."""
    return f"{feed}/{partition}/{offset}/{n}"


def serialise(envelope: Envelope) -> bytes:
    """Write an envelope; `parse` gives it back equal."""
    return orjson.dumps(
        {
            "v": envelope.v,
            "event": envelope.event,
            "feed": envelope.feed,
            "mapping": envelope.mapping,
            "tenant": envelope.tenant,
            "domain": envelope.domain,
            "op": envelope.op,
            "received_at": envelope.received_at,
            "subjects": envelope.subjects,
            "entity": envelope.entity,
        }
    )


def parse(data: bytes) -> Envelope:
    """Read an envelope whole: every member known, present and right, the entity valid; else EnvelopeError."""
    raw = _load(data)
    if not _is_sound(raw):
        _check(raw)
    op: EnvelopeOp = raw["op"]
    entity = raw["entity"]
    if not is_plain_doc(entity, MAX_ATTRIBUTES):
        check_entity(entity, op)
    members = (
        raw["event"],
        raw["feed"],
        raw["mapping"],
        raw["tenant"] or DEFAULT_TENANT,
        raw["domain"],
        op,
        raw["received_at"],
        entity,
        tuple(raw["subjects"]),
        1,
    )
    return tuple.__new__(Envelope, members)  # a third of the time that Envelope() takes


_tenant = lru_cache(maxsize=4096)(parse_tenant)


@lru_cache(maxsize=4096)
def _is_head(feed: Any, mapping: Any, tenant: Any, domain: Any, op: Any) -> bool:
    """Say whether the members are right that a feed's envelopes share."""
    texts = (feed, mapping, tenant, domain, op)
    if not all(type(one) is str and one for one in texts) or op not in _OPS:
        return False
    try:
        return bool(_tenant(tenant))
    except BadRequestData:
        return False


def _is_sound(raw: dict[str, Any]) -> bool:
    """Say at a glance that all members but the entity are right; if not, `_check` names the fault."""
    event = raw["event"]
    if type(event) is not str or not event or raw["subjects"] != []:
        return False
    try:
        if not _is_head(raw["feed"], raw["mapping"], raw["tenant"], raw["domain"], raw["op"]):
            return False
    except TypeError:  # an array or object, where a text is needed
        return False
    return times.canonical(raw["received_at"]) is not None


def _check(raw: dict[str, Any]) -> None:
    """Check all members but the entity."""
    for member in ("event", "feed", "mapping", "domain"):
        if not isinstance(raw[member], str) or not raw[member]:
            raise EnvelopeError(member, "a non-empty string is needed")
    if not isinstance(raw["tenant"], str):
        raise EnvelopeError("tenant", "a string is needed")
    try:
        _tenant(raw["tenant"])
    except BadRequestData as error:
        raise EnvelopeError("tenant", error.detail) from error
    if raw["op"] not in ("merge", "replace", "delete"):
        raise EnvelopeError("op", f"{raw['op']!r:.40} is none of merge, replace, delete")
    if times.canonical(raw["received_at"]) is None:
        raise EnvelopeError("received_at", f"{raw['received_at']!r:.60} is not a DateTime in UTC")
    subjects = raw["subjects"]
    if not isinstance(subjects, list) or not all(isinstance(one, str) for one in subjects):
        raise EnvelopeError("subjects", "an array of strings is needed")


def check_entity(entity: Any, op: EnvelopeOp) -> None:
    """Check the entity of an envelope; a `delete` needs the id only. Raises EnvelopeError naming the member."""
    try:
        check_doc(entity, need_type=op != "delete")
    except BadRequestData as error:
        member, _, detail = error.detail.partition(": ")
        raise EnvelopeError(f"entity.{member}" if detail else "entity", detail or error.detail) from error


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise EnvelopeError("envelope", f"{len(data)} bytes, at most {MAX_BYTES} are taken")
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError("envelope", f"not JSON: {error}") from error
    place = where_nul(data, raw)
    if place is not None:
        raise EnvelopeError(place or "envelope", "the character U+0000 cannot be stored")
    if not isinstance(raw, dict):
        raise EnvelopeError("envelope", "a JSON object is needed")
    if raw.get("v") != 1:
        raise EnvelopeError("v", f"{raw.get('v')!r:.40} is no known version; 1 is")
    if raw.keys() == _MEMBERS_SET:
        return raw
    for member in _MEMBERS:
        if member not in raw:
            raise EnvelopeError(member, "missing")
    unknown = next((member for member in raw if member not in _MEMBERS), None)
    if unknown is not None:
        raise EnvelopeError(unknown, "unknown member")
    return raw
