"""The envelope of `entities.<domain>`: one entity on its way from a feed to the broker.

`parse` refuses the whole envelope at the first fault and names the member, so that a dead letter can say what was
wrong.
`event` derives from the record's position: a remap or a duplicate produce repeats it.
orjson is allowed in `core`: it is computation, not I/O.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from orjson import JSONDecodeError, dumps, loads

from broker.core import times
from broker.core.entity import Doc
from broker.core.errors import BadRequestData
from broker.core.ids import TenantId, parse_tenant
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
_OPS: Final = frozenset({"merge", "replace", "delete"})
_tuple: Final = tuple.__new__
_SHARED: Final = ("event", "feed", "mapping", "tenant", "domain", "op", "received_at")
_FIRST: Final = b'{"v":1,"event":"'
_EVENT: Final = len(_FIRST)
_RECEIVED: Final = b',"received_at":"'
_LAST: Final = b'","subjects":[],"entity":'
_CLOSED: Final = ord("}")
_ESCAPE: Final = ord("\\")


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
    return dumps(
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
    found = _at_a_glance(data)
    return found if found is not None else _in_full(_load(data))


def _at_a_glance(data: bytes) -> Envelope | None:
    """Read an envelope as `serialise` writes nearly all: right, about nobody, of a plain entity, with no escapes.

    None: it has to be read in full. Only the entity is parsed; the members that a feed's envelopes share are parsed
    when they are first seen. Without escapes every quotation mark begins or ends a text, so where the parts between
    the marks found here are right by themselves, the whole is.
    """
    end = data.find(b'"', _EVENT)
    part, head = _last_head[0]
    known = data.startswith(part, end + 1)
    at = end + 1 + len(part) if known else data.find(_RECEIVED, end) + len(_RECEIVED)
    rest = data.find(b'"', at)
    if not data.startswith(_FIRST) or not data.startswith(_LAST, rest) or _ESCAPE in data or len(data) > MAX_BYTES:
        return None
    try:
        if not known:
            part = data[end + 1 : at]
            head = _head(part)
            _last_head[0] = part, head
        if head is None or data[-1] != _CLOSED:
            return None
        event, received_at = data[_EVENT:end].decode(), data[at:rest].decode()
        if not event or not event.isprintable() or times.canonical(received_at) is None:
            return None
        entity = loads(data[rest + len(_LAST) : -1])
    except ValueError:  # not JSON, not UTF-8
        return None
    if not is_plain_doc(entity, MAX_ATTRIBUTES):
        return None
    return _tuple(Envelope, (event, *head, received_at, entity, (), 1))  # a third of the time that Envelope() takes


_Head: TypeAlias = tuple[str, str, TenantId, str, str]
_last_head: list[tuple[bytes, _Head | None]] = [(_RECEIVED + b'"', None)]
"""The last part that was read, and what it says: the next envelope mostly is of the same feed. At first, no part."""


@lru_cache(maxsize=4096)
def _head(part: bytes) -> _Head | None:
    """Give the members that a feed's envelopes share, always the same objects; None where any is not right.

    `part`: what stands between the event and the value of `received_at`.
    """
    raw = loads(b'{"event":""' + part + b'"}')
    if tuple(raw) != _SHARED:
        return None
    texts = tuple(raw.values())
    if not all(type(one) is str for one in texts) or not all(texts[1:-1]) or texts[-2] not in _OPS:
        return None
    try:
        return (texts[1], texts[2], parse_tenant(texts[3]), texts[4], texts[5])
    except BadRequestData:
        return None


def _in_full(raw: Any) -> Envelope:
    """Read any envelope; the first fault is told."""
    _check_members(raw)
    _check(raw)
    op: EnvelopeOp = raw["op"]
    check_entity(raw["entity"], op)
    return Envelope(
        raw["event"],
        raw["feed"],
        raw["mapping"],
        _tenant(raw["tenant"]),
        raw["domain"],
        op,
        raw["received_at"],
        raw["entity"],
        tuple(raw["subjects"]),
    )


_tenant = lru_cache(maxsize=4096)(parse_tenant)


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


def _load(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise EnvelopeError("envelope", f"{len(data)} bytes, at most {MAX_BYTES} are taken")
    try:
        raw = loads(data)
    except JSONDecodeError as error:
        raise EnvelopeError("envelope", f"not JSON: {error}") from error
    place = where_nul(data, raw)
    if place is not None:
        raise EnvelopeError(place or "envelope", "the character U+0000 cannot be stored")
    return raw


def _check_members(raw: Any) -> None:
    """Check that there are the members of an envelope of this version, and no others."""
    if not isinstance(raw, dict):
        raise EnvelopeError("envelope", "a JSON object is needed")
    if raw.get("v") != 1:
        raise EnvelopeError("v", f"{raw.get('v')!r:.40} is no known version; 1 is")
    for member in _MEMBERS:
        if member not in raw:
            raise EnvelopeError(member, "missing")
    unknown = next((member for member in raw if member not in _MEMBERS), None)
    if unknown is not None:
        raise EnvelopeError(unknown, "unknown member")
