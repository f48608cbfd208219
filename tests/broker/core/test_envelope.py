"""The envelope: whole and early refusal that names the member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core import envelope
from broker.core.entity import Doc
from broker.core.envelope import Envelope, EnvelopeError
from broker.core.ids import TenantId
from tests.strategies.entities import docs

T = "https://a.example/t"


def make(entity: Doc) -> Envelope:
    return Envelope(
        event=envelope.event_id("feed", 0, 12, 3),
        feed="feed",
        mapping="sha256:ab",
        tenant=TenantId("default"),
        domain="mobility",
        op="merge",
        received_at="2026-01-01T00:00:00.123Z",
        entity=entity,
        subjects=("p1",),
    )


SMALL = make({"id": "urn:x:1", "type": ["https://a.example/T"], T: {"type": "Property", "value": 1}})


@settings(max_examples=100, deadline=None)
@given(docs())
def test_it_goes_out_and_in(doc: Doc) -> None:
    assert envelope.parse(envelope.serialise(make(doc))) == make(doc)


_PIECES = [
    b'"', b"\\", b"\\u0000", b"\x00", b"\xff", b"\xc3\xa9", b"\xe2\x80\x8b", b" ", b",", b"{", b"}", b"[]", b"null",
    b"1", b"x", b'"feed":"f",', b'"v":2,', b'"op":"delete"', b',"received_at":"', b'","subjects":[],"entity":',
    b'{"v":1,"event":"',
]  # fmt: skip
_PLAIN = {
    "id": "urn:x:1",
    "type": ["https://a.example/T"],
    T: {"type": "Property", "value": 1.5, "unitCode": "CEL", "observedAt": "2026-01-01T00:00:00Z"},
    T + "2": {"type": "Relationship", "object": "urn:x:2"},
    "https://uri.etsi.org/ngsi-ld/location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
}


def _read(read: Callable[[bytes], Envelope | None], data: bytes) -> Envelope | None:
    try:
        return read(data)
    except EnvelopeError:
        return None


def _in_full(data: bytes) -> Envelope:
    return envelope._in_full(envelope._load(data))


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 520), st.integers(0, 12), st.sampled_from(_PIECES)), max_size=3))
def test_what_is_read_at_a_glance_is_what_is_read_in_full(edits: list[tuple[int, int, bytes]]) -> None:
    data = envelope.serialise(make(_PLAIN)._replace(subjects=()))
    assert envelope._at_a_glance(data) == _in_full(data)
    for at, length, piece in edits:
        data = data[:at] + piece + data[at + length :]
    found = _read(envelope._at_a_glance, data)
    if found is not None:
        assert found == _read(_in_full, data)
    assert _read(envelope.parse, data) == _read(_in_full, data)


@pytest.mark.parametrize(
    "members",
    [
        {"op": "delete"}, {"tenant": ""}, {"op": "replace"}, {"domain": "a b"}, {"feed": "é"}, {"event": "a/0/1/é"},
        {"event": ""}, {"feed": ""}, {"mapping": ""}, {"op": "upsert"}, {"received_at": "now"}, {"tenant": "a/b"},
        {"event": "a\x7f"}, {"event": "\u200b"}, {"subjects": ["p"]}, {"subjects": {}}, {"subjects": 0}, {"v": 1.0},
        {"v": True}, {"v": 2}, {"entity": {"id": "urn:x:1"}}, {"entity": []}, {"feed": "entity\"x"}, {"more": 1},
        {"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], "scope": ["/a"]}},
    ],
    ids=str,
)  # fmt: skip
def test_members_are_judged_alike_at_a_glance(members: dict[str, Any]) -> None:
    data = orjson.dumps(orjson.loads(envelope.serialise(make(_PLAIN)._replace(subjects=()))) | members)
    found, full = _read(envelope._at_a_glance, data), _read(_in_full, data)
    assert found is None or found == full
    assert _read(envelope.parse, data) == full


def test_the_event_names_the_records_position() -> None:
    assert SMALL.event == "feed/0/12/3"


def test_a_delete_needs_the_id_only() -> None:
    raw = orjson.loads(envelope.serialise(SMALL)) | {"op": "delete", "entity": {"id": "urn:x:1"}}
    assert envelope.parse(orjson.dumps(raw)).entity == {"id": "urn:x:1"}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"v": 2}, "v"),
        ({"v": None}, "v"),
        ({"event": ""}, "event"),
        ({"event": 5}, "event"),
        ({"feed": None}, "feed"),
        ({"mapping": []}, "mapping"),
        ({"tenant": 5}, "tenant"),
        ({"tenant": "a/b"}, "tenant"),
        ({"domain": ""}, "domain"),
        ({"op": "upsert"}, "op"),
        ({"op": ["merge"]}, "op"),
        ({"received_at": "now"}, "received_at"),
        ({"received_at": "2026-01-01T00:00:00+01:00"}, "received_at"),
        ({"subjects": "p"}, "subjects"),
        ({"subjects": [5]}, "subjects"),
        ({"extra": 1}, "extra"),
        ({"entity": []}, "entity.entity"),
        ({"entity": {"type": ["https://a.example/T"]}}, "entity.id"),
        ({"entity": {"id": "x", "type": ["https://a.example/T"]}}, "entity.id"),
        ({"entity": {"id": "urn:x:1"}}, "entity.type"),
        ({"entity": {"id": "urn:x:1", "type": "https://a.example/T"}}, "entity.type"),
        ({"entity": {"id": "urn:x:1", "type": ["T"]}}, "entity.type"),
        ({"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], "speed": {}}}, "entity.speed"),
        ({"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], T: 5}}, f"entity.{T}"),
        ({"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], T: {"type": "Property"}}}, f"entity.{T}.value"),
        (
            {"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], T: {"type": "Property", "value": None}}},
            f"entity.{T}.value",
        ),
        (
            {"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], T: {"type": "Property", "value": "\0"}}},
            f"entity.{T}.value",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_fault_is_refused_and_named(change: dict[str, Any], member: str) -> None:
    raw = orjson.loads(envelope.serialise(SMALL)) | change
    with pytest.raises(EnvelopeError) as caught:
        envelope.parse(orjson.dumps(raw))
    assert caught.value.member == member
    assert caught.value.detail.startswith(f"{member}: ")


@pytest.mark.parametrize(
    "member", ["event", "feed", "mapping", "tenant", "domain", "op", "received_at", "subjects", "entity"]
)
def test_a_missing_member_is_named(member: str) -> None:
    raw = orjson.loads(envelope.serialise(SMALL))
    del raw[member]
    with pytest.raises(EnvelopeError, match=f"^{member}: missing$"):
        envelope.parse(orjson.dumps(raw))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b"\xff", b'{"v":1}' + b" " * envelope.MAX_BYTES])
def test_what_is_no_envelope(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        envelope.parse(data)
